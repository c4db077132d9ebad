"""Bad input by number, B41 to B49: handlers that fail, hang or fill up, and a log that is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from shared.bus.consumer import Consumer
from shared.bus.consumer_actions import BATCH_RECORDS
from shared.bus.consumer_machine import GROUP_TRIES, SINGLE_TRIES
from shared.bus.port import RECORD_BYTES_MAX
from shared.bus.settle import SLOW_TRIES
from shared.bus.subscriptions import HANDLER_SECONDS
from shared.bus.tests.bad_input import (
    Road,
    apart,
    beside,
    count_is,
    passed_by,
    passes_by,
    with_value,
)
from shared.bus.tests.company import TOPIC, ThingChanged, said, until
from shared.bus.tests.test_consumer import heard, running
from shared.bus.tests.test_parked import ask
from shared.contracts.envelope import VALUE_BYTES_MAX, Event
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Conflict, Unavailable
from shared.values.ids import new_id

THING = UUID("0190a1b2-0000-7000-8000-000000000007")
BATCH_BYTES_MAX = 64 * 1024 * 1024
FLOWS_SECONDS = 60.0
DUE = "UPDATE parked_key SET retry_at = now() - interval '1 second' WHERE kind = 'retry'"
Fail = Callable[[Work, int], Awaitable[None]]


def failing(tries: list[int], error: Callable[[], Exception]) -> Fail:
    """A handler that writes something and fails for 666; it notes each try."""

    async def fail(work: Work, value: int) -> None:
        if value == 666:
            tries.append(value)
            await work.raw.execute(
                "INSERT INTO effect (network_id, event_id, thing_id, seq, value)"
                " VALUES ($1, $2, $3, 0, 0)",
                work.network_id,
                new_id(),
                THING,
            )
            raise error()

    return fail


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        pytest.param(lambda: ValueError("Jane Roe"), "ValueError", id="B41 a defect"),
        pytest.param(lambda: RecursionError("deep"), "RecursionError", id="B41 too deep"),
        pytest.param(lambda: MemoryError("full"), "MemoryError", id="B43 out of memory"),
        pytest.param(lambda: KeyError("jane@example.org"), "KeyError", id="B41 a missing key"),
    ],
)
async def test_a_handler_that_always_throws(
    postgres_road: Road, error: Callable[[], Exception], problem: str
) -> None:
    """Its key is parked with what follows once it failed alone; nothing that it wrote stays."""
    at = postgres_road
    tries: list[int] = []
    at.company.failing = failing(tries, error)
    bad = [at.said(THING, 1, 666), at.said(THING, 2, 2)]
    parked = {f"thing/{THING}": ("poison", problem, [1, 2])}
    async with asyncio.timeout(FLOWS_SECONDS):
        await passes_by(at, THING, *bad, parked=parked)
    assert 1 <= len(tries) <= 2  # with its batch, then alone
    assert f"thing/{THING}" not in await at.heard_of()


async def test_b41_what_it_locks_cannot_be_said(postgres_road: Road) -> None:
    """The pure function beside the handlers fails for one event: that event is parked, and the
    consumer lives."""
    at = postgres_road

    def locks(event: Event) -> list[LockKey]:
        assert isinstance(event, ThingChanged)
        if event.value == 666:
            raise ZeroDivisionError
        return [("thing", str(event.thing_id))]

    at.company.locks = locks
    parked = {f"thing/{THING}": ("poison", "locks ZeroDivisionError", [1, 2])}
    await passes_by(at, THING, at.said(THING, 1, 666), at.said(THING, 2, 2), parked=parked)


async def test_b41_what_fails_for_a_while_is_tried_again_by_itself(postgres_road: Road) -> None:
    """Five tries with growing pauses, and its key waits while the others flow; when the cause has
    passed it takes effect without anybody's doing."""
    at = postgres_road
    tries: list[int] = []
    at.company.failing = failing(tries, lambda: Unavailable("payer.down", "It is down."))
    bad = [at.said(THING, 1, 666), at.said(THING, 2, 2)]
    parked = {f"thing/{THING}": ("retry", "payer.down", [1, 2])}
    async with asyncio.timeout(FLOWS_SECONDS):
        await passes_by(at, THING, *bad, parked=parked)
    assert SINGLE_TRIES == 5
    assert SINGLE_TRIES <= len(tries) <= GROUP_TRIES + SINGLE_TRIES + 3
    at.company.failing = None
    await at.company.beta_super.execute(DUE)
    async with running(at.consumer()):
        await at.settled()
    assert (await at.everything())[THING] == [666, 2]


