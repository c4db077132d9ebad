"""Bad input by number, B1 to B9: what comes twice, late, early or not at all."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from shared.bus.consumer import Consumer
from shared.bus.consumer_machine import SETTLE_SECONDS
from shared.bus.kafka import KafkaBus
from shared.bus.port import BusError, Message
from shared.bus.settle import HOLE_ALARM_SECONDS
from shared.bus.tests.bad_input import Road, apart, beside, count_is, passes_by
from shared.bus.tests.company import TOPIC, until
from shared.bus.tests.harness import KafkaHarness, fresh
from shared.bus.tests.test_consumer import heard, running
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import PARTITIONS
from shared.contracts.partition import partition_of
from shared.values.ids import new_id

THING = UUID("0190a1b2-0000-7000-8000-000000000007")
EIGHT_DAYS = timedelta(days=8)


def elsewhere(message: Message) -> Message:
    """The same message, on a partition where it does not belong."""
    return message._replace(partition=(message.partition + 1) % PARTITIONS)


async def test_b1_same_id_twice(road: Road) -> None:
    """In one batch, in the next, and after a restart."""
    event = road.said(THING, 1, 1)
    await passes_by(road, THING, event, event, effects=[1])
    async with running(road.consumer()):
        await road.company.append(event, road.said(THING, 2, 2))
        await heard(road.company)
    assert (await road.everything())[THING] == [1, 2]


def test_b2_an_event_has_one_partition() -> None:
    """It is worked out from the subject's id alone, which no event can change."""
    for event in EVENTS.values():
        subject_id = event.example().subject_id
        assert 0 <= partition_of(str(subject_id)) < PARTITIONS
        assert event.model_fields[event.subject_field].is_required()
    assert {partition_of(str(UUID(int=n))) for n in range(1000)} == set(range(PARTITIONS))


