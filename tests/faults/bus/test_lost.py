"""The bus loses what it had: its tail, all of it, a topic, its oldest records, room on its disk."""

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import psutil  # type: ignore[import-untyped]
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus, Record
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_schema import trim
from shared.bus.republish import Republished, republish, reset
from shared.bus.settle import PARKED_KEYS_MAX
from shared.bus.tests.company import TOPIC
from shared.contracts.envelope import PARTITIONS
from shared.values.ids import new_id
from tests.faults.bus.broker import FaultyBroker
from tests.faults.bus.conftest import empty_topic
from tests.faults.bus.lengths import lasting, short_on, within
from tests.faults.bus.pair import Pair, until

pytestmark = within(180)

NEWCOMER_THINGS = int(lasting("F4 subjects in which a newcomer has a hole", 220, 5_000))
NEWCOMER_FAILURES_MAX = int(lasting("F4 failures beyond which it halts", 200, PARKED_KEYS_MAX))
NEWCOMER_S = 120.0
SOON_S = 20.0
TAIL_BYTES = 700
"""More than the last record, and somewhere inside one."""


async def healed(pair: Pair, *hearers: str, resend: bool = True) -> Republished:
    """What an operator does: `bus republish`, and `bus reset-offsets --to start` for these."""
    bus = operator(pair)
    try:
        found = Republished()
        if resend:
            found = await sent_again(pair, bus)
        for name in hearers:
            connection = await asyncpg.connect(pair.urls[f"CLINICBUS_{name.upper()}_WORKER_URL"])
            try:
                await reset(connection, bus, [TOPIC])
            finally:
                await connection.close()
        return found
    finally:
        await bus.close()


async def sent_again(pair: Pair, bus: Bus) -> Republished:
    """`bus republish`; what was missing."""
    async with pair.company.alpha.raw("worker") as raw:
        return await republish(raw, bus, "alpha", [TOPIC])


def operator(pair: Pair) -> Bus:
    """The bus as an operator's command sees it."""
    if pair.broker is not None:
        return KafkaBus(pair.broker.bootstrap)
    assert pair.bus_owner_url is not None
    return PostgresBus(pair.bus_owner_url)


async def seen_anew(pair: Pair) -> None:
    """Let the test look at the bus as one who has not seen it before."""
    await pair.company.bus.close()
    pair.company.bus = operator(pair)


def ids(records: list[Record]) -> Counter[UUID]:
    """The events of records."""
    return Counter(UUID(dict(record.headers)["ce_id"]) for record in records)


async def as_owner(pair: Pair, *statements: str) -> None:
    """Do something to the Postgres bus that no service may."""
    connection = await asyncpg.connect(pair.bus_owner_url)
    try:
        for text in statements:
            await connection.execute(text)
    finally:
        await connection.close()


async def lose_the_tail(pair: Pair) -> None:
    """The newest records of every partition are gone, as after a crash without a flush."""
    if pair.broker is None:
        await as_owner(
            pair,
            "DELETE FROM log_record r USING log_partition p WHERE p.topic_id = r.topic_id"
            ' AND p.partition = r.partition AND r."offset" >= p.next_offset - 2',
            "UPDATE log_partition SET next_offset = greatest(0, next_offset - 2)",
        )
        return
    await asyncio.to_thread(pair.broker.kill)
    try:
        logs = logs_of(pair.broker)
        assert len(logs) == PARTITIONS
        for log in logs:
            size = log.stat().st_size
            if size:
                with log.open("r+b") as file:
                    file.truncate(max(0, size - TAIL_BYTES))
    finally:
        await asyncio.to_thread(pair.broker.start)


def logs_of(broker: FaultyBroker) -> list[Path]:
    """The files with the topic's records; not those of one that was deleted a moment ago."""
    folders = (broker.data / f"{TOPIC}-{number}" for number in range(PARTITIONS))
    return [log for folder in folders for log in folder.glob("*.log")]


async def test_f3_the_tail_that_a_bus_lost_is_sent_again_by_its_ids(pair: Pair) -> None:
    """One who had heard it and one who had not both end with one effect each."""
    await pair.begin("alpha", "beta", "gamma")
    await pair.write(60)
    await pair.settled()
    await pair.stop("gamma")
    pair.hearers.discard("gamma")
    await pair.write(60)
    await pair.settled()
    before = ids(await pair.records())
    await lose_the_tail(pair)
    lost = before - ids(await pair.records())
    assert 0 < len(lost) < len(before)
    found = await healed(pair, "beta", "gamma")
    assert found.missing == len(lost)
    after = ids(await pair.records())
    assert after == before
    pair.start("gamma")
    async with pair.load():
        await pair.grows("beta")
    await pair.whole(resent=True)


async def wipe(pair: Pair) -> None:
    """Another, empty bus is in its place from now on."""
    if pair.broker is not None:
        pair.broker.link.refuse()
        await asyncio.to_thread(pair.broker.wipe)
        await asyncio.to_thread(pair.broker.start)
        pair.broker.link.heal()
        return
    await as_owner(
        pair,
        "TRUNCATE log_record, log_partition, topic, member, claim, group_offset, producer",
        "UPDATE bus_identity SET bus_id = gen_random_uuid()",
    )
    await pair.company.beta_super.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
        urlsplit(str(pair.bus_owner_url)).path[1:],
    )


async def test_f4_a_bus_that_was_wiped_is_filled_from_the_outbox(pair: Pair) -> None:
    """Another, empty bus in its place: nobody is restarted but the bus. Who hears says that there
    is nothing to hear, and hears again soon after there is."""
    await pair.begin("alpha", "beta")
    await pair.write(60)
    await pair.settled()
    await wipe(pair)
    await pair.says("beta", "UnknownTopic")
    await pair.write(30)
    found = await healed(pair, "beta")
    assert found.missing >= 60
    await pair.ready("beta")
    await pair.says("beta", "", SOON_S)
    await seen_anew(pair)
    await pair.write(30)
    await pair.whole(60, resent=True)


