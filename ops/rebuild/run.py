"""One rebuild: a shadow is filled from the topics, compared with the live copy, put in place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from ops.errors import CannotRun
from ops.rebuild.comparison import Difference, Digest, Shape, differences, digest, shape_of
from ops.rebuild.live import Live, SubjectKey
from ops.rebuild.replay import Replay
from ops.rebuild.shadow import Shadow
from shared.bus.port import Bus
from shared.bus.projections import Projections
from shared.bus.subscriptions import Subscriptions

ROUNDS = 3
"""Before the live copy is held: each leaves less to read."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is rebuilt: a service's databases, what it hears and what it keeps of it."""

    name: str
    owner_url: str
    app_url: str
    worker_url: str
    subscriptions: Subscriptions
    projections: Projections


@dataclass(frozen=True, slots=True)
class TableFound:
    """One table of one network, live and rebuilt."""

    table: str
    network_id: UUID
    live: Digest
    rebuilt: Digest
    differences: Sequence[Difference] = ()


@dataclass(slots=True)
class Report:
    """What a rebuild found. `parked`: waits in both copies. `stopped`: the live copy has heard more
    of a subject than could be heard again, with the reason; then nothing is swapped."""

    events: int = 0
    networks: int = 0
    tables: list[TableFound] = field(default_factory=list)
    parked: dict[SubjectKey, str] = field(default_factory=dict)
    stopped: dict[SubjectKey, str] = field(default_factory=dict)
    swapped: int = 0

    @property
    def different(self) -> int:
        """How many rows differ."""
        return sum(len(found.differences) for found in self.tables)

    @property
    def equal(self) -> bool:
        """Whether the copies are the same, as far as both have heard."""
        return not self.different and not self.stopped

    @property
    def sha256(self) -> str:
        """The canonical hash of the live copy as it was found."""
        lines = [f"{t.table} {t.network_id} {t.live.sha256}" for t in self.tables if t.live.rows]
        return sha256("\n".join(lines).encode()).hexdigest()


async def rebuild(
    service: Service,
    bus: Bus,
    names: Sequence[str],
    *,
    swap: bool = False,
    network: UUID | None = None,
) -> Report:
    """Rebuild projections from the topics and compare them with the live rows, while others write.

    swap: make the live rows what the rebuilt ones are. network: this one alone.
    Raises CannotRun, with a reason, for what cannot be rebuilt.
    """
    for name in names:
        if (refused := service.projections[name].refused) is not None:
            raise CannotRun(f"{service.name} {name} cannot be rebuilt: {refused}")
    doubled = [table for each in service.projections.values() for table in each.tables]
    async with Live.opened(service.name, service.owner_url, service.worker_url) as live:
        shapes = [
            await shape_of(live.owner, table, service.projections[name])
            for name in names
            for table in service.projections[name].tables
        ]
        async with live.lending():
            shadow = await Shadow.made(service.name, service.app_url, doubled)
        try:
            replay = Replay(live, shadow, bus, service.subscriptions, network)
            for _ in range(ROUNDS):
                await replay.catch_up()
            planted = [await live.networks_of(shape.table) for shape in shapes]
            async with live.held():
                await replay.catch_up()
                held = await live.networks_of("applied")
                networks = replay.networks.union(held, *planted)
                if network is not None:
                    networks &= {network}
                return await _compared(replay, shapes, sorted(networks), swap=swap)
        finally:
            await shadow.close()


async def _compared(
    replay: Replay, shapes: Sequence[Shape], networks: Sequence[UUID], *, swap: bool
) -> Report:
    live, shadow = replay.live, replay.shadow
    report = Report(replay.heard, len(replay.networks))
    report.parked = {k: v for k, v in (await live.parked()).items() if k[0] in networks}
    for network_id in networks:
        report.stopped |= await _stopped(replay, network_id)
    wrong: list[tuple[Shape, list[Difference]]] = []
    for shape in shapes:
        of_shape: list[Difference] = []
        for network_id in networks:
            async with shadow.work(network_id) as work:
                here, there = (
                    await digest(work, shape, "public"),
                    await digest(work, shape, "pg_temp"),
                )
                found = await differences(work, shape) if here != there else []
            report.tables.append(TableFound(shape.table, network_id, here, there, found))
            of_shape += found
        if of_shape:
            wrong.append((shape, of_shape))
    if swap and wrong and not report.stopped:
        await live.put(wrong)
        report.swapped = report.different
    return report


_STANDS = """
SELECT topic, subject, coalesce(a.seq, 0) AS seq, k.problem
FROM applied a FULL JOIN parked_key k USING (network_id, topic, subject)
"""


async def _stopped(replay: Replay, network_id: UUID) -> dict[SubjectKey, str]:
    """The subjects of a network of which less could be heard again than the live copy has heard."""
    applied = await replay.live.all_applied(network_id, replay.subscriptions.topics)
    async with replay.shadow.work(network_id) as work:
        rows = await work.raw.fetch(_STANDS)
    again = {(network_id, row[0], row[1]): (row[2], row[3]) for row in rows}
    found = {}
    for key, seq in applied.items():
        heard, problem = again.get(key, (0, None))
        if heard < seq:
            reason = problem or "the topic has no more of it"
            found[key] = f"heard to {heard} of {seq}: {reason}"
    return found