async def test_b2_a_topic_of_another_width_is_refused(kafka_bus: KafkaHarness) -> None:
    """Where the number of partitions was changed, ids would move: nothing is appended."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    topic = fresh("narrow")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bus.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 3, 1)])
    finally:
        await admin.close()
    bus = KafkaBus(kafka_bus.bootstrap)
    with pytest.raises(BusError, match="12 partitions"):
        await bus.create_topics([topic])
    await bus.close()


async def test_b2_a_copy_that_strayed_to_another_partition_does_nothing(
    postgres_road: Road,
) -> None:
    """Were there one all the same, its subject and number tell it from a new event."""
    event = postgres_road.said(THING, 1, 1)
    await passes_by(postgres_road, THING, event, elsewhere(event), effects=[1])


async def test_b3_again_after_eight_days(postgres_road: Road) -> None:
    """What was heard of a subject is one number, kept for ever and never by age; were every row of
    the subscriber that has a time eight days old, a repeat is still one."""
    at, beta = postgres_road, postgres_road.company.beta_super
    event = at.said(THING, 1, 1)
    await passes_by(at, THING, event, effects=[1])
    before = await at.heard_of()
    columns = await beta.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'"
        " AND is_updatable = 'YES' AND table_type = 'BASE TABLE'"
    )
    for table, column in columns:
        await beta.execute(f'UPDATE {table} SET "{column}" = "{column}" - interval \'8 days\'')
    at.company.clock.at += EIGHT_DAYS
    async with running(at.consumer()):
        await at.company.append(event, at.said(THING, 2, 2))
        await heard(at.company)
    assert (await at.everything())[THING] == [1, 2]
    assert before[f"thing/{THING}"] == 1


async def alarmed(road: Road, held: dict[str, tuple[str, str, list[int]]]) -> None:
    """A hole that is young is no trouble; one that is older than the limit is said in the state."""
    consumer = road.consumer()
    async with running(consumer):
        await until(lambda: _holes(consumer, 1))
        assert await road.company.parked() == held
        assert consumer.state()["problem"] is None
        await road.company.beta_super.execute(
            "UPDATE parked_key SET since = since - make_interval(secs => $1)", HOLE_ALARM_SECONDS
        )

        async def said() -> bool:
            told: str | None = consumer.state()["problem"]
            return told == "1 keys wait for a missing event"

        await until(said)


async def _holes(consumer: Consumer, count: int) -> bool:
    return consumer.counts.holes == count


async def test_b6_a_gap_is_parked_and_alarmed_after_30_seconds(postgres_road: Road) -> None:
    """Version 3 after version 1 waits for 2, and heals when it comes."""
    at = postgres_road
    assert HOLE_ALARM_SECONDS + SETTLE_SECONDS < 33
    first, second, third = (at.said(THING, n, n) for n in (1, 2, 3))
    parked = {f"thing/{THING}": ("hole", "waits for 2", [3])}
    await passes_by(at, THING, first, effects=[1])
    await at.company.append(third)
    await alarmed(at, parked)
    consumer = at.consumer()
    async with running(consumer):
        await at.company.append(second)
        await count_is(at, 7)
        await until(lambda: _holes(consumer, 0))
        assert consumer.state()["problem"] is None
    assert (await at.everything())[THING] == [1, 2, 3]
    assert await at.company.parked() == {}


async def test_b7_an_older_version_after_a_newer_one(postgres_road: Road) -> None:
    """Passed over where it was applied; where it never was, the newer one has waited for it."""
    at, other = postgres_road, beside(THING)
    one, two, three = (at.said(THING, n, n) for n in (1, 2, 3))
    await passes_by(at, THING, one, two, three, two, effects=[1, 2, 3])
    async with running(at.consumer()):
        await at.company.append(at.said(other, 1, 5), at.said(other, 3, 7), at.said(other, 2, 6))
        await count_is(at, 10)
    assert (await at.everything())[other] == [5, 6, 7]
    assert (await at.everything())[THING] == [1, 2, 3]


async def test_b8_replay_from_zero(postgres_road: Road) -> None:
    """Every stored offset back at the start, three times: no effect, no parked key, same state."""
    at = postgres_road
    things = [THING, beside(THING), apart(THING)]
    events = [at.said(thing_id, n, n) for n in range(1, 6) for thing_id in things]
    await at.company.append(*events)
    async with running(at.consumer()):
        await heard(at.company)
    before = await at.company.effects()
    assert len(before) == len(events)
    starts = await at.company.bus.log_starts([TOPIC])
    for _ in range(3):
        for (topic, number), start in starts.items():
            await at.company.beta_super.execute(
                "UPDATE bus_offset SET next_offset = $3 WHERE topic = $1 AND partition = $2",
                topic,
                number,
                start,
            )
        async with running(at.consumer()):
            await heard(at.company)
    assert await at.company.effects() == before
    assert await at.company.parked() == {}


@pytest.mark.parametrize("held", [[2], [2, 3]], ids=["cancelled", "cancelled and more"])
async def test_b9_cancel_before_create(postgres_road: Road, held: Sequence[int]) -> None:
    """The second of a subject waits for its first; nothing of it is seen before."""
    at = postgres_road
    early = [at.said(THING, n, n) for n in held]
    parked = {f"thing/{THING}": ("hole", "waits for 1", list(held))}
    await passes_by(at, THING, *early, parked=parked)
    async with running(at.consumer()):
        await at.company.append(at.said(THING, 1, 1))
        await count_is(at, 5 + len(held))
    assert (await at.everything())[THING] == [1, *held]


async def test_b1_two_at_once(postgres_road: Road) -> None:
    """Many senders of the same event at the same time."""
    at = postgres_road
    event, again = at.said(THING, 1, 1), at.said(new_id(), 1, 2)
    async with running(at.consumer()):
        await asyncio.gather(*(at.company.append(event, again) for _ in range(8)))
        await heard(at.company)
    assert sorted(row["value"] for row in await at.company.effects()) == [1, 2]
