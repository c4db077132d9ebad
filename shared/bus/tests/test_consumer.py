"""The consumer on real databases: one effect per event, whatever happens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from shared.bus import parked
from shared.bus.consumer import Consumer
from shared.bus.consumer_actions import Action, Apply, Fact, Fenced, Keep, Move, Park, Records
from shared.bus.port import Assigned, BusStuck, GroupBroken, Message, Record, Revoked
from shared.bus.settle import HOLE_EVENTS_MAX, PARKED_EVENTS_MAX, PARKED_KEYS_MAX, Counts
from shared.bus.tests.company import (
    NOON,
    TOPIC,
    Company,
    Tally,
    ThingMoved,
    record,
    said,
    until,
)
from shared.db import failpoints
from shared.db.locks import advisory_number
from shared.db.work import Work
from shared.testing.memory_bus import MemoryBus, MemorySubscription
from shared.values.errors import Busy
from shared.values.ids import new_id


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    """A consumer at work; it leaves its group in the end."""
    task = asyncio.create_task(consumer.run())
    try:
        yield task
    finally:
        consumer.stop()
        with contextlib.suppress(asyncio.CancelledError, failpoints.FailpointHit):
            await task


async def drained(company: Company) -> bool:
    """Whether beta's stored offsets are at the end of the bus."""
    ends = await company.bus.log_ends([TOPIC])
    return await company.stored() == sum(ends.values())


async def heard(company: Company) -> None:
    """Wait until beta has moved past everything on the bus."""
    await until(lambda: drained(company))


async def step(consumer: Consumer, *messages: Message) -> list[tuple[Action, Fact]]:
    """Let a consumer's machine take records and do its steps, without a membership."""
    loop = asyncio.get_running_loop()
    machine = consumer._machine
    machine.heard(Records([record(m, n) for n, m in enumerate(messages)]), loop.time())
    done: list[tuple[Action, Fact]] = []
    while machine.in_hand:
        action = machine.decide(loop.time())
        assert isinstance(action, Keep | Apply | Park | Move)
        fact = await consumer._perform(None, action)  # type: ignore[arg-type]
        machine.heard(fact, loop.time())
        done.append((action, fact))
        if isinstance(fact, Fenced):
            return done
    return done


async def test_an_event_takes_effect_once_with_its_time_and_actor(company: Company) -> None:
    """From alpha's commit over relay and bus to beta's row."""
    network_id, thing_id = new_id(), new_id()
    seen: list[object] = []

    async def look(work: Work, _value: int) -> None:
        seen.append((work.now, str(work.actor), work.network_id, work.context.causation_id))

    company.failing = look
    await company.change(network_id, thing_id, 7, 8)
    relay = company.relay()
    relaying = asyncio.create_task(relay.run())
    async with running(company.consumer()):
        await until(lambda: _has(company, 2))
    relay.stop()
    await relaying
    effects = await company.effects()
    assert [(e["network_id"], e["seq"], e["value"]) for e in effects] == [
        (network_id, 1, 7),
        (network_id, 2, 8),
    ]
    assert seen == [(NOON, "person/p1", network_id, e["event_id"]) for e in effects]
    assert await company.applied(thing_id) == 2


async def _has(company: Company, count: int) -> bool:
    return len(await company.effects()) >= count


async def test_two_networks_in_one_batch_are_two_transactions(company: Company) -> None:
    """Each effect is in its network; no transaction holds two; offsets move with the last."""
    first, second = new_id(), new_id()
    messages = [
        said(network_id, thing_id, seq, seq)
        for seq in (1, 2)
        for network_id, thing_id in ((first, UUID(int=1)), (second, UUID(int=2)))
    ]
    await company.append(*messages)
    async with running(company.consumer()):
        await heard(company)
    effects = await company.effects()
    assert {(e["network_id"], e["thing_id"].int) for e in effects} == {(first, 1), (second, 2)}
    by_transaction: dict[int, set[UUID]] = {}
    for effect in effects:
        by_transaction.setdefault(effect["xid"], set()).add(effect["network_id"])
    assert all(len(networks) == 1 for networks in by_transaction.values())
    assert len(effects) == 4


