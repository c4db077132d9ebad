"""What the Postgres bus promises beyond the port: who may do what, and offsets without holes."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.bus.port import (
    Bus,
    BusUnavailable,
    NotAllowed,
    OffsetOutOfRange,
    Producer,
    Record,
)
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_line import Line
from shared.bus.postgres_schema import grant, install
from shared.bus.tests.harness import PostgresHarness, Reader, message, numbers_by_key

OWN, OTHER, SECRET = (f"clinicbus.{name}.thing.v1" for name in ("own", "other", "secret"))


@pytest.fixture
async def worker(postgres_bus: PostgresHarness) -> AsyncIterator[PostgresBus]:
    """A worker that may append to OWN and read OTHER; SECRET is not its business."""
    owner_url = postgres_bus.owner_url
    await grant(owner_url, "suite_worker", service="own", appends=[OWN], reads=[OTHER])
    await grant(owner_url, "suite_other", service="other", appends=[OTHER, SECRET], reads=[OWN])
    bus = PostgresBus(owner_url.replace("suite_owner", "suite_worker"), lease_seconds=1.5)
    yield bus
    await bus.close()


async def reader(bus: Bus, group: str, *topics: str) -> Reader:
    """A member of a group, joined."""
    return await Reader(bus, group, list(topics), {}).start()


async def test_a_service_appends_to_its_own_topics_as_itself_only(worker: PostgresBus) -> None:
    """Not to another's topic, and not under another's name."""
    own = Producer("own", 1)
    assert await worker.append(own, [message(OWN, "k", 1)]) == [0]
    for producer, topic in ((own, OTHER), (own, SECRET), (Producer("other", 1), OWN)):
        with pytest.raises(NotAllowed):
            await worker.append(producer, [message(topic, "k", 1)])


async def test_a_service_reads_what_it_subscribes_to_and_no_more(
    worker: PostgresBus, postgres_bus: PostgresHarness
) -> None:
    """By the port it is refused; by SQL it sees no row of a topic that is not granted."""
    other = PostgresBus(postgres_bus.owner_url.replace("suite_owner", "suite_other"))
    for topic in (OTHER, SECRET):
        await other.append(Producer("other", 1), [message(topic, "k", 1)])
    await other.close()
    allowed = await reader(worker, "own", OTHER)
    assert numbers_by_key(await allowed.read(1)) == {"k": [1]}
    await allowed.close()
    for group, topic in (("own", SECRET), ("other", OTHER)):
        with pytest.raises(NotAllowed):
            await reader(worker, group, topic)
    connection = await asyncpg.connect(
        postgres_bus.owner_url.replace("suite_owner", "suite_worker")
    )
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT t.name FROM log_record r JOIN topic t ON t.id = r.topic_id"
        )
        assert {row["name"] for row in rows} == {OTHER}
        for text in (
            "INSERT INTO producer VALUES ('x', 1)",
            "DELETE FROM log_record",
            "UPDATE log_partition SET next_offset = 0",
            "SELECT * FROM bus_acl",
            "SELECT bus_check('read', '{}')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(text)
    finally:
        await connection.close()


async def test_topics_of_others_cannot_be_made(worker: PostgresBus) -> None:
    """What is there already may be named again by anyone."""
    await worker.create_topics([OWN, OTHER])
    with pytest.raises(NotAllowed):
        await worker.create_topics(["clinicbus.own.invented.v1"])


async def test_a_grant_replaces_the_one_before(
    worker: PostgresBus, postgres_bus: PostgresHarness
) -> None:
    """What a service no longer names it no longer may."""
    await grant(postgres_bus.owner_url, "suite_worker", service="own", appends=[], reads=[OTHER])
    with pytest.raises(NotAllowed):
        await worker.append(Producer("own", 1), [message(OWN, "k", 1)])


async def test_offsets_have_no_hole_and_are_in_the_order_of_commits(
    postgres_bus: PostgresHarness,
) -> None:
    """Many writers at once to one partition: a reader can skip nothing."""
    buses = [await postgres_bus.bus() for _ in range(4)]
    topic = "clinicbus.busy.thing.v1"
    await buses[0].create_topics([topic])

    async def write(bus: Bus, name: str) -> None:
        for n in range(50):
            await bus.append(Producer(name, 1), [message(topic, "k", n), message(topic, "l", n)])

    await asyncio.gather(*(write(bus, f"w{n}") for n, bus in enumerate(buses)))
    ends = await buses[0].log_ends([topic])
    found: list[Record] = await (await reader(buses[1], "g", topic)).read(sum(ends.values()))
    assert sum(ends.values()) == 400
    for partition in {r.partition for r in found}:
        offsets = [r.offset for r in found if r.partition == partition]
        assert offsets == list(range(ends[topic, partition]))


async def test_installing_again_changes_nothing(postgres_bus: PostgresHarness) -> None:
    """Records, offsets and the bus's id stay."""
    bus = await postgres_bus.bus()
    topic = "clinicbus.kept.thing.v1"
    await bus.create_topics([topic])
    await bus.append(Producer("p", 1), [message(topic, "k", 1)])
    before = await bus.bus_id(), await bus.log_ends([topic])
    await install(postgres_bus.owner_url)
    again = await postgres_bus.bus()
    assert (await again.bus_id(), await again.log_ends([topic])) == before


