"""The bus goes away, loses answers, refuses and misreports: writes go on and nothing is lost."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.bus.tests.company import TOPIC
from tests.faults.bus.lengths import lasting, short_on, within
from tests.faults.bus.pair import Pair, chance, until
from tests.faults.proxy import Moment, Proxy, Way

pytestmark = within(180)

on_kafka = pytest.mark.parametrize("kind", ["kafka"])
DOWN_S = lasting("8/F1 bus down, s", 5, 60)
FROZEN_S = lasting("F2 bus frozen, s", 6, 30)
WEATHER_S = lasting("F22, F23 slow and sliced links, s", 2, 30)
SWIZZLES = int(lasting("F24 rounds of swizzle and clog", 1, 10))
PRODUCE = re.compile(rb"\x00\x00\x00.....\x00.aiokafka-producer", re.DOTALL)
"""The head of a produce request: key 0, version, correlation id, the client's name."""


def ends(pair: Pair) -> list[Proxy]:
    """The links between the services and the bus."""
    return list({id(link): link for link in map(pair.bus_link, ("alpha", "beta"))}.values())


@short_on("postgres")
async def test_nothing_is_wrong_without_a_fault(pair: Pair) -> None:
    """So that what follows is the faults'."""
    await pair.begin("alpha", "beta", "gamma")
    async with pair.load():
        await pair.grows(by=30)
    await pair.whole()
    assert await pair.stop("beta") == 0


@short_on("postgres")
async def test_8_f1_a_bus_that_is_down_stops_no_write_and_is_said(pair: Pair) -> None:
    """The broker is killed, or nobody listens; no write fails, and the lag returns to zero."""
    await pair.begin("alpha", "beta")
    async with pair.load():
        await pair.grows()
        for link in ends(pair):
            link.refuse()
        if pair.broker is not None:
            await asyncio.to_thread(pair.broker.kill)
        began, before = time.monotonic(), len(pair.acked)
        await pair.says("alpha", "bus:")
        if pair.kind == "postgres":
            # On Kafka its client may wait for longer than this lasts before it says anything.
            await pair.says("beta", "bus:")
        await asyncio.sleep(max(0.0, DOWN_S - (time.monotonic() - began)))  # the fault's length
        assert len(pair.acked) > before + 10
        if pair.broker is not None:
            await asyncio.to_thread(pair.broker.start)
        for link in ends(pair):
            link.heal()
        await pair.grows()
        await pair.says("alpha", "")
        await pair.says("beta", "")
    await pair.whole(60)


async def test_f2_a_frozen_bus_is_used_again_soon_after_it_wakes(pair: Pair) -> None:
    """Half-open all the while: connections stay, nothing is answered."""
    await pair.begin("alpha", "beta")
    async with pair.load(0.05):
        await pair.grows()
        if pair.broker is not None:
            pair.broker.freeze()
        else:
            for link in ends(pair):
                link.stall()
        await asyncio.sleep(FROZEN_S)  # the fault's length
        before = await pair.count()
        if pair.broker is not None:
            pair.broker.thaw()
        else:
            for link in ends(pair):
                link.heal()
        await until(lambda: _more(pair, before + 3), "the relay at work again", 15)
    await pair.whole()


async def _more(pair: Pair, than: int) -> bool:
    return await pair.count() > than


async def test_9_answers_that_are_lost_after_the_append_double_no_effect(pair: Pair) -> None:
    """The link is reset when the bus answers. Kafka knows what is sent to it again by the number
    that the producer gave it; on Postgres it is appended twice, and subscribers know it."""
    await pair.begin("alpha", "beta")
    link = pair.bus_link("alpha")
    link.cut(
        Way.UP,
        PRODUCE if pair.kind == "kafka" else TOPIC.encode(),
        Moment.REPLY_LOST,
        times=3,
    )
    async with pair.load():
        await until(lambda: _seen(link, 3), "three lost answers")
        await pair.grows(by=10)
    await pair.whole()
    if pair.kind == "postgres":
        assert len(await pair.records()) > len(await pair.said())


async def _seen(link: Proxy, times: int) -> bool:
    return link.seen["reply_lost"] >= times


@asynccontextmanager
async def refusing(pair: Pair) -> AsyncIterator[None]:
    """A bus that takes no record of alpha's."""
    if pair.broker is not None:
        await _largest(pair.broker.bootstrap, "100")
        yield
        await _largest(pair.broker.bootstrap, "1048588")
        return
    connection = await asyncpg.connect(pair.bus_owner_url)
    try:
        rule = "ALTER TABLE log_record ADD CONSTRAINT small CHECK (length(value) < 9) NOT VALID"
        await connection.execute(rule)
        yield
        await connection.execute("ALTER TABLE log_record DROP CONSTRAINT small")
    finally:
        await connection.close()