async def test_a_repeat_of_any_age_does_nothing(company: Company) -> None:
    """Sent again at once, after others, and after everything else was forgotten."""
    network_id, thing_id = new_id(), new_id()
    events = [said(network_id, thing_id, n, n) for n in range(1, 6)]
    await company.append(*events, events[4], events[0])
    async with running(company.consumer()):
        await heard(company)
        await company.append(*events)
        await heard(company)
    async with running(company.consumer()):
        await company.append(events[0]._replace(value=b"another body"))
        await heard(company)
    assert await company.values(thing_id) == [1, 2, 3, 4, 5]
    assert await company.parked() == {}


async def test_a_hole_holds_its_key_and_heals_when_the_missing_event_comes(
    company: Company,
) -> None:
    """Followers wait in order, other keys flow, and nobody has to do anything."""
    network_id, thing_id, other = new_id(), new_id(), new_id()
    events = {n: said(network_id, thing_id, n, n) for n in range(1, 7)}
    await company.append(events[1], events[3], events[5], said(network_id, other, 1, 100))
    async with running(company.consumer()):
        await heard(company)
        assert await company.values(thing_id) == [1]
        assert await company.values(other) == [100]
        parked = await company.parked()
        assert parked == {f"thing/{thing_id}": ("hole", "waits for 2", [3, 5])}
        await company.append(events[2])

        async def three() -> bool:
            return await company.values(thing_id) == [1, 2, 3]

        await until(three)
        await company.append(events[6], events[4])

        async def all_six() -> bool:
            return await company.values(thing_id) == [1, 2, 3, 4, 5, 6]

        await until(all_six)
        await until(lambda: _none_parked(company))


async def _none_parked(company: Company) -> bool:
    return not await company.parked()


async def test_a_poison_parks_its_key_with_all_followers_and_others_flow(company: Company) -> None:
    """The first of them fails for good; nothing of it stays; its followers do not overtake it."""
    network_id, thing_id = new_id(), new_id()
    others = [new_id() for _ in range(5)]
    company.poisons = {666}
    await company.append(
        said(network_id, thing_id, 1, 1),
        said(network_id, others[0], 1, 10),
        said(network_id, thing_id, 2, 666),
        *(said(network_id, other, 1, 11) for other in others[1:]),
        said(network_id, thing_id, 3, 3),
    )
    async with running(company.consumer()):
        await heard(company)
        await company.append(said(network_id, thing_id, 4, 4), said(network_id, others[0], 2, 12))
        await heard(company)
    assert await company.values(thing_id) == [1]
    assert await company.values(others[0]) == [10, 12]
    assert [await company.values(other) for other in others[1:]] == [[11]] * 4
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "thing.poison", [2, 3, 4])}
    assert await company.applied(thing_id) == 1


async def test_a_poison_that_speaks_only_at_commit_is_found_too(company: Company) -> None:
    """A deferred constraint fails the whole group's COMMIT; its event alone is parked."""
    network_id, bad, good = new_id(), new_id(), new_id()
    await company.append(
        said(network_id, good, 1, 1), said(network_id, bad, 1, 1313), said(network_id, good, 2, 2)
    )
    async with running(company.consumer()):
        await heard(company)
    assert await company.values(good) == [1, 2]
    assert await company.values(bad) == []
    assert await company.parked() == {f"thing/{bad}": ("poison", "23514", [1])}


@pytest.mark.parametrize("place", ["consumer.after_offset", "consumer.after_effect"])
async def test_killed_inside_the_transaction_nothing_of_it_stays(
    company: Company, place: str
) -> None:
    """The next member does it all again, once."""
    network_id, thing_id = new_id(), new_id()
    await company.append(*(said(network_id, thing_id, n, n) for n in range(1, 4)))
    failpoints.arm(f"{place}:raise:1")
    with pytest.raises(failpoints.FailpointHit):
        await company.consumer().run()
    assert await company.effects() == []
    assert await company.stored() == 0
    async with running(company.consumer()):
        await heard(company)
    assert await company.values(thing_id) == [1, 2, 3]


async def test_killed_after_the_commit_the_effect_stands_once(company: Company) -> None:
    """Offset and effect are one: the next member goes on behind them."""
    network_id, thing_id = new_id(), new_id()
    await company.append(*(said(network_id, thing_id, n, n) for n in range(1, 4)))
    failpoints.arm("consumer.after_commit:raise:1")
    with pytest.raises(failpoints.FailpointHit):
        await company.consumer().run()
    assert await company.values(thing_id) == [1, 2, 3]
    async with running(company.consumer()):
        await company.append(said(network_id, thing_id, 4, 4))
        await heard(company)
    assert await company.values(thing_id) == [1, 2, 3, 4]