@pytest.mark.parametrize("where", ["itself", "database"])
async def test_b42_a_handler_that_hangs(postgres_road: Road, where: str) -> None:
    """It is cut off after its time; the others flow; in the end its key waits for an operator."""
    at, beta = postgres_road, postgres_road.company.beta_super
    assert at.company.subscriptions.handler_seconds == HANDLER_SECONDS == 30.0
    tries: list[int] = []

    async def hang(work: Work, value: int) -> None:
        if value == 666:
            tries.append(value)
            if where == "itself":
                await asyncio.Event().wait()
            await work.raw.execute("SELECT pg_sleep(600)")

    at.company.failing = hang
    at.company.handler_seconds = 0.2
    near = beside(THING)
    bad = [at.said(THING, 1, 666), at.said(THING, 2, 2)]
    await at.company.append(*bad, at.said(near, 1, 10))
    async with running(at.consumer()):
        await heard(at.company)
        assert await at.everything() == {near: [10]}

        async def given_up() -> bool:
            await beta.execute(DUE)
            return [kind for kind, _, _ in (await at.company.parked()).values()] == ["poison"]

        await until(given_up)
        await at.company.append(at.said(near, 2, 11))
        await heard(at.company)
    assert await at.everything() == {near: [10, 11]}
    assert await at.company.parked() == {f"thing/{THING}": ("poison", "TimeoutError", [1, 2])}
    assert len(tries) <= 2 + SLOW_TRIES
    asleep = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = $1"
    )
    assert await beta.fetchval(asleep, "active") == 0


async def test_b43_memory_is_bounded_by_count_and_size(postgres_road: Road) -> None:
    """The largest events that there can be, more than a batch takes: no read gives more than a
    batch has records, each of bounded size, and all take effect."""
    at = postgres_road
    assert BATCH_RECORDS * RECORD_BYTES_MAX <= BATCH_BYTES_MAX
    values = range(1, BATCH_RECORDS + 21)
    messages = []
    for message in (at.said(THING, n, n) for n in values):
        start = message.value[:-1] + b',"x":"'
        value = start + b"x" * (VALUE_BYTES_MAX - len(start) - 2) + b'"}'
        assert len(value) == VALUE_BYTES_MAX
        messages.append(with_value(message, value))
    for first in range(0, len(messages), 100):
        await at.company.append(*messages[first : first + 100])
    found = await at.hears.read({(TOPIC, messages[0].partition): 0}, BATCH_RECORDS, 1.0)
    assert len(found) <= BATCH_RECORDS
    assert sum(len(r.value) for r in found) <= BATCH_BYTES_MAX
    async with running(at.consumer()):
        await heard(at.company)
    assert await at.everything() == {THING: list(values)}


async def test_b43_a_hog_on_kafka_is_not_even_parsed(kafka_road: Road) -> None:
    """A record far over the limit, from a sender that knows none, is kept and passed by."""
    at = kafka_road
    near, far = beside(THING), apart(THING)
    whole = at.said(THING, 1, 1)
    value = whole.value[:-1] + b',"x":[' + b"[]," * 300_000 + b"0]}"
    await at.append_raw(str(THING).encode(), tuple(whole.headers), value, whole.partition)
    await at.company.append(at.said(near, 1, 10), at.said(far, 1, 20))
    parked = {f"thing/{THING}": ("poison", "unreadable_data", [1])}
    await passed_by(at, THING, near, far, parked=parked)
    assert await at.held() == [value]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(lambda: Conflict("thing.no", "No."), "poison", id="for good"),
        pytest.param(lambda: Unavailable("payer.down", "Down."), "retry", id="for a while"),
        pytest.param(TimeoutError, "retry", id="slowly"),
    ],
)
async def test_b44_only_one_network_fails(
    postgres_road: Road, error: Callable[[], Exception], kind: str
) -> None:
    """Everything of it, and on every partition; the other network's events take effect."""
    at, sick = postgres_road, new_id()

    async def fail(work: Work, _value: int) -> None:
        if work.network_id == sick:
            raise error()

    at.company.failing = fail
    things = [THING, beside(THING), *(apart(THING) for _ in range(4))]
    bad = [said(sick, thing_id, n, n) for n in (1, 2) for thing_id in things]
    near, far = beside(THING), apart(THING)
    await at.company.append(*bad, at.said(near, 1, 10), at.said(far, 1, 20))
    async with asyncio.timeout(FLOWS_SECONDS), running(at.consumer()):
        await heard(at.company)
        await at.company.append(at.said(near, 2, 11), at.said(far, 2, 21))
        await heard(at.company)
    assert await at.everything() == {near: [10, 11], far: [20, 21]}
    waiting = await at.company.parked()
    assert sorted(waiting) == sorted(f"thing/{thing_id}" for thing_id in things)
    assert {(found, tuple(held)) for found, _, held in waiting.values()} == {(kind, (1, 2))}