async def _largest(bootstrap: str, size: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = {"max.message.bytes": size}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, wanted)])
    finally:
        await admin.close()


async def test_10_a_batch_that_the_bus_refuses_waits_and_is_said(pair: Pair) -> None:
    """RecordTooLarge, or a constraint: the relay goes on trying, and skips nothing."""
    await pair.begin("alpha", "beta")
    await pair.write(10)
    await pair.settled()
    async with refusing(pair):
        await pair.write(10)
        await pair.says("alpha", "bus:")
        assert await pair.count() == 10
    await pair.whole()
    await pair.says("alpha", "")


def out_of_order(times: int) -> tuple[Callable[[bytes], bytes], list[int]]:
    """Puts error 45, OUT_OF_ORDER_SEQUENCE_NUMBER, into so many answers to produce requests."""
    name = len(TOPIC).to_bytes(2, "big") + TOPIC.encode()
    # (topic, one partition, its number, no error, an offset): of the answers, only this one has it.
    answer = re.compile(re.escape(name) + rb"\x00\x00\x00\x01\x00\x00\x00[\x00-\x0b]\x00\x00\x00")
    changed: list[int] = []

    def change(data: bytes) -> bytes:
        found = answer.search(data) if len(changed) < times else None
        # An answer to a produce request of one partition: correlation id, one topic, this.
        if found is None or found.start() != 12 or len(data) > 120:
            return data
        changed.append(found.end())
        at = found.end() - 3
        return data[:at] + (45).to_bytes(2, "big") + data[at + 2 :]

    return change, changed


@on_kafka
async def test_11_a_sequence_out_of_order_is_answered_by_a_fresh_producer(pair: Pair) -> None:
    """The broker's answer is forged on its way: error 45, though the batch was appended."""
    await pair.begin("alpha", "beta")
    change, changed = out_of_order(3)
    pair.link("kafka").rewrite(Way.DOWN, change)

    async def three() -> bool:
        await pair.write(1)
        return len(changed) >= 3

    await until(three, "three forged answers")
    await pair.whole()
    assert len(await pair.records()) > len(await pair.said())


@short_on("kafka")
async def test_f22_a_slow_and_shaky_link_delays_and_breaks_nothing(pair: Pair) -> None:
    """Half a second each way, give or take a fifth: no more than a few round trips late."""
    await pair.begin("alpha", "beta")
    for link in ends(pair):
        link.slow(0.25, jitter_s=0.1)
    began = time.monotonic()
    async with pair.load(0.1):
        while time.monotonic() < began + WEATHER_S:
            await pair.grows(patience_s=15)
            assert pair.problem("alpha") == pair.problem("beta") == ""
    await pair.settled(15)
    for link in ends(pair):
        link.heal()
    await pair.whole()


@short_on("postgres")
async def test_f23_packets_of_one_to_seven_bytes_are_understood(pair: Pair) -> None:
    """From the first byte of every connection on."""
    for link in ends(pair):
        link.slice()
    await pair.begin("alpha", "beta")
    began = time.monotonic()
    async with pair.load(0.1):
        while time.monotonic() < began + WEATHER_S:
            await pair.grows(patience_s=15)
            assert pair.problem("alpha") == pair.problem("beta") == ""
    for link in ends(pair):
        link.heal()
    await pair.whole()


async def test_f24_links_that_clog_one_by_one_and_heal_in_any_order(pair: Pair) -> None:
    """Refused, swallowed, stalled or slowed, by chance; all is well within a minute."""
    await pair.begin("alpha", "beta")
    random = chance(pair.seed, f"f24/{pair.kind}")
    faults: list[Callable[[Proxy], None]] = [
        Proxy.refuse,
        Proxy.swallow,
        Proxy.stall,
        Proxy.slice,
        lambda link: link.swallow(Way.DOWN),
        lambda link: link.slow(0.3, jitter_s=0.2),
    ]
    links = [pair.link("alpha.db"), pair.link("beta.db"), *ends(pair)]
    async with pair.load(0.1):
        for _ in range(SWIZZLES):
            for link in random.sample(links, len(links)):
                random.choice(faults)(link)
                await asyncio.sleep(random.uniform(0.1, 1.0))
            for link in random.sample(links, len(links)):
                link.heal()
                await asyncio.sleep(random.uniform(0.1, 0.5))
    await pair.whole(60)