async def test_a_relay_killed_between_append_and_cursor_causes_one_effect(
    company: Company,
) -> None:
    """The events are on the bus twice and take effect once."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2, 3)
    failpoints.arm("relay.after_append:raise:1")
    with pytest.raises(failpoints.FailpointHit):
        await company.relay().run()
    failpoints.arm("")
    await company.alpha_super.execute("UPDATE relay_lease SET expires_at = now() - interval '1 s'")
    relay = company.relay()
    relaying = asyncio.create_task(relay.run())

    async def twice() -> bool:
        return sum((await company.bus.log_ends([TOPIC])).values()) == 6

    await until(twice)
    async with running(company.consumer()):
        await heard(company)
    relay.stop()
    await relaying
    assert await company.values(thing_id) == [1, 2, 3]


async def test_a_zombie_is_refused_by_the_stored_offsets(company: Company) -> None:
    """A member that was paused with a batch in hand while another one went on."""
    network_id, thing_id = new_id(), new_id()
    messages = [said(network_id, thing_id, n, n) for n in range(1, 4)]
    await company.append(*messages)
    key = (TOPIC, messages[0].partition)
    bus_id = await company.bus.bus_id()
    zombie = company.consumer()
    zombie._steps = replace(zombie._steps, bus_id=bus_id)
    async with running(company.consumer()):
        await heard(company)
    zombie._machine.assigned({key: 0})
    done = await step(zombie, *messages)
    assert [type(fact) for _, fact in done] == [Fenced]
    assert await company.stored() == 3
    assert await company.values(thing_id) == [1, 2, 3]


async def test_what_names_no_subject_is_kept_with_its_bytes_and_passed_by(
    company: Company,
) -> None:
    """No headers, a foreign topic, a key that is not the subject's, a number that is none."""
    network_id, thing_id = new_id(), new_id()
    good = said(network_id, thing_id, 1, 1)
    wrong = [
        Message(TOPIC, good.key, good.partition, (), b"\x00\xff not an event"),
        good._replace(key="another key"),
        said(network_id, thing_id, 1, 1, ce_source="/clinicbus/payments"),
        said(network_id, thing_id, 1, 1, ce_subjectseq="-1"),
        said(network_id, thing_id, 1, 1, ce_tenant="nobody"),
    ]
    await company.append(*wrong, good)
    async with running(company.consumer()):
        await heard(company)
    kept = await company.beta_super.fetch('SELECT * FROM unreadable ORDER BY "offset"')
    assert [row["value"] for row in kept] == [m.value for m in wrong]
    assert all(row["reason"] for row in kept)
    assert await company.values(thing_id) == [1]
    assert await company.parked() == {}


@pytest.mark.parametrize(
    ("value", "kind", "problem"),
    [
        (b"not json", "clinicbus.alpha.thing.changed.v1", "unreadable_data"),
        (b"", "clinicbus.alpha.thing.changed.v1", "unreadable_data"),
        (b'{"value": "5"}', "clinicbus.alpha.thing.changed.v1", "unreadable_data"),
        (b"{}", "clinicbus.alpha.thing.changed.v2", "unknown_version"),
    ],
)
async def test_an_event_of_a_known_subject_that_cannot_be_read_parks_its_key(
    company: Company, value: bytes, kind: str, problem: str
) -> None:
    """Its bytes are kept, its followers wait, others flow."""
    network_id, thing_id, other = new_id(), new_id(), new_id()
    bad = said(network_id, thing_id, 1, 1, ce_type=kind)._replace(value=value)
    await company.append(bad, said(network_id, thing_id, 2, 2), said(network_id, other, 1, 3))
    async with running(company.consumer()):
        await heard(company)
    assert await company.parked() == {f"thing/{thing_id}": ("poison", problem, [1, 2])}
    assert await company.values(other) == [3]
    held = await company.beta_super.fetchval("SELECT value FROM parked_event WHERE seq = 1")
    assert held == bad.value


async def test_types_that_are_not_heard_count_as_heard(company: Company) -> None:
    """Known here or not: they have no effect and leave no hole."""
    network_id, thing_id = new_id(), new_id()
    await company.append(
        said(network_id, thing_id, 1, 1),
        said(network_id, thing_id, 2, 0, event=ThingMoved(thing_id=thing_id)),
        said(network_id, thing_id, 3, 0, ce_type="clinicbus.alpha.thing.painted.v1"),
        said(network_id, thing_id, 4, 4),
    )
    async with running(company.consumer()):
        await heard(company)
    assert await company.values(thing_id) == [1, 4]
    assert await company.applied(thing_id) == 4
    assert await company.parked() == {}