@short_on("postgres")
async def test_f4_a_newcomer_hears_of_every_subject_though_the_oldest_events_come_last(
    pair: Pair,
) -> None:
    """After a wipe life goes on before an operator comes: every subject has a hole at first, more
    of them than may fail."""
    pair.things = [new_id() for _ in range(NEWCOMER_THINGS)]
    pair.parked_keys_max = NEWCOMER_FAILURES_MAX
    assert len(pair.things) > pair.parked_keys_max
    await pair.begin("alpha")
    await pair.write(NEWCOMER_THINGS)
    await until(lambda: _ends_at(pair.company.bus, NEWCOMER_THINGS), "all on the bus", NEWCOMER_S)
    await wipe(pair)
    await seen_anew(pair)
    await pair.company.bus.create_topics([TOPIC])  # as every start of a service does
    await pair.write(NEWCOMER_THINGS)
    pair.start("beta")

    async def waits_for_all() -> bool:
        return bool(pair.state("beta")["consumer"].get("holes") == NEWCOMER_THINGS)

    await until(waits_for_all, "a hole in every subject", NEWCOMER_S)
    found = await healed(pair)
    assert found.missing >= NEWCOMER_THINGS
    await seen_anew(pair)
    await pair.whole(NEWCOMER_S, resent=True)
    await pair.says("beta", "")


async def test_22_retention_that_passes_a_stopped_consumer_halts_it_until_it_is_told(
    pair: Pair,
) -> None:
    """It skips nothing by itself; what is gone is brought back from the outbox."""
    await pair.begin("alpha", "beta")
    await pair.write(30)
    await pair.settled()
    await pair.stop("beta")
    await pair.write(90)
    bus = pair.company.bus
    await until(lambda: _ends_at(bus, 120), "all of it on the bus")
    for (topic, partition), end in (await bus.log_ends([TOPIC])).items():
        if pair.broker is None:
            await trim(str(pair.bus_owner_url), topic, partition, max(0, end - 1))
        else:
            await _trim_kafka(pair.broker.bootstrap, partition, max(0, end - 1))
    pair.start("beta")
    await pair.says("beta", "halted")
    assert await pair.count() == 30
    found = await healed(pair, "beta")
    assert found.missing > 0
    await pair.whole(60, resent=True)
    await pair.says("beta", "")


async def _ends_at(bus: Bus, count: int) -> bool:
    return sum((await bus.log_ends([TOPIC])).values()) >= count


async def _trim_kafka(bootstrap: str, partition: int, before: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(TOPIC, partition): RecordsToDelete(before)})
    finally:
        await admin.close()


async def test_23_a_topic_made_anew_halts_who_stood_in_the_old_one(pair: Pair) -> None:
    """Its offsets begin at 0 again: nobody goes on from a number of the old one."""
    await pair.begin("alpha", "beta")
    await pair.write(60)
    await pair.settled()
    if pair.broker is not None:
        assert isinstance(pair.company.bus, KafkaBus)
        await empty_topic(pair.broker, pair.company.bus)
    else:
        await as_owner(
            pair,
            "DELETE FROM log_record",
            "UPDATE log_partition SET next_offset = 0, log_start = 0",
        )
    await pair.says("beta", "halted")
    await pair.write(20)
    found = await healed(pair, "beta")
    assert found.missing >= 60
    await pair.whole(60, resent=True)
    await pair.says("beta", "")


_FILLING = """
INSERT INTO log_record SELECT -1, 0, n, 'filling', '[]', convert_to(repeat('x', 1800), 'UTF8')
FROM generate_series(1, 10000) n
"""
_BACKEND = """
SELECT pid, pg_relation_size('log_record') AS size FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'clinicbus-bus-append'
AND usename = 'alpha_worker'
"""


@asynccontextmanager
async def no_room(pair: Pair) -> AsyncIterator[None]:
    """No process of the server may make a file larger than the records' table is now.

    The table is first made larger than a file of the server's log: that one must not be meant.
    """
    connection = await asyncpg.connect(pair.bus_owner_url)
    try:
        await connection.execute(_FILLING)
        backend, size = await connection.fetchrow(_BACKEND)
    finally:
        await connection.close()
    assert size > 16 * 1024 * 1024
    limited = [backend, psutil.Process(backend).ppid()]
    for pid in limited:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in filter(psutil.pid_exists, limited):
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        await as_owner(pair, "DELETE FROM log_record WHERE topic_id = -1")


@short_on("postgres")
async def test_13_a_full_disk_under_the_bus_stops_no_write_and_loses_nothing(pair: Pair) -> None:
    """Files may grow no further (RLIMIT_FSIZE of the running server), and then again they may."""
    await pair.begin("alpha", "beta")
    await pair.write(60)
    await pair.settled()
    if pair.broker is not None:
        # Some of the next records still fit; the broker gives its log up and ends itself.
        largest = max(log.stat().st_size for log in logs_of(pair.broker))
        resource.prlimit(pair.broker.pid, resource.RLIMIT_FSIZE, (largest + 500, largest + 500))
        async with pair.load():
            await pair.says("alpha", "bus:")
        await asyncio.to_thread(pair.broker.stop)
        await asyncio.to_thread(pair.broker.start)
    else:
        async with no_room(pair), pair.load():
            await pair.says("alpha", "bus:")
    async with pair.load():
        await pair.grows(by=10)
    await pair.says("alpha", "")
    await pair.whole(60)
