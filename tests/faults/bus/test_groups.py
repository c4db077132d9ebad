"""Members of a group come, go, hang, wake up late and are slow: one effect each, in order."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer

from shared.bus.consumer import Consumer
from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus, Message, Producer
from shared.bus.postgres import PostgresBus
from shared.bus.tests.company import TOPIC
from shared.contracts.envelope import PARTITIONS
from tests.faults.bus.lengths import FULL, lasting, short_on, within
from tests.faults.bus.pair import FIRST, Pair, chance, until

pytestmark = within(180)

on_kafka = pytest.mark.parametrize("kind", ["kafka"])
STORM_S = lasting("15/F13 rebalance storm, s", 6, 300)
JOIN_EVERY_S = (0.5, 2.0)
BLOCKED_S = lasting("18 blocked loop, s", 9, 30)
SLOW_S = lasting("F15 slow handler, s an event", 0.5, 2)
STORM_EVENTS = int(lasting("F17 events sent ten times", 2_000, 100_000))
LARGE_S = 1_500 if FULL else 60
"""How long it may take to get over the storm of F17, and to sort what F18 shuffled."""
SHUFFLED_EVENTS = int(lasting("F18 events in random partitions", 300, 20_000))
IN_HAND = """
SELECT count(*) FROM pg_stat_activity
WHERE usename = 'beta_worker' AND state LIKE 'idle in transaction%'
  AND state_change < clock_timestamp() - interval '200 ms'
"""
"""Longer than a pause between two statements: who is frozen there may be frozen within one."""


def another_bus(pair: Pair) -> Bus:
    """The bus as one more worker of beta's sees it, past the proxies where there is a way."""
    if pair.broker is not None:
        return KafkaBus(pair.broker.bootstrap, session_ms=int(pair.session_s * 1000))
    return PostgresBus(pair.urls["CLINICBUS_BETA_BUS_URL"], lease_seconds=pair.session_s)


@asynccontextmanager
async def member(pair: Pair) -> AsyncIterator[Consumer]:
    """One more worker of beta's, in the test's own process: it comes and goes at once."""
    bus = another_bus(pair)
    found = pair.company.consumer(bus)
    running = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        found.stop()
        await running
        await bus.close()


async def owns(consumer: Consumer) -> None:
    """Wait until a member has partitions."""

    async def look() -> bool:
        return bool(consumer.state()["partitions"])

    await until(look, "partitions for the second member")


async def in_hand(pair: Pair) -> None:
    """Wait until beta is inside a transaction for longer than a statement."""

    async def look() -> bool:
        return bool(await pair.supers["beta"].fetchval(IN_HAND))

    await until(look, "a transaction in hand")


@short_on("kafka")
async def test_15_f13_a_rebalance_storm_slows_and_doubles_nothing(pair: Pair) -> None:
    """A second worker joins and leaves all the time, under load; there is progress throughout."""
    await pair.begin("alpha", "beta")
    random = chance(pair.seed, f"f13/{pair.kind}")
    async with pair.load(0.05):
        await pair.grows()
        before = await pair.count()
        await asyncio.sleep(3)  # the length of the calm that the storm is compared with
        calm = (await pair.count() - before) / 3
        began, before, joined = time.monotonic(), await pair.count(), 0
        while time.monotonic() < began + STORM_S:
            async with member(pair) as second:
                await owns(second)
                joined += 1
                await asyncio.sleep(random.uniform(*JOIN_EVERY_S))
        stormy = (await pair.count() - before) / (time.monotonic() - began)
    assert joined >= 2
    assert stormy >= 0.2 * calm
    await pair.whole()


@short_on("kafka")
async def test_16_a_revocation_waits_for_a_slow_handler(pair: Pair) -> None:
    """Five seconds in a handler, and a second worker comes: what is in hand is finished first."""
    await pair.begin("alpha")
    pair.start("beta", {"777": ("sleep", 5.0)})
    await pair.ready("beta")
    await pair.write(1, 777)
    await in_hand(pair)
    async with member(pair) as second:
        await owns(second)
        await pair.write(40)
        await pair.whole()
    assert "revoked" not in pair.log("beta")