async def test_what_passes_by_itself_is_tried_again(company: Company) -> None:
    """A serialization failure, a busy resource, a slow handler: one effect, nothing parked."""
    network_id, thing_id = new_id(), new_id()
    failures: list[Exception] = [
        asyncpg.SerializationError("again"),
        Busy("resource.busy", "Somebody else holds it."),
        ConnectionResetError(),
        TimeoutError(),
    ]

    async def fail(_work: Work, _value: int) -> None:
        if failures:
            raise failures.pop(0)

    company.failing = fail
    await company.append(said(network_id, thing_id, 1, 1), said(network_id, thing_id, 2, 2))
    async with running(company.consumer()):
        await until(lambda: _both(company, thing_id))
    assert failures == []
    assert await company.parked() == {}


async def _both(company: Company, thing_id: UUID) -> bool:
    return await company.values(thing_id) == [1, 2]


async def test_a_lock_that_cannot_be_had_holds_its_own_key_and_no_other(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again by itself, however often it times out; nothing is done twice."""
    monkeypatch.setattr("shared.db.database.LOCK_TIMEOUT", "50ms")
    network_id, thing_id, other = new_id(), new_id(), new_id()
    number = advisory_number(network_id, ("thing", str(thing_id)))
    await company.beta_super.execute("SELECT pg_advisory_lock($1)", number)
    await company.append(
        said(network_id, thing_id, 1, 1),
        said(network_id, thing_id, 2, 2),
        said(network_id, other, 1, 7),
    )
    async with running(company.consumer()):
        await heard(company)
        assert await company.values(other) == [7]
        held = {f"thing/{thing_id}": ("retry", "55P03", [1, 2])}
        assert await company.parked() == held
        await company.append(said(network_id, thing_id, 3, 3), said(network_id, other, 2, 8))
        await heard(company)
        assert await company.values(other) == [7, 8]

        async def tried_again() -> bool:
            text = "SELECT tries >= 1 FROM parked_key"
            again: bool = await company.beta_super.fetchval(text)
            return again

        await until(tried_again)
        assert await company.values(thing_id) == []
        await company.beta_super.execute("SELECT pg_advisory_unlock($1)", number)
        await until(lambda: _none_parked(company))
    assert await company.values(thing_id) == [1, 2, 3]


async def test_beyond_the_caps_nothing_more_is_read_until_an_operator_has_been(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That many failures are an outage. What is on the bus stays there, and the state says so."""
    monkeypatch.setattr("shared.bus.settle.PARKED_KEYS_MAX", 2)
    monkeypatch.setattr("shared.bus.consumer_machine.SETTLE_SECONDS", 0.05)
    network_id, bad, late = new_id(), [new_id(), new_id()], new_id()
    company.poisons = {666}
    consumer = company.consumer()
    async with running(consumer):
        await company.append(*(said(network_id, thing_id, 1, 666) for thing_id in bad))
        await heard(company)

        async def halted() -> bool:
            return "halted: too much" in str(consumer.state()["problem"])

        await until(halted)
        before = await company.stored()
        await company.append(said(network_id, late, 1, 1))
        company.poisons = set()
        for _ in range(2):
            await _looked_again(consumer)
        assert await company.stored() == before
        async with company.beta.raw("worker") as raw:
            key = await parked.find(raw, f"thing/{bad[0]}")
            await parked.ask(raw, key, "retry", who="ann", why="mended")
        await heard(company)
    assert await company.values(late) == [1]
    assert list(await company.parked()) == [f"thing/{bad[1]}"]


async def test_what_waits_for_an_event_to_come_never_stops_the_reading_on(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fills a hole is behind it: as after a republish, which appends the oldest events last,
    so that a subscriber from the start meets a hole in every subject first."""
    monkeypatch.setattr("shared.bus.settle.PARKED_KEYS_MAX", 2)
    monkeypatch.setattr("shared.bus.settle.PARKED_EVENTS_MAX", 4)
    monkeypatch.setattr("shared.bus.settle.HEALED_AT_ONCE", 2)
    network_id, things = new_id(), [new_id() for _ in range(5)]
    consumer = company.consumer()
    async with running(consumer):
        for seq in (2, 3):
            await company.append(*(said(network_id, thing, seq, seq) for thing in things))
        await heard(company)
        await _looked_again(consumer)
        assert (consumer.counts.holes, consumer.counts.full) == (5, False)
        await company.append(*(said(network_id, thing, 1, 1) for thing in things))
        await until(lambda: _none_parked(company))
    assert [await company.values(thing) for thing in things] == [[1, 2, 3]] * 5


def test_holes_have_a_bound_of_their_own() -> None:
    few, many = HOLE_EVENTS_MAX - 1, HOLE_EVENTS_MAX
    assert not Counts(holes=few, before_holes=few).full
    assert Counts(holes=1, before_holes=many).full
    assert not Counts(poisons=PARKED_KEYS_MAX - 1).full
    assert Counts(poisons=PARKED_KEYS_MAX - 1, retries=1).full
    assert Counts(retries=1, behind_failures=PARKED_EVENTS_MAX).full


async def _looked_again(consumer: Consumer) -> None:
    before = consumer.counts

    async def counted() -> bool:
        return consumer.counts is not before

    await until(counted)


async def test_the_consumer_survives_its_database_and_the_bus(company: Company) -> None:
    """Connections cut and the bus down for a while: it comes back, effects stay single."""
    network_id, thing_id = new_id(), new_id()
    assert isinstance(company.bus, MemoryBus)
    async with running(company.consumer()):
        await company.append(said(network_id, thing_id, 1, 1))
        await heard(company)
        await company.beta_super.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'beta_worker'"
        )
        await company.append(said(network_id, thing_id, 2, 2))
        await heard(company)
        company.bus.log.down = True
        company.bus.log.wake()
        company.bus.log.down = False
        await company.append(said(network_id, thing_id, 3, 3))
        await heard(company)
    assert await company.values(thing_id) == [1, 2, 3]


async def test_two_members_share_the_work_and_leave_cleanly(company: Company) -> None:
    """Joining and leaving in the middle of a stream: every event once, in order."""
    network_id = new_id()
    things = [new_id() for _ in range(24)]
    assert isinstance(company.bus, MemoryBus)
    log = company.bus.log
    first, second = company.consumer(), company.consumer(MemoryBus(log))
    async with running(first):
        for n in range(1, 5):
            await company.append(*(said(network_id, thing_id, n, n) for thing_id in things))
        async with running(second):
            for n in range(5, 9):
                await company.append(*(said(network_id, thing_id, n, n) for thing_id in things))
            await heard(company)
            owned = [c.state()["partitions"] for c in (first, second)]
            assert owned == [6, 6]
        for n in range(9, 11):
            await company.append(*(said(network_id, thing_id, n, n) for thing_id in things))
        await heard(company)
    for thing_id in things:
        assert await company.values(thing_id) == list(range(1, 11))


async def test_an_offset_that_is_gone_halts_the_subscriber_and_says_so(company: Company) -> None:
    """Nothing is skipped; once the stored offsets are right again it goes on by itself."""
    network_id, thing_id = new_id(), new_id()
    events = [said(network_id, thing_id, n, n) for n in range(1, 5)]
    await company.append(*events)
    assert isinstance(company.bus, MemoryBus)
    company.bus.log.trim((TOPIC, events[0].partition), 2)
    bus_id = await company.bus.bus_id()
    await company.beta_super.execute(
        "INSERT INTO bus_offset VALUES ($1, $2, $3, 1)", bus_id, TOPIC, events[0].partition
    )
    consumer = company.consumer()
    async with running(consumer):

        async def halted() -> bool:
            return "halted" in str(consumer.state()["problem"])

        await until(halted)
        assert await company.effects() == []
        await company.beta_super.execute(
            "UPDATE bus_offset SET next_offset = 2 WHERE next_offset = 1"
        )
        await heard(company)
    assert await company.parked() == {f"thing/{thing_id}": ("hole", "waits for 1", [3, 4])}


async def test_unread_records_alone_move_the_offsets(company: Company) -> None:
    """A batch of nothing but rubbish is one step."""
    consumer = company.consumer()
    rubbish = [Message(TOPIC, "k", 3, (), b"?"), Message(TOPIC, "k", 3, (), b"!")]
    await company.beta_super.execute("INSERT INTO bus_offset VALUES ('', $1, 3, 0)", TOPIC)
    consumer._machine.assigned({(TOPIC, 3): 0})
    done = await step(consumer, *rubbish)
    assert [type(action) for action, _ in done] == [Keep]
    assert await company.stored() == 2


async def test_row_security_holds_for_both_roles(company: Company) -> None:
    """The app role sees its network's rows alone, nothing without one, and no table of the worker;
    no role gets at a day of the outbox past its parent."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1)
    async with company.alpha.raw("app") as raw:
        assert await raw.fetchval("SELECT count(*) FROM outbox") == 0
        day = await raw.fetchval(
            "SELECT 'outbox_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')"
        )
        for table in (day, "relay_lease", "bus_offset", "unreadable"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await raw.fetch(f"SELECT * FROM {table}")
    async with company.alpha.raw("worker") as raw:
        assert await raw.fetchval("SELECT count(*) FROM outbox") == 1
        for text in (f"SELECT * FROM {day}", "SELECT * FROM thing", "DELETE FROM outbox"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await raw.execute(text)


async def test_rows_that_handlers_only_add_go_together_and_are_there_for_the_next(
    company: Company,
) -> None:
    """Ten events that add a row each are one statement; a handler that asks sees all before it."""
    network_id, thing_id = new_id(), new_id()
    seen: list[int] = []
    statements: list[str] = []

    async def add(work: Work, value: int) -> None:
        work.insert(Tally, [{"network_id": work.network_id, "value": value}])
        if value % 5 == 0:
            seen.append(await work.raw.fetchval("SELECT count(*) FROM tally"))

    await company.beta_super.execute("TRUNCATE tally")
    company.effects_of = add
    messages = [said(network_id, thing_id, n, n) for n in range(1, 12)]
    async with company.beta.raw("worker") as raw:
        raw.add_query_logger(lambda query: statements.append(query.query))
    consumer = company.consumer()
    consumer._steps = replace(consumer._steps, bus_id="b")
    key = (TOPIC, messages[0].partition)
    await company.beta_super.execute("INSERT INTO bus_offset VALUES ('b', $1, $2, 0)", *key)
    consumer._machine.assigned({key: 0})
    await step(consumer, *messages)
    assert seen == [4, 9]
    assert await company.beta_super.fetchval("SELECT count(*) FROM tally") == 11
    assert sum("INSERT INTO tally" in text for text in statements) == 3


class StuckSubscription(MemorySubscription):
    """A member that is behind and reads nothing, though it looks alive."""

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """As a watchdog would have it."""
        raise BusStuck("nothing comes")


class StuckBus(MemoryBus):
    """A bus whose first members are stuck."""

    times: int = 0

    async def subscribe(
        self, group: str, topics: Sequence[str], *, on_assigned: Assigned, on_revoked: Revoked
    ) -> MemorySubscription:
        """Another member in its place."""
        found = await super().subscribe(
            group, topics, on_assigned=on_assigned, on_revoked=on_revoked
        )
        if self.times > 0:
            self.times -= 1
            values = {name: getattr(found, name) for name in found.__slots__}
            stuck = StuckSubscription(**values)
            self.log.groups[group].remove(found)
            self.log.groups[group].append(stuck)
            return stuck
        return found


@pytest.mark.parametrize("times", [1, 2])
async def test_a_stuck_client_is_made_anew_once_and_then_the_process_ends(
    company: Company, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """A new client helps as a rule; where it does not, only a new process may."""
    monkeypatch.setattr("shared.bus.consumer.REJOIN_SECONDS", 0.01)
    network_id, thing_id = new_id(), new_id()
    await company.append(said(network_id, thing_id, 1, 1))
    assert isinstance(company.bus, MemoryBus)
    bus = StuckBus(company.bus.log)
    bus.times = times
    consumer = company.consumer(bus)
    if times == 1:
        async with running(consumer):
            await heard(company)
        assert await company.values(thing_id) == [1]
    else:
        with pytest.raises(GroupBroken):
            await consumer.run()
        assert await company.values(thing_id) == []


async def test_a_subscriber_whose_stored_offsets_are_gone_begins_anew(company: Company) -> None:
    """As after somebody emptied the table: it hears all again, and goes on; nothing is repeated."""
    network_id, thing_id = new_id(), new_id()
    await company.append(*(said(network_id, thing_id, n, n) for n in range(1, 4)))
    consumer = company.consumer()
    async with running(consumer):
        await heard(company)
        await company.beta_super.execute("DELETE FROM bus_offset")
        await company.append(said(network_id, thing_id, 4, 4))
        await heard(company)
        assert consumer.state()["partitions"] == 12
    assert await company.values(thing_id) == [1, 2, 3, 4]