async def tried(consumer: Consumer, times: int) -> None:
    """Wait until the step that stops a consumer has failed so often."""

    async def enough() -> bool:
        machine = consumer._machine
        return max([machine._tries, *(held.tries for held in machine._held)]) >= times

    await until(enough)


@pytest.mark.parametrize(
    ("table", "role"), [("parked_event", "beta_app"), ("unreadable", "beta_worker")]
)
async def test_b45_where_bad_records_are_kept_is_itself_unavailable(
    postgres_road: Road, table: str, role: str
) -> None:
    """The consumer stops there rather than skip: no offset moves, and it says so. When the place is
    back it goes on by itself and nothing is missing."""
    at, beta = postgres_road, postgres_road.company.beta_super
    at.company.poisons = {666}
    bad = at.said(THING, 1, 666)
    if table == "unreadable":
        bad = bad._replace(headers=())
    near = beside(THING)
    await at.company.append(bad, at.said(near, 1, 10))
    consumer = at.consumer()
    await beta.execute(f"REVOKE INSERT ON {table} FROM {role}")
    try:
        async with running(consumer):
            await tried(consumer, 3)
            assert "42501" in str(consumer.state()["problem"])
            await at.company.append(at.said(near, 2, 11))
            before = await at.everything()
            await tried(consumer, 5)
            assert set((await at.stands()).values()) == {0}
            assert await at.everything() == before
            assert before.get(near, []) in ([], [10])
            await beta.execute(f"GRANT INSERT ON {table} TO {role}")
            await heard(at.company)
    finally:
        await beta.execute(f"GRANT INSERT ON {table} TO {role}")
    assert await at.everything() == {near: [10, 11]}
    kept = await at.held() if table == "parked_event" else [v for _, v in await at.unreadable()]
    assert kept == [bad.value]


async def test_b46_mend_and_retry(postgres_road: Road) -> None:
    """Exactly one effect, however often it is asked for and the record comes again."""
    at = postgres_road
    at.company.poisons = {666}
    bad, follower = at.said(THING, 1, 666), at.said(THING, 2, 2)
    parked = {f"thing/{THING}": ("poison", "thing.poison", [1, 2])}
    await passes_by(at, THING, bad, follower, parked=parked)
    async with running(at.consumer()):
        assert await ask(at.company, THING, "retry") == "fails: thing.poison"
        assert THING not in await at.everything()
        at.company.poisons = set()
        assert await ask(at.company, THING, "retry") == "applied 2"
        await at.company.append(bad, follower, at.said(THING, 3, 3))
        await heard(at.company)
    assert (await at.everything())[THING] == [666, 2, 3]
    assert await at.company.parked() == {}


async def aborted(at: Road) -> None:
    """Two records of a transaction on Kafka that is given up, of a thing and of a network."""
    bad = [at.said(THING, 1, 666), at.said(beside(THING), 1, 666)]
    async with at.producer(transactional_id=str(new_id())) as producer:
        await producer.begin_transaction()
        for message in bad:
            await producer.send_and_wait(
                TOPIC,
                key=message.key.encode(),
                value=message.value,
                headers=[(name, text.encode()) for name, text in message.headers],
                partition=message.partition,
            )
        await producer.abort_transaction()


async def test_b47_records_of_an_aborted_transaction_are_unseen(kafka_road: Road) -> None:
    """They are on the broker and were never said; the number is free for the one that was."""
    at = kafka_road
    near, far = beside(THING), apart(THING)
    await aborted(at)
    await at.company.append(at.said(near, 1, 10), at.said(far, 1, 20), at.said(THING, 1, 1))
    async with running(at.consumer()):
        # Not by offsets: the broker may write the marker of the end behind these.
        await count_is(at, 3)
        await at.company.append(at.said(near, 2, 11), at.said(far, 2, 21), at.said(THING, 2, 2))
        await count_is(at, 6)
    assert await at.everything() == {near: [10, 11], far: [20, 21], THING: [1, 2]}
    assert await at.company.parked() == {}
    assert await at.unreadable() == []