async def test_a_broken_transaction_leaves_no_hole(postgres_bus: PostgresHarness) -> None:
    """An append that is rolled back gives its offsets to the next one."""
    bus = await postgres_bus.bus()
    topic = "clinicbus.rolled.thing.v1"
    await bus.create_topics([topic])
    connection = await asyncpg.connect(postgres_bus.owner_url)
    transaction = connection.transaction()
    await transaction.start()
    text = "SELECT bus_append('r', 1, $1, '{5}', '{k}', '{[]}', $2)"
    assert await connection.fetchval(text, [topic], [b""]) == [0]
    await transaction.rollback()
    await connection.close()
    at = message(topic, "k", 1)
    assert await bus.append(Producer("p", 1), [at]) == [0]


async def test_a_log_whose_last_records_are_gone_says_so(postgres_bus: PostgresHarness) -> None:
    """What its counter promises and its rows lack is out of range, and no silence without end."""
    bus = PostgresBus(postgres_bus.owner_url)
    await bus.create_topics([OWN])
    for number in (1, 2):
        at = await bus.append(Producer("own", 9), [message(OWN, "gone", number)])
    connection = await asyncpg.connect(postgres_bus.owner_url)
    await connection.execute('DELETE FROM log_record WHERE key = $1 AND "offset" = $2', "gone", *at)
    await connection.close()
    place = (OWN, message(OWN, "gone", 1).partition)
    with pytest.raises(OffsetOutOfRange):
        await bus.read({place: at[0]}, 10, 0.0)
    (before,) = await bus.read({place: at[0] - 1}, 10, 0.0)
    assert before.key == "gone"
    await bus.close()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("the server ended the connection at the moment of its use"),
        asyncpg.InterfaceError("the connection is closed"),
        ConnectionResetError("reset by peer"),
        asyncpg.ConnectionDoesNotExistError("closed in the middle of an operation"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_connection_that_breaks_in_whatever_way_is_a_bus_that_is_away(
    postgres_bus: PostgresHarness, error: Exception
) -> None:
    """And the next call has another connection."""
    line = Line(postgres_bus.owner_url, "clinicbus-bus-breaking")

    async def breaks(_: asyncpg.Connection) -> None:
        raise error

    async def who(connection: asyncpg.Connection) -> int:
        return int(connection.get_server_pid())

    try:
        first = await line.run(who)
        with pytest.raises(BusUnavailable):
            await line.run(breaks)
        assert await line.run(who) != first
    finally:
        await line.close()
