"""Rebuilding on two made-up services: a shadow that cannot write, a hold, a comparison, a swap."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from ops.errors import CannotRun
from ops.rebuild.live import Live
from ops.rebuild.run import Report, Service, rebuild
from shared.bus.consumer import Consumer
from shared.bus.parked import ask, find
from shared.bus.port import Bus, Message
from shared.bus.projections import Projection
from shared.bus.subscriptions import Subscriptions
from shared.bus.tests.company import TOPIC, Company, ThingChanged, said, until
from shared.bus.tests.conftest import (
    bus_database,
    company,
    company_urls,
    kafka_bus,
    postgres_bus,
)
from shared.bus.tests.harness import KafkaHarness, PostgresHarness
from shared.contracts.envelope import Envelope, Event
from shared.db.locks import lock_key
from shared.db.mechanism import protect_clinic_table
from shared.db.work import Work
from shared.testing.memory_bus import MemoryBus
from shared.values.errors import Conflict
from shared.values.ids import new_id

__all__ = ["bus_database", "company", "company_urls", "kafka_bus", "postgres_bus"]
"""Fixtures of the bus's own tests."""

SEEN = """
CREATE TABLE IF NOT EXISTS seen (network_id uuid NOT NULL, thing_id uuid NOT NULL,
  value int NOT NULL, changes int NOT NULL, heard_at timestamptz NOT NULL,
  double int GENERATED ALWAYS AS (value * 2) STORED, version int NOT NULL, event_seq int NOT NULL,
  PRIMARY KEY (network_id, thing_id))
"""
SAID = ("outbox", "timer", "intent", "audit")


class SeenEvent(Event):
    """What beta says of what it saw."""

    producer: ClassVar[str] = "beta"
    aggregate: ClassVar[str] = "seen"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "seen.changed"

    thing_id: UUID


class Row(SQLModel, registry=registry()):
    """A registry of these tests' own."""


class Seen(Row, table=True):
    """What beta keeps of a thing."""

    __tablename__ = "seen"

    network_id: UUID = Field(primary_key=True)
    thing_id: UUID = Field(primary_key=True)
    value: int
    changes: int = 0
    heard_at: datetime
    version: int = 1
    event_seq: int = 0


Also = Callable[[Work, ThingChanged], Awaitable[None]]


async def poison(_work: Work, event: ThingChanged) -> None:
    """One value never works."""
    if event.value == 666:
        raise Conflict("thing.poison", "This value never works.")


async def nothing(_work: Work, _event: ThingChanged) -> None:
    """What the handler does besides, unless a test says otherwise."""