async def test_b47_the_marker_of_one_at_the_end_of_a_log_is_not_taken_for_being_stuck(
    kafka_road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes an offset that no record has: a member that has read everything is not behind."""
    monkeypatch.setattr("shared.bus.kafka_group.WATCH_SECONDS", 0.0)
    at = kafka_road
    await at.company.append(at.said(THING, 1, 1))
    await aborted(at)
    consumer = at.consumer()
    rounds = [consumer.counts]

    async def watched() -> bool:
        if consumer.counts is not rounds[-1]:
            rounds.append(consumer.counts)
        return len(rounds) > 3 or consumer._stuck

    async with running(consumer):
        await until(watched)
        assert (consumer.problem, consumer._stuck) == (None, False)
    assert await at.everything() == {THING: [1]}


async def halted(consumer: Consumer) -> None:
    """Wait until a consumer says that it has stopped."""

    async def so() -> bool:
        return str(consumer.state()["problem"]).startswith("halted: ")

    await until(so)


@pytest.mark.parametrize("where", ["below the start", "beyond the end"])
async def test_b48_offset_out_of_range(road: Road, where: str) -> None:
    """The subscriber halts and says which place; it never goes to the end by itself. Once its
    stored offset is put right it goes on, and what is missing shows as a hole."""
    at = road
    events = [at.said(THING, n, n) for n in range(1, 8)]
    number = events[0].partition
    await at.company.append(*events[:3])
    async with running(at.consumer()):
        await heard(at.company)
    await at.company.append(*events[3:])
    wrong = 3 if where == "below the start" else 99
    text = "UPDATE bus_offset SET next_offset = $1 WHERE topic = $2 AND partition = $3"
    await at.company.beta_super.execute(text, wrong, TOPIC, number)
    if where == "below the start":
        await at.trim(number, 5)
    consumer = at.consumer()
    async with running(consumer):
        await halted(consumer)
        assert consumer.state()["problem"] == f"halted: {TOPIC}/{number} has no offset {wrong}"
        assert (await at.stands())[number] == wrong
        assert await at.everything() == {THING: [1, 2, 3]}
        right = 5 if where == "below the start" else 3
        await at.company.beta_super.execute(text, right, TOPIC, number)
        await heard(at.company)
    if where == "below the start":
        assert await at.everything() == {THING: [1, 2, 3]}
        parked = {f"thing/{THING}": ("hole", "waits for 4", [6, 7])}
        assert await at.company.parked() == parked
    else:
        assert await at.everything() == {THING: [1, 2, 3, 4, 5, 6, 7]}


async def test_b49_topic_recreated(road: Road) -> None:
    """A log that starts over and is shorter than what was read of it halts the subscriber."""
    at = road
    await at.company.append(*(at.said(THING, n, n) for n in (1, 2, 3)))
    async with running(at.consumer()):
        await heard(at.company)
    await at.remake_topic()
    event = at.said(THING, 4, 4)
    await at.company.append(event)
    consumer = at.consumer()
    async with running(consumer):
        await halted(consumer)
        assert await at.everything() == {THING: [1, 2, 3]}
        text = "UPDATE bus_offset SET next_offset = 0 WHERE partition = $1"
        await at.company.beta_super.execute(text, event.partition)
        await heard(at.company)
    assert await at.everything() == {THING: [1, 2, 3, 4]}


async def test_b49_topic_recreated_and_grown(road: Road) -> None:
    """One that has grown past the stored offset is read from there: what lies before is missing as
    a hole of each subject that goes on, which is alarmed. Reading from the start again heals it."""
    at = road
    await at.company.append(*(at.said(THING, n, n) for n in (1, 2, 3)))
    async with running(at.consumer()):
        await heard(at.company)
    await at.remake_topic()
    events = [at.said(THING, n, n) for n in range(4, 9)]
    await at.company.append(*events)
    async with running(at.consumer()):
        await heard(at.company)
    assert await at.everything() == {THING: [1, 2, 3]}
    assert await at.company.parked() == {f"thing/{THING}": ("hole", "waits for 4", [7, 8])}
    text = "UPDATE bus_offset SET next_offset = 0 WHERE partition = $1"
    await at.company.beta_super.execute(text, events[0].partition)
    async with running(at.consumer()):
        await heard(at.company)
        await at.settled()
    assert await at.everything() == {THING: list(range(1, 9))}