@on_kafka
async def test_17_a_seek_that_raises_lets_nothing_be_consumed_from_elsewhere(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka would log what its listener raises and go on from Kafka's own offset."""
    await pair.begin("alpha", "beta")
    await pair.write(30)
    await pair.whole()
    await pair.stop("beta")
    # Kafka's own offsets are put behind everything, ours stay; so it would skip what comes now.
    await pair.write(30)
    bus = another_bus(pair)
    ends = await bus.log_ends([TOPIC])

    async def thirty_more() -> bool:
        return sum((await bus.log_ends([TOPIC])).values()) >= 60

    await until(thirty_more, "what was written meanwhile")
    ends = await bus.log_ends([TOPIC])
    await bus.close()
    await _commit(pair, ends)
    raised: list[str] = []
    seek = AIOKafkaConsumer.seek

    def seeking(self: AIOKafkaConsumer, at: object, offset: int) -> None:
        if len(raised) < 2:
            raised.append(str(at))
            raise RuntimeError("a listener that fails")
        seek(self, at, offset)

    monkeypatch.setattr(AIOKafkaConsumer, "seek", seeking)
    consumer = pair.company.consumer(another := another_bus(pair))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a listener that fails"):
            await consumer.run()
        assert await pair.count() == 30
    await another.close()
    assert len(raised) == 2
    async with member(pair):
        await pair.whole()


async def _commit(pair: Pair, ends: dict[tuple[str, int], int]) -> None:
    from aiokafka import TopicPartition

    assert pair.broker is not None
    client = AIOKafkaConsumer(
        bootstrap_servers=pair.broker.bootstrap, group_id="beta", enable_auto_commit=False
    )
    client.assign([TopicPartition(*key) for key in ends])
    await client.start()
    try:
        await client.commit({TopicPartition(*key): at for key, at in ends.items()})
    finally:
        await client.stop()


@short_on("kafka")
async def test_18_a_handler_that_blocks_the_loop_is_overtaken_and_changes_nothing(
    pair: Pair,
) -> None:
    """Longer than its session lasts: another member goes on, and the late one starts over."""
    await pair.begin("alpha")
    pair.start("beta", {"777": ("block", BLOCKED_S)})
    await pair.ready("beta")
    await pair.write(1, 777)
    await in_hand(pair)
    async with member(pair) as second:
        await pair.write(40)
        await owns(second)
        await pair.whole(BLOCKED_S + 30)
    await pair.write(10)
    await pair.whole(BLOCKED_S + 30)


@short_on("kafka")
async def test_f14_a_zombie_that_wakes_after_its_session_has_no_second_effect(
    pair: Pair,
) -> None:
    """Frozen inside a transaction with effects in it, and woken when another has done it all."""
    await pair.begin("alpha")
    pair.start("beta", {"777": ("sleep", 5.0)})
    await pair.ready("beta")
    await pair.write(20)
    await pair.write(1, 777)
    await in_hand(pair)
    pair.send("beta", signal.SIGSTOP)
    try:
        async with member(pair) as second:
            await pair.write(20)
            await owns(second)
            await pair.settled(60)
            await pair.whole()
            pair.send("beta", signal.SIGCONT)
            await pair.ready("beta")
            await pair.write(20)
            await pair.whole()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pair.running["beta"].pid, signal.SIGCONT)
    await pair.whole()


@short_on("postgres")
async def test_f15_a_slow_subscriber_delays_itself_alone(pair: Pair) -> None:
    """Others get everything at once; and it is not thrown out of its group for being slow."""
    await pair.begin("alpha", "gamma")
    pair.start("beta", {"": ("sleep", SLOW_S)})
    await pair.ready("beta")
    count = 32
    began = time.monotonic()
    await pair.write(count)

    async def all_of_gamma() -> bool:
        assert pair.state("beta")["consumer"]["partitions"] == PARTITIONS
        return await pair.count("gamma") == count

    await until(all_of_gamma, "gamma's effects", count * SLOW_S / 2)
    assert await pair.count() < count

    async def all_of_beta() -> bool:
        assert pair.state("beta")["consumer"]["partitions"] == PARTITIONS
        return await pair.count() == count

    await until(all_of_beta, "beta's effects", count * SLOW_S * 4 + 20)
    assert time.monotonic() - began >= count * SLOW_S * 0.9
    await pair.whole()


async def messages_of(pair: Pair) -> list[Message]:
    """Everything that alpha said, as it goes on the bus."""
    return [
        Message(
            row["topic"],
            row["key"],
            row["partition"],
            tuple(zip(row["headers"][::2], row["headers"][1::2], strict=True)),
            row["value"],
        )
        for row in await pair.said()
    ]


async def many_said(pair: Pair, count: int) -> None:
    """So many events, ten in each transaction."""
    for number in range(count // 10):
        thing = pair.things[number % len(pair.things)]
        values = [FIRST + number * 10 + place for place in range(10)]
        await pair.company.change(pair.network, thing, *values)
        pair.acked += [(thing, value) for value in values]


async def put(pair: Pair, messages: list[Message]) -> None:
    """Append past the relay."""
    for at in range(0, len(messages), 500):
        await pair.company.bus.append(Producer("storm", 1), messages[at : at + 500])


@short_on("postgres")
async def test_f17_a_storm_of_repeats_has_no_effect(pair: Pair) -> None:
    """Everything is sent ten times, in its order, while it is heard."""
    pair.straight = True
    await pair.begin("alpha", "beta")
    await many_said(pair, STORM_EVENTS)
    messages = await messages_of(pair)
    for _ in range(9):
        await put(pair, messages)
    await pair.whole(LARGE_S)
    assert len(await pair.records()) == 10 * STORM_EVENTS
    size = "SELECT count(*) FROM applied"
    assert await pair.supers["beta"].fetchval(size) == len({m.key for m in messages})


@short_on("postgres")
async def test_f18_keys_in_random_partitions_wait_and_are_applied_in_order(pair: Pair) -> None:
    """Every event in a partition drawn by chance, in an order drawn by chance."""
    random = chance(pair.seed, f"f18/{pair.kind}")
    pair.straight = True
    await many_said(pair, SHUFFLED_EVENTS)
    messages = await messages_of(pair)
    moved = [m._replace(partition=random.randrange(PARTITIONS)) for m in messages]
    random.shuffle(moved)
    await pair.begin("beta")
    await put(pair, moved[: len(moved) // 2])

    async def holes() -> bool:
        return bool(pair.state("beta")["consumer"].get("holes"))

    await until(holes, "keys that wait")
    await put(pair, moved[len(moved) // 2 :])
    await pair.whole(LARGE_S, moved=True)