@dataclass(slots=True)
class Beta:
    """Beta, which keeps what it saw and does everything else that a handler may do."""

    company: Company
    urls: dict[str, str]
    also: Also = nothing
    handled: int = 0

    async def on_changed(self, work: Work, _: Envelope, event: ThingChanged) -> None:
        """Keep it, say it, plan something, ask for something, leave a trace."""
        self.handled += 1
        rows = await work.load_where(Seen, "thing_id = $2", event.thing_id)
        if rows:
            row = rows[0]
            work.save(row)
        else:
            row = Seen(
                network_id=work.network_id, thing_id=event.thing_id, value=0, heard_at=work.now
            )
            work.add(row)
        row.value, row.changes, row.heard_at = event.value, row.changes + 1, work.now
        work.say(SeenEvent(thing_id=event.thing_id), of=row)
        work.timer("look", event.thing_id, work.now)
        work.intent("call", event.thing_id)
        work.audit("saw", f"/v1/things/{event.thing_id}")
        await self.also(work, event)

    @property
    def service(self) -> Service:
        """As the command would find it."""
        owner, app, worker = (
            self.urls[f"CLINICBUS_BETA_{part}_URL"] for part in ("OWNER", "APP", "WORKER")
        )
        return Service(
            "beta",
            owner,
            app,
            worker,
            subscriptions=Subscriptions(
                {ThingChanged: self.on_changed}, lambda e: [lock_key("thing", e.subject_id)]
            ),
            projections={
                "things": Projection(("seen",), frozenset({"version", "event_seq"})),
                "fates": Projection((), refused="nobody can."),
            },
        )

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """The live consumer at work."""
        one = self.company
        consumer = Consumer(
            one.beta, one.clock, one.bus, self.service.subscriptions, jitter=lambda: 0.0
        )
        task = asyncio.create_task(consumer.run())
        try:
            yield
        finally:
            consumer.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def hear(self, *messages: Message) -> None:
        """Put messages on the bus, and let beta hear all there is."""
        await self.company.append(*messages)
        async with self.live():
            await until(self.drained)

    async def drained(self) -> bool:
        """Whether beta's offsets are at the end."""
        return await self.company.stored() == sum(
            (await self.company.bus.log_ends([TOPIC])).values()
        )

    async def rebuild(self, *, swap: bool = False, network: UUID | None = None) -> Report:
        """The projection, from the bus."""
        return await rebuild(self.service, self.company.bus, ["things"], swap=swap, network=network)

    async def sql(self, text: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of beta's database, as a superuser sees it."""
        return list(await self.company.beta_super.fetch(text, *arguments))

    async def rows(self) -> list[asyncpg.Record]:
        """All that beta keeps."""
        return await self.sql("SELECT * FROM seen ORDER BY network_id, thing_id")

    async def said(self) -> dict[str, int]:
        """How much beta said, planned, asked for and left a trace of."""
        return {t: (await self.sql(f"SELECT count(*) FROM {t}"))[0][0] for t in SAID}

    async def as_before(self) -> None:
        """Rights and row security are what the migrations made them."""
        forced = "SELECT relname FROM pg_class WHERE relname = ANY($1) AND relforcerowsecurity"
        found = await self.sql(forced, ["seen", "applied"])
        assert {row["relname"] for row in found} == {"seen", "applied"}
        may = "SELECT has_database_privilege('beta_app', current_database(), 'TEMPORARY')"
        assert (await self.sql(may))[0][0] is False
        left = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname = 'seen'"

        async def gone() -> bool:
            return bool((await self.sql(left))[0][0] == 0)

        await until(gone)


@pytest.fixture
async def beta(company: Company, company_urls: dict[str, str]) -> Beta:
    """Beta with empty tables and one more."""
    owner = await asyncpg.connect(company_urls["CLINICBUS_BETA_OWNER_URL"])
    if await owner.fetchval("SELECT to_regclass('seen')") is None:
        texts = [SEEN]
        protect_clinic_table(texts.append, "seen", "beta_app")
        for text in texts:
            await owner.execute(text)
    await owner.close()
    await company.beta_super.execute(f"TRUNCATE seen, {', '.join(SAID)}")
    return Beta(company, company_urls)


def story(network_id: UUID, things: int, changes: int) -> list[Message]:
    """Some things that change in turn."""
    ids = [new_id() for _ in range(things)]
    return [
        said(network_id, thing_id, seq, 100 * n + seq)
        for seq in range(1, changes + 1)
        for n, thing_id in enumerate(ids)
    ]


async def test_a_rebuilt_copy_equals_the_live_one_while_others_write(beta: Beta) -> None:
    """Two networks, and a third whose events come all the time."""
    network_ids = [new_id(), new_id()]
    await beta.hear(*story(network_ids[0], 9, 4), *story(network_ids[1], 5, 3))
    more = story(new_id(), 30, 20)
    rebuilding = asyncio.Event()

    async def write() -> None:
        for start in range(0, len(more), 10):
            await beta.company.append(*more[start : start + 10])
            if start == 100:
                rebuilding.set()
            await asyncio.sleep(0)

    async with beta.live():
        writing = asyncio.create_task(write())
        await rebuilding.wait()
        reports = [await beta.rebuild() for _ in range(3)]
        await writing
        await until(beta.drained)
    assert [report.equal for report in reports] == [True] * 3
    last = await beta.rebuild()
    assert (last.equal, last.events, last.networks) == (True, 36 + 15 + len(more), 3)
    assert sum(found.live.rows for found in last.tables) == len(await beta.rows()) == 44
    assert {found.live for found in last.tables} == {found.rebuilt for found in last.tables}
    assert beta.handled > 2 * last.events
    # However often it was handled, it was said, planned, asked for and traced once.
    once = {"outbox": last.events, "timer": 44, "intent": last.events, "audit": last.events}
    assert await beta.said() == once
    await beta.as_before()


async def heard_and_made_again(beta: Beta, bus: Bus) -> None:
    """A group that the bus never saw, with no offset stored, begins at the start; what it keeps is
    made again; and reading all of it thrice more changes nothing."""
    beta.company.bus = bus
    await bus.create_topics([TOPIC])
    told = story(new_id(), 7, 3)
    await beta.company.append(*told)
    assert await beta.sql("SELECT 1 FROM bus_offset") == []
    async with beta.live():
        await until(beta.drained)
    assert [(row["changes"], row["version"]) for row in await beta.rows()] == [(3, 3)] * 7
    once = await beta.said()
    assert once["outbox"] == len(told)
    report = await beta.rebuild()
    assert (report.equal, report.events) == (True, len(told))
    await beta.sql("UPDATE seen SET value = 0")
    assert (await beta.rebuild(swap=True)).swapped == 7
    before = await beta.rows()
    for _ in range(3):
        await beta.sql("UPDATE bus_offset SET next_offset = 0")
        async with beta.live():
            await until(beta.drained)
    assert await beta.rows() == before
    assert await beta.said() == once
    assert beta.handled == 3 * len(told)


async def test_a_newcomer_begins_at_the_start_in_memory(beta: Beta) -> None:
    await heard_and_made_again(beta, beta.company.bus)


async def test_a_newcomer_begins_at_the_start_on_postgres(
    beta: Beta, postgres_bus: PostgresHarness
) -> None:
    await heard_and_made_again(beta, await postgres_bus.bus())


async def test_a_newcomer_begins_at_the_start_on_kafka(beta: Beta, kafka_bus: KafkaHarness) -> None:
    await heard_and_made_again(beta, await kafka_bus.bus())


async def test_what_was_planted_altered_or_lost_is_named_and_put_right(beta: Beta) -> None:
    """In a network that is known and in one that nobody ever heard of."""
    network_id, stranger = new_id(), new_id()
    await beta.hear(*story(network_id, 6, 2))
    before = await beta.rows()
    first, second, third = (row["thing_id"] for row in before[:3])
    clean = (await beta.rebuild()).sha256
    await beta.sql("DELETE FROM seen WHERE thing_id = $1", first)
    await beta.sql("UPDATE seen SET value = value + 1 WHERE thing_id = $1", second)
    await beta.sql("UPDATE seen SET version = 77 WHERE thing_id = $1", third)
    planted = "INSERT INTO seen VALUES ($1, $2, 1, 1, now(), DEFAULT, 1, 1)"
    await beta.sql(planted, network_id, known := new_id())
    await beta.sql(planted, stranger, unknown := new_id())
    damaged = await beta.rows()
    found = await beta.rebuild()
    assert not found.equal
    assert {
        (each.how, UUID(json.loads(each.key)["thing_id"]))
        for of_table in found.tables
        for each in of_table.differences
    } == {("missing", first), ("altered", second), ("planted", known), ("planted", unknown)}
    assert found.sha256 != clean
    assert await beta.rows() == damaged
    swapped = await beta.rebuild(swap=True)
    assert swapped.swapped == 4
    again = await beta.rebuild()
    assert (again.equal, again.sha256) == (True, clean)
    # What is not compared is kept where the row was there, and made anew where it was not.
    expected = [dict(row) for row in before]
    for row in expected:
        row["version"] = 77 if row["thing_id"] == third else row["version"]
    assert [dict(row) for row in await beta.rows()] == expected
    await beta.as_before()


async def test_only_one_network_is_rebuilt_where_one_is_named(beta: Beta) -> None:
    one, other = new_id(), new_id()
    await beta.hear(*story(one, 3, 2), *story(other, 3, 2))
    await beta.sql("DELETE FROM seen")
    report = await beta.rebuild(swap=True, network=one)
    assert (report.events, report.swapped) == (6, 3)
    assert {row["network_id"] for row in await beta.rows()} == {one}
    assert (await beta.rebuild()).different == 3


async def test_a_parked_key_stops_in_both_copies_at_the_same_place(beta: Beta) -> None:
    """Two poisons and a hole; and what operators gave up or corrected is so in the rebuilt copy."""
    network_id, bad, wrong, late = (new_id() for _ in range(4))
    beta.also = poison
    values = (1, 666, 3)
    await beta.hear(
        *story(network_id, 3, 2),
        *(said(network_id, bad, seq, value) for seq, value in enumerate(values, start=1)),
        *(said(network_id, wrong, seq, value) for seq, value in enumerate(values, start=1)),
        said(network_id, late, 1, 5),
        said(network_id, late, 3, 7),
    )
    report = await beta.rebuild()
    assert report.equal
    assert {key[2]: reason for key, reason in report.parked.items()} == {
        f"thing/{bad}": "poison, thing.poison",
        f"thing/{wrong}": "poison, thing.poison",
        f"thing/{late}": "hole, waits for 2",
    }
    worker = await asyncpg.connect(beta.service.worker_url)
    for thing_id in (bad, late):
        key = await find(worker, f"thing/{thing_id}")
        await ask(worker, key, "skip", who="ops", why="It is of no use.")
    key = await find(worker, f"thing/{wrong}")
    better = ThingChanged(thing_id=wrong, value=667).model_dump_json().encode()
    await ask(worker, key, "edit", who="ops", why="A digit was wrong.", edited=better)
    await worker.close()
    async with beta.live():
        await until(lambda: settled(beta))
    report = await beta.rebuild()
    assert (report.equal, report.parked) == (True, {})
    kept = {row["thing_id"]: (row["value"], row["changes"]) for row in await beta.rows()}
    assert (kept[bad], kept[wrong], kept[late]) == ((3, 2), (3, 3), (7, 2))


async def settled(beta: Beta) -> bool:
    """Whether nothing is parked any more."""
    return not await beta.company.parked()


async def test_a_log_whose_oldest_events_come_last_is_rebuilt(
    beta: Beta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a republish leaves it after a wipe: what filled the holes of the live copy fills those of
    the rebuilt one. One thing waits in both copies."""
    monkeypatch.setattr("ops.rebuild.replay.BATCH_RECORDS", 4)
    network_id, late, broken = new_id(), new_id(), new_id()
    told = story(network_id, 6, 3)
    waits = [said(network_id, late, 2, 5), said(network_id, broken, 2, 666)]
    await beta.hear(*told[6:12], *waits, *told[12:], *told[:6], said(network_id, broken, 1, 1))
    async with beta.live():
        await until(lambda: _waits_alone(beta, late))
    report = await beta.rebuild()
    assert (report.equal, [k[2] for k in report.parked]) == (True, [f"thing/{late}"])
    assert sorted(row["changes"] for row in await beta.rows()) == [2, *[3] * 6]

    async def fails(_work: Work, event: ThingChanged) -> None:
        if event.value == 666:
            raise Conflict("thing.changed_its_mind", "It worked before.")

    beta.also = fails
    report = await beta.rebuild()
    assert {k[2]: v for k, v in report.stopped.items()} == {
        f"thing/{broken}": "heard to 1 of 2: thing.changed_its_mind"
    }


async def test_what_operators_gave_up_is_so_in_the_rebuilt_copy_whatever_came_last(
    beta: Beta,
) -> None:
    """The first events of a thing come last; and what was missing comes after it was given up."""
    network_id, bad, late, first = (new_id() for _ in range(4))
    beta.also = poison
    await beta.hear(
        *(said(network_id, bad, seq, value) for seq, value in ((2, 666), (3, 3), (4, 4))),
        *(said(network_id, late, seq, seq) for seq in (6, 4, 1)),
        *(said(network_id, first, seq, seq) for seq in (3, 4)),
        said(network_id, bad, 1, 1),
    )
    worker = await asyncpg.connect(beta.service.worker_url)
    for things in ((bad, late, first), (late,)):
        for thing_id in things:
            key = await find(worker, f"thing/{thing_id}")
            await ask(worker, key, "skip", who="ops", why="It is of no use.")
        async with beta.live():
            await until(partial(_nothing_asked, beta))
    await worker.close()
    assert await settled(beta)
    await beta.hear(*(said(network_id, late, seq, seq) for seq in (5, 3, 2)))
    await beta.hear(said(network_id, first, 1, 1), said(network_id, late, 7, 7))
    report = await beta.rebuild()
    assert (report.equal, report.parked) == (True, {})
    kept = {row["thing_id"]: (row["value"], row["changes"]) for row in await beta.rows()}
    assert kept == {bad: (4, 3), late: (7, 4), first: (4, 2)}


async def _nothing_asked(beta: Beta) -> bool:
    return not await beta.sql("SELECT FROM operator_action WHERE done_at IS NULL")


async def _waits_alone(beta: Beta, thing_id: UUID) -> bool:
    return list(await beta.company.parked()) == [f"thing/{thing_id}"]


async def test_a_handler_that_fails_only_now_is_named_and_nothing_is_swapped(beta: Beta) -> None:
    network_id, bad = new_id(), new_id()
    await beta.hear(
        *story(network_id, 3, 2), said(network_id, bad, 1, 1), said(network_id, bad, 2, 2)
    )

    async def fails(_work: Work, event: ThingChanged) -> None:
        if event.value == 2 and event.thing_id == bad:
            raise Conflict("thing.changed_its_mind", "It worked before.")

    beta.also = fails
    await beta.sql("DELETE FROM seen WHERE thing_id <> $1", bad)
    damaged = await beta.rows()
    report = await beta.rebuild(swap=True)
    assert {k[2]: v for k, v in report.stopped.items()} == {
        f"thing/{bad}": "heard to 1 of 2: thing.changed_its_mind"
    }
    assert (report.equal, report.swapped) == (False, 0)
    assert await beta.rows() == damaged


async def test_history_that_is_gone_is_named_and_nothing_is_swapped(beta: Beta) -> None:
    network_id = new_id()
    messages = story(network_id, 4, 3)
    await beta.hear(*messages)
    assert isinstance(beta.company.bus, MemoryBus)
    where = (TOPIC, messages[0].partition)
    ends = await beta.company.bus.log_ends([TOPIC])
    beta.company.bus.log.trim(where, ends[where])
    before = await beta.rows()
    report = await beta.rebuild(swap=True)
    lost = {m.key for m in messages if m.partition == messages[0].partition}
    assert {key[2] for key in report.stopped} == {f"thing/{key}" for key in lost}
    assert set(report.stopped.values()) == {"heard to 0 of 3: the topic has no more of it"}
    assert not report.equal
    assert await beta.rows() == before


async def test_a_handler_cannot_write_what_is_not_doubled(beta: Beta) -> None:
    """Whatever it tries: in its transaction the server takes no write to a permanent table."""
    await beta.hear(*story(new_id(), 2, 2))
    tried: list[str] = []

    async def stray(work: Work, event: ThingChanged) -> None:
        tried.append("effect")
        await work.raw.execute(
            "INSERT INTO effect (network_id, event_id, thing_id, seq, value)"
            " VALUES ($1, $2, $2, 1, 1)",
            work.network_id,
            event.thing_id,
        )

    async def out_of_the_cage(work: Work, _event: ThingChanged) -> None:
        tried.append("read write")
        await work.raw.execute("SET TRANSACTION READ WRITE")

    async def past_the_shadow(work: Work, _event: ThingChanged) -> None:
        tried.append("public")
        await work.raw.execute("DELETE FROM public.parked_key")

    words = "PROJECTIONS does not name.*cannot execute {} in a read-only transaction"
    for also, verb in ((stray, "INSERT"), (past_the_shadow, "DELETE")):
        beta.also = also
        with pytest.raises(CannotRun, match=words.format(verb)):
            await beta.rebuild(swap=True)
    beta.also = out_of_the_cage
    report = await beta.rebuild(swap=True)
    assert set(report.stopped.values()) == {"heard to 0 of 2: 25001"}
    assert {"effect", "public", "read write"} == set(tried)
    assert await beta.company.effects() == []
    assert len(await beta.sql("SELECT 1 FROM applied")) == 2
    await beta.as_before()


async def test_a_session_that_ends_midway_leaves_nothing_and_is_not_gone_on_with(
    beta: Beta,
) -> None:
    """Its successor would read the live `applied` and take every event for a repeat."""
    await beta.hear(*story(new_id(), 30, 20))
    before = await beta.rows()
    await beta.sql("DELETE FROM seen WHERE value % 2 = 0")

    async def dies(work: Work, _event: ThingChanged) -> None:
        if beta.handled == 1_000:
            await beta.sql("SELECT pg_terminate_backend($1)", work.raw.get_server_pid())

    beta.also = dies
    with pytest.raises((CannotRun, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await beta.rebuild(swap=True)
    assert beta.handled == 1_000
    assert len(await beta.rows()) < len(before)
    await beta.as_before()
    # One that was killed while the right was lent: the next takes it back.
    await beta.sql("GRANT TEMPORARY ON DATABASE clinicbus_beta_suite TO beta_app")
    beta.also = nothing
    assert (await beta.rebuild(swap=True)).swapped > 0
    values = [(row["thing_id"], row["value"], row["changes"]) for row in await beta.rows()]
    assert values == [(row["thing_id"], row["value"], row["changes"]) for row in before]
    await beta.as_before()


async def test_nothing_takes_effect_while_the_live_copy_is_held(beta: Beta) -> None:
    """The consumer waits for the lock and goes on afterwards; readers do not notice."""
    network_id, thing_id = new_id(), new_id()
    await beta.hear(said(network_id, thing_id, 1, 1))
    waits = (
        "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
        " AND l.relation = 'applied'::regclass AND a.usename = 'beta_worker'"
    )

    async def waiting() -> bool:
        return bool(await beta.sql(waits))

    service = beta.service
    async with (
        Live.opened("beta", service.owner_url, service.worker_url) as live,
        beta.live(),
        live.held(),
    ):
        await beta.company.append(said(network_id, thing_id, 2, 2))
        await until(waiting)
        assert [row["value"] for row in await beta.rows()] == [1]
        assert await live.applied_of([(network_id, TOPIC, f"thing/{thing_id}")]) == {
            (network_id, TOPIC, f"thing/{thing_id}"): 1
        }
        with pytest.raises(CannotRun, match="Another rebuild of beta"):
            await beta.rebuild()
    async with beta.live():
        await until(beta.drained)
    assert [row["value"] for row in await beta.rows()] == [2]


async def test_what_cannot_be_rebuilt_says_why(beta: Beta) -> None:
    with pytest.raises(CannotRun, match="beta fates cannot be rebuilt: nobody can"):
        await rebuild(beta.service, beta.company.bus, ["fates"])
    wrong = replace(beta.service, projections={"things": Projection(("effect",))})
    with pytest.raises(CannotRun, match="no table effect with a primary key"):
        await rebuild(wrong, beta.company.bus, ["things"])
