"""The made-up services on a real bus, each a process of its own, with a proxy in every link.

The test itself writes alpha's rows, as its API would; alpha's process relays them, beta's (and
gamma's, where it is started) hears them. What holds in the end is read from the ground truth: the
databases and the topic.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from ops import processes
from ops.child import Process
from ops.layout import CHECKOUT
from shared.bus.port import Record
from shared.bus.settle import PARKED_KEYS_MAX
from shared.bus.tests.company import TOPIC, Company
from shared.values.ids import new_id
from tests.faults.bus.broker import FaultyBroker
from tests.faults.bus.lengths import FULL
from tests.faults.bus.made_up import Spec
from tests.faults.proxy import Proxy
from tests.faults.stable import Stable

MADE_UP = "tests.faults.bus.made_up"
PATIENCE_S = 600.0 if FULL else 40.0
LOOK_S = 0.05
STOP_S = 15.0
THINGS = 30
FIRST = 10_000
"""Values begin above it: some below have a meaning to the handler or to its database."""
WRITERS = 3


async def until(
    look: Callable[[], Awaitable[Any]], what: str, patience_s: float = PATIENCE_S
) -> Any:
    """Look until there is something, and give it."""
    end = time.monotonic() + patience_s
    while not (found := await look()):
        assert time.monotonic() < end, f"{what} did not come within {patience_s:.0f} s"
        await asyncio.sleep(LOOK_S)
    return found


@dataclass(slots=True)
class Pair:
    """The services, and what the test knows for certain of what it wrote."""

    company: Company
    urls: dict[str, str]
    """CLINICBUS_<NAME>_<APP|WORKER|BUS>_URL, all through the socket."""
    kind: Any
    server: tuple[str, int]
    folder: Path
    seed: int
    supers: dict[str, asyncpg.Connection]
    bus_owner_url: str | None = None
    broker: FaultyBroker | None = None
    stable: Stable | None = None
    session_s: float = 6.0
    parked_keys_max: int = PARKED_KEYS_MAX
    straight: bool = False
    """No proxy to databases: of many thousand events each would wait for the test's process."""
    links: dict[str, Proxy] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)
    hearers: set[str] = field(default_factory=set)
    network: UUID = field(default_factory=new_id)
    things: list[UUID] = field(default_factory=lambda: [new_id() for _ in range(THINGS)])
    acked: list[tuple[UUID, int]] = field(default_factory=list)
    numbers: int = FIRST

    # ── processes ────────────────────────────────────────────────────────────────────────────

    def link(self, name: str) -> Proxy:
        """The link of that name: `alpha.db`, `beta.bus`, ...; `kafka` is one for all."""
        if name == "kafka":
            assert self.broker is not None
            return self.broker.link
        if name not in self.links:
            number = len(self.links)
            self.links[name] = Proxy(*self.server, seed=self.seed + number).__enter__()
        return self.links[name]

    def bus_link(self, service: str) -> Proxy:
        """The link of a service to the bus."""
        return self.link("kafka" if self.kind == "kafka" else f"{service}.bus")

    def _through(self, url: str, link: str) -> str:
        if self.straight:
            return url
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return f"postgresql://{login}@127.0.0.1:{self.link(link).port}{parts.path}"

    def start(self, name: str, conduct: dict[str, tuple[str, float]] | None = None) -> None:
        """Start a process: `alpha`, `beta`, or one more of a service, as `beta-2`."""
        service = name.partition("-")[0]
        db = f"{service}.db"
        own = {
            part: self.urls[f"CLINICBUS_{service.upper()}_{part}_URL"]
            for part in ("APP", "WORKER", "BUS")
        }
        kafka = self.broker.bootstrap if self.broker is not None else ""
        spec = Spec(
            name=service,
            app_url=self._through(own["APP"], db),
            worker_url=self._through(own["WORKER"], db),
            kind=self.kind,
            address=kafka or self._through(own["BUS"], f"{service}.bus"),
            state=str(self._state_of(name)),
            session_s=self.session_s,
            parked_keys_max=self.parked_keys_max,
            conduct=conduct or {},
        )
        self.running[name] = self._started(spec, self.folder / f"{name}.log")
        if service != "alpha":
            self.hearers.add(service)

    def _started(self, spec: Spec, log: Path) -> Process:
        if self.stable is not None:
            return self.stable.start(MADE_UP, [spec.json()], os.environ, log)
        command = [sys.executable, "-m", MADE_UP, spec.json()]
        with log.open("ab") as output:
            return processes.start(
                processes.tied(command, signal.SIGKILL), output=output, folder=CHECKOUT
            )

    async def ready(self, *names: str) -> None:
        """Wait until each relays, or owns partitions."""

        async def look() -> bool:
            states = [self.state(name) for name in names or self.running]
            return all(
                state["relay"]["leads"]
                if name.startswith("alpha")
                else state["consumer"]["partitions"]
                for name, state in zip(names or self.running, states, strict=True)
            )

        await until(look, f"readiness of {names or sorted(self.running)}")

    async def begin(self, *names: str) -> None:
        """Start these and wait until they are ready."""
        for name in names:
            self.start(name)
        await self.ready(*names)

    def state(self, name: str) -> dict[str, Any]:
        """How a process said last that it stands."""
        process = self.running[name]
        assert process.poll() is None, f"{name} ended: {self.log(name)[-2000:]}"
        try:
            found = json.loads(self._state_of(name).read_text())
        except FileNotFoundError:
            found = {}
        empty: dict[str, Any] = {
            "relay": {"leads": False, "problem": None},
            "consumer": {"partitions": 0, "problem": None},
        }
        return empty | (found if found.get("pid") == process.pid else {})

    def problem(self, name: str) -> str:
        """What a process says is wrong with its relay or consumer."""
        part = "relay" if name.startswith("alpha") else "consumer"
        return str(self.state(name)[part]["problem"] or "")

    def log(self, name: str) -> str:
        """What a process wrote."""
        return (self.folder / f"{name}.log").read_text()

    def send(self, name: str, number: signal.Signals) -> None:
        """Signal a process."""
        os.kill(self.running[name].pid, number)

    async def stop(self, name: str) -> int:
        """Stop a process as a release does; its exit code."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            return await processes.exit_of(process)

    async def close(self) -> None:
        """End every process and every link."""
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            await processes.exit_of(process)
        for link in self.links.values():
            link.__exit__(None, None, None)

    def _state_of(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    # ── writes ───────────────────────────────────────────────────────────────────────────────

    async def write(self, count: int, *values: int) -> None:
        """Change things so many times, some at once; with these values, or with numbers."""
        pending = list(values) or [self.numbers + n for n in range(1, count + 1)]
        self.numbers += count
        first = self.things[0]

        async def writer() -> None:
            while pending:
                value = pending.pop(0)
                thing = self.things[value % len(self.things)] if not values else first
                await self.company.change(self.network, thing, value)
                self.acked.append((thing, value))

        await asyncio.gather(*(writer() for _ in range(1 if values else WRITERS)))

    @asynccontextmanager
    async def load(self, pause_s: float = 0.05) -> AsyncIterator[None]:
        """Write all the time, until the end of the block; none of the writes may fail."""
        ends = asyncio.Event()

        async def go_on() -> None:
            while not ends.is_set():
                await self.write(3)
                await asyncio.sleep(pause_s)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            ends.set()
            await task

    # ── what holds ───────────────────────────────────────────────────────────────────────────

    async def said(self) -> list[asyncpg.Record]:
        """Alpha's outbox, in commit order."""
        return list(await self.supers["alpha"].fetch("SELECT * FROM outbox ORDER BY xid, id"))

    async def effects(self, service: str = "beta") -> list[asyncpg.Record]:
        """What took effect, in order."""
        return list(await self.supers[service].fetch("SELECT * FROM effect ORDER BY id"))

    async def count(self, service: str = "beta") -> int:
        """How much took effect."""
        found: int = await self.supers[service].fetchval("SELECT count(*) FROM effect")
        return found

    async def says(self, name: str, what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until a process says this of its trouble; nothing: that it has none."""

        async def look() -> bool:
            problem = self.problem(name)
            return what in problem if what else not problem

        await until(look, f"{what!r} of {name}", patience_s)

    async def grows(
        self, service: str = "beta", by: int = 1, patience_s: float = PATIENCE_S
    ) -> None:
        """Wait until more has taken effect."""
        before = await self.count(service)

        async def look() -> bool:
            return await self.count(service) >= before + by

        await until(look, f"{by} more effects in {service}", patience_s)

    async def records(self) -> list[Record]:
        """Everything on the topic."""
        bus = self.company.bus
        at, ends = await bus.log_starts([TOPIC]), await bus.log_ends([TOPIC])
        found: list[Record] = []
        end = time.monotonic() + PATIENCE_S
        while missing := {key: at[key] for key in at if at[key] < ends[key]}:
            assert time.monotonic() < end, "the topic could not be read to its end"
            for record in await bus.read(missing, 5_000, 1.0):
                found.append(record)
                at[record.topic, record.partition] = record.offset + 1
        return found

    async def settled(self, patience_s: float = PATIENCE_S) -> None:
        """Everything said has taken effect at all who hear, and all stand at the topic's end."""

        async def look() -> bool:
            said = await self.supers["alpha"].fetchval("SELECT count(*) FROM outbox")
            if any([await self.count(name) < said for name in self.hearers]):
                return False
            ends = await self.company.bus.log_ends([TOPIC])
            bus_id = await self.company.bus.bus_id()
            text = "SELECT sum(next_offset)::bigint FROM bus_offset WHERE bus_id = $1"
            stands = [await self.supers[name].fetchval(text, bus_id) for name in self.hearers]
            return all(at == sum(ends.values()) for at in stands)

        try:
            await until(look, "the end of what is on its way", patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; {await self.stands()}") from None

    async def stands(self) -> dict[str, Any]:
        """Where everybody stands, for a failure's message."""
        said = await self.supers["alpha"].fetchval("SELECT count(*) FROM outbox")
        ends = sum((await self.company.bus.log_ends([TOPIC])).values())
        found: dict[str, Any] = {"said": said, "on the topic": ends}
        for name in sorted(self.hearers):
            held = await self.supers[name].fetch(
                "SELECT kind, problem, count(*) AS keys FROM parked_key GROUP BY 1, 2"
            )
            at = await self.supers[name].fetch(
                "SELECT bus_id, sum(next_offset)::bigint AS at FROM bus_offset GROUP BY 1"
            )
            found[name] = [await self.count(name), [tuple(row) for row in (*held, *at)]]
        return found

    async def whole(
        self, patience_s: float = PATIENCE_S, *, moved: bool = False, resent: bool = False
    ) -> None:
        """What holds after every fault.

        moved: records were put into other partitions. resent: some were sent again after later
        ones, so that the topic alone does not show their order any more.
        """
        await self.settled(patience_s)
        said = await self.said()
        # What was acknowledged was said, once, and numbered without a hole.
        values = [(UUID(row["key"]), json.loads(row["value"])["value"]) for row in said]
        assert sorted(values) == sorted(self.acked)
        _numbered([(row["subject"], row["subject_seq"]) for row in said])
        await self._topic_is_outbox(said, moved=moved, resent=resent)
        for name in sorted(self.hearers):
            effects = await self.effects(name)
            # One effect each, in each subject's order.
            assert sorted(e["event_id"] for e in effects) == sorted(r["event_id"] for r in said)
            _numbered([(str(e["thing_id"]), e["seq"]) for e in effects])
            applied = await self.supers[name].fetch("SELECT subject, seq FROM applied")
            last = {row["subject"]: row["subject_seq"] for row in said}
            assert {row["subject"]: row["seq"] for row in applied} == last
            left = "SELECT (SELECT count(*) FROM parked_key) + (SELECT count(*) FROM unreadable)"
            assert await self.supers[name].fetchval(left) == 0, name

    async def _topic_is_outbox(
        self, said: list[asyncpg.Record], *, moved: bool, resent: bool
    ) -> None:
        firsts: dict[UUID, Record] = {}
        for record in await self.records():
            firsts.setdefault(UUID(dict(record.headers)["ce_id"]), record)
        assert firsts.keys() == {row["event_id"] for row in said}
        for row in said:
            record = firsts[row["event_id"]]
            assert (record.key, record.value) == (row["key"], row["value"])
            assert moved or record.partition == row["partition"]
        if not (moved or resent):
            order = [(dict(r.headers)["ce_subject"], r.offset, r) for r in firsts.values()]
            _numbered(
                [
                    (subject, int(dict(r.headers)["ce_subjectseq"]))
                    for subject, _, r in sorted(order, key=lambda found: found[:2])
                ]
            )


def _numbered(found: list[tuple[str, int]]) -> None:
    """Each subject's numbers are 1, 2, 3 and so on, in the order given."""
    last: dict[str, int] = {}
    for subject, seq in found:
        assert seq == last.get(subject, 0) + 1, (subject, seq, last.get(subject))
        last[subject] = seq


def chance(seed: int, scenario: str) -> random.Random:
    """The random choices of a scenario."""
    return random.Random(f"{seed}/{scenario}")
