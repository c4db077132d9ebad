"""One suite for every transport: each scenario is a promise of `shared.bus.port`."""

import asyncio
import contextlib

import pytest

from shared.bus.port import (
    RECORD_BYTES_MAX,
    Bus,
    Message,
    OffsetOutOfRange,
    Producer,
    Record,
    RecordTooLarge,
    StaleProducer,
    UnknownTopic,
)
from shared.bus.port import TopicPartition as At
from shared.bus.tests.harness import (
    PATIENCE_SECONDS,
    Harness,
    Reader,
    append_through_outages,
    fresh,
    message,
    numbers_by_key,
    without_repeats,
)
from shared.contracts.envelope import PARTITIONS
from shared.contracts.partition import partition_of

ONE = Producer("suite", 1)


async def order_per_key(h: Harness) -> None:
    """Each key's records come in the order in which they were appended, and none is missing."""
    bus, topic = await h.bus(), fresh("order")
    await bus.create_topics([topic])
    keys = [f"key-{n}" for n in range(40)]
    for start in range(0, 20, 5):
        batch = [message(topic, key, n) for n in range(start, start + 5) for key in keys]
        offsets = await bus.append(ONE, batch)
        assert len(offsets) == len(batch)
    reader = await Reader(bus, fresh("g"), [topic], {}).start()
    records = await reader.read(800)
    assert numbers_by_key(records) == {key: list(range(20)) for key in keys}
    for partition in range(PARTITIONS):
        offsets = [r.offset for r in records if r.partition == partition]
        assert offsets == list(range(len(offsets)))
    await reader.close()


async def every_group_gets_all(h: Harness) -> None:
    """Two groups each read every record; a group that comes later starts at the beginning."""
    bus, topic = await h.bus(), fresh("fan")
    await bus.create_topics([topic])
    await bus.append(ONE, [message(topic, f"k{n}", 0) for n in range(100)])
    first = await Reader(bus, fresh("g"), [topic], {}).start()
    second = await Reader(await h.bus(), fresh("g"), [topic], {}).start()
    assert len(await first.read(100)) == len(await second.read(100)) == 100
    await bus.append(ONE, [message(topic, f"k{n}", 1) for n in range(100)])
    late = await Reader(await h.bus(), fresh("g"), [topic], {}).start()
    assert numbers_by_key(await late.read(200)) == {f"k{n}": [0, 1] for n in range(100)}
    for reader in (first, second, late):
        await reader.close()


async def redelivery_from_the_subscribers_offsets(h: Harness) -> None:
    """After a crash between effect and offset the records come again from the offsets that the
    subscriber stored, whatever was committed to the bus."""
    bus, topic, group = await h.bus(), fresh("again"), fresh("g")
    await bus.create_topics([topic])
    await bus.append(ONE, [message(topic, "one", n) for n in range(30)])
    stored = {(topic, partition_of("one")): 10}
    reader = await Reader(bus, group, [topic], stored).start()
    assert numbers_by_key(await reader.read(20, store=False)) == {"one": list(range(10, 30))}
    assert reader.subscription is not None
    await reader.subscription.commit({(topic, partition_of("one")): 30})
    await h.kill(reader.subscription)
    again = await Reader(await h.bus(), group, [topic], stored).start()
    assert numbers_by_key(await again.read(20)) == {"one": list(range(10, 30))}
    await again.close()


async def one_owner_a_partition(h: Harness) -> None:
    """Members come, leave and die: no partition has two owners, and each has one in the end."""
    bus, topic, group = await h.bus(), fresh("owner"), fresh("g")
    await bus.create_topics([topic])
    whole = {(topic, n) for n in range(PARTITIONS)}
    members: list[Reader] = []

    async def settled(expected: list[Reader]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for member in expected:
                    await member.poll(0.05)
                owned = [key for member in expected for key in member.owned]
                assert len(owned) == len(set(owned))
                if set(owned) == whole and all(member.owned for member in expected):
                    return

    for _ in range(3):
        members.append(await Reader(await h.bus(), group, [topic], {}).start())
        await settled(members)
    await members.pop(0).close()
    await settled(members)
    dead = members.pop(0)
    assert dead.subscription is not None
    await h.kill(dead.subscription)
    await settled(members)
    assert members[0].owned == whole
    await members[0].close()
    assert members[0].owned == set()
    assert members[0].calls[-1][0] == "revoked"


async def the_store_goes_and_comes_back(h: Harness) -> None:
    """An outage at one third and at two thirds of a run loses nothing and keeps the order."""
    bus, topic = await h.bus(), fresh("outage")
    await bus.create_topics([topic])
    keys = [f"key-{n}" for n in range(12)]
    reader = Reader(await h.bus(), fresh("g"), [topic], {})
    await reader.start()

    async def write() -> None:
        for n in range(30):
            if n in (10, 20):
                await h.break_off()
            await append_through_outages(bus, ONE, [message(topic, key, n) for key in keys])

    found: list[Record] = []
    writing = asyncio.create_task(write())
    await reader.read_through_outages(lambda: len(without_repeats(found)) == 360, found)
    await writing
    assert numbers_by_key(without_repeats(found)) == {key: list(range(30)) for key in keys}
    await reader.close()


async def an_offset_that_is_not_there(h: Harness) -> None:
    """Below the log's start and above its end are errors that name the place."""
    bus, topic, number = await h.bus(), fresh("range"), partition_of("one")
    await bus.create_topics([topic])
    await bus.append(ONE, [message(topic, "one", n) for n in range(10)])
    await h.trim(topic, number, 4)
    assert (await bus.log_starts([topic]))[topic, number] == 4
    assert (await bus.log_ends([topic]))[topic, number] == 10
    for wrong in (3, 11):
        reader = await Reader(await h.bus(), fresh("g"), [topic], {(topic, number): wrong}).start()
        with pytest.raises(OffsetOutOfRange) as raised:
            await reader.read(1)
        refused = raised.value
        assert (refused.topic, refused.partition, refused.offset) == (topic, number, wrong)
        await reader.close()
    fresh_reader = await Reader(await h.bus(), fresh("g"), [topic], {}).start()
    assert numbers_by_key(await fresh_reader.read(6)) == {"one": list(range(4, 10))}
    await fresh_reader.close()


async def an_oversize_record(h: Harness) -> None:
    """One byte too many is refused before anything is appended; the largest one passes."""
    bus, topic = await h.bus(), fresh("size")
    await bus.create_topics([topic])
    small = message(topic, "k", 0)
    room = RECORD_BYTES_MAX - len("k") - len("n") - len("1")
    with pytest.raises(RecordTooLarge):
        await bus.append(ONE, [small, message(topic, "k", 1, b"x" * (room + 1))])
    assert sum((await bus.log_ends([topic])).values()) == 0
    await bus.append(ONE, [small, message(topic, "k", 1, b"x" * room)])
    reader = await Reader(bus, fresh("g"), [topic], {}).start()
    assert [len(r.value) for r in await reader.read(2)] == [3, room]
    await reader.close()


async def records_come_as_they_went(h: Harness) -> None:
    """Headers keep their order, repeats and text; values keep every byte."""
    bus, topic = await h.bus(), fresh("same")
    await bus.create_topics([topic])
    headers = (
        ("b", "2"),
        ("a", ""),
        ("b", "2 again"),
        ("text", 'Grüße, "quoted" \\ back\n\t\U0001f600'),
        ("long", "x" * 5000),
    )
    values = [b"", bytes(range(256)), b"\x00", "é".encode()]
    sent = [Message(topic, "ké", 7, headers if n else (), v) for n, v in enumerate(values)]
    await bus.append(ONE, sent)
    reader = await Reader(bus, fresh("g"), [topic], {}).start()
    got = [
        Message(r.topic, r.key or "", r.partition, r.headers, r.value) for r in await reader.read(4)
    ]
    assert got == sent
    await reader.close()


async def closing_while_others_append(h: Harness) -> None:
    """A reader and a writer close in the middle of it all; what was acknowledged is there."""
    bus, topic = await h.bus(), fresh("close")
    await bus.create_topics([topic])
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        for n in range(10_000):
            await bus.append(ONE, [message(topic, "one", n)])
            acknowledged = n + 1

    reader = await Reader(await h.bus(), fresh("g"), [topic], {}).start()
    writing = asyncio.create_task(write())
    await reader.read(5)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await reader.close()
        await asyncio.sleep(0)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        await bus.close()
    later = await Reader(await h.bus(), fresh("g"), [topic], {}).start()
    found = without_repeats(await later.read(acknowledged))
    assert acknowledged >= 5
    assert numbers_by_key(found)["one"] == list(range(len(found)))
    assert len(found) >= acknowledged
    await later.close()


async def ten_thousand_keys(h: Harness) -> None:
    """Many keys spread over all partitions; none starves and each record comes once."""
    bus, topic = await h.bus(), fresh("many")
    await bus.create_topics([topic])
    batch = [message(topic, f"key-{n}", 0) for n in range(10_000)]
    for start in range(0, 10_000, 1000):
        await bus.append(ONE, batch[start : start + 1000])
    reader = await Reader(bus, fresh("g"), [topic], {}).start()
    first = await reader.read(1, store=False, most=240)
    rest = await reader.read(10_000 - len(first))
    assert len({r.partition for r in [*first, *rest[:20_000]]}) == PARTITIONS
    assert len({r.key for r in [*first, *rest]}) == len([*first, *rest]) == 10_000
    await reader.close()


async def seeking(h: Harness) -> None:
    """A position can be moved back; a partition that is not owned is left alone."""
    bus, topic = await h.bus(), fresh("seek")
    await bus.create_topics([topic])
    await bus.append(ONE, [message(topic, "one", n) for n in range(5)])
    reader = await Reader(bus, fresh("g"), [topic], {}).start()
    await reader.read(5)
    assert reader.subscription is not None
    await reader.subscription.seek((topic, partition_of("one")), 3)
    await reader.subscription.seek(("elsewhere", 0), 0)
    assert numbers_by_key(await reader.read(2)) == {"one": [3, 4]}
    await reader.close()


async def messages_made_ready(h: Harness) -> None:
    """What was made ready is appended like what was not, once, though the bus broke off between;
    what was made ready and forgotten is not."""
    bus, topic = await h.bus(), fresh("ready")
    await bus.create_topics([topic])
    keys = [f"key-{n}" for n in range(40)]
    await bus.append(ONE, [message(topic, key, 0) for key in keys])
    made = [bus.ready([message(topic, key, n) for key in keys]) for n in range(4)]
    assert [list(each) for each in made] == [
        [message(topic, key, n) for key in keys] for n in range(4)
    ]
    offsets = await bus.append(ONE, made[1])
    await h.break_off()
    await append_through_outages(bus, ONE, made[2])
    await append_through_outages(bus, ONE, made[3])
    reader = await Reader(bus, fresh("g"), [topic], {}).start()
    found: list[Record] = []
    await reader.read_through_outages(lambda: len(without_repeats(found)) == 160, found)
    assert numbers_by_key(without_repeats(found)) == {key: [0, 1, 2, 3] for key in keys}
    places = {r.key: r.offset for r in found if dict(r.headers)["n"] == "1"}
    assert places == dict(zip(keys, offsets, strict=True))
    with pytest.raises(RecordTooLarge):
        await bus.append(ONE, bus.ready([message(topic, "k", 0, b"x" * RECORD_BYTES_MAX)]))
    await reader.close()


async def topics_are_not_made_by_the_way(h: Harness) -> None:
    """An unknown topic is an error to append to, read and ask about."""
    bus, known, unknown = await h.bus(), fresh("known"), fresh("unknown")
    await bus.create_topics([known])
    await bus.create_topics([known])
    with pytest.raises(UnknownTopic):
        await bus.append(ONE, [message(unknown, "k", 0)])
    with pytest.raises(UnknownTopic):
        await Reader(bus, fresh("g"), [unknown], {}).start()
    with pytest.raises(UnknownTopic):
        await bus.log_ends([unknown])
    assert await bus.log_ends([known]) == {(known, n): 0 for n in range(PARTITIONS)}
    assert await bus.bus_id() == await (await h.bus()).bus_id()


async def reading_outside_any_group(h: Harness) -> None:
    """Records from an offset on, again and again, and what comes later; no group is joined."""
    bus, topic = await h.bus(), fresh("look")
    await bus.create_topics([topic])
    await bus.append(ONE, [message(topic, "one", n) for n in range(5)])
    at = (topic, partition_of("one"))
    for _ in range(2):
        assert numbers_by_key(await _looked(bus, {at: 2}, 3)) == {"one": [2, 3, 4]}
    assert len(await _looked(bus, {at: 0}, 2, most=2)) == 2
    assert await bus.read({at: 5}, 10, 0.1) == []
    later = asyncio.create_task(bus.read({at: 5}, 10, PATIENCE_SECONDS))
    await bus.append(ONE, [message(topic, "one", 5)])
    assert numbers_by_key(await later) == {"one": [5]}
    whole = {(topic, number): 0 for number in range(PARTITIONS)}
    assert len(await _looked(bus, whole, 6)) == 6
    with pytest.raises(OffsetOutOfRange):
        await bus.read({at: 99}, 10, PATIENCE_SECONDS)
    assert numbers_by_key(await _looked(bus, {at: 4}, 2)) == {"one": [4, 5]}
    with pytest.raises(UnknownTopic):
        await bus.read({(fresh("unknown"), 0): 0}, 10, 0.1)


async def _looked(bus: Bus, at: dict[At, int], count: int, most: int = 100) -> list[Record]:
    """So many records from offsets on, however many reads that takes."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(found) < count:
            batch = await bus.read(at, most, 1.0)
            found += batch
            at = at | {(r.topic, r.partition): r.offset + 1 for r in batch}
    assert len(found) == count
    return found


async def a_stale_producer(h: Harness) -> None:
    """Once a later epoch was heard, an earlier one appends nothing more."""
    bus, topic = await h.bus(), fresh("stale")
    await bus.create_topics([topic])
    await bus.append(Producer("suite", 1), [message(topic, "k", 0)])
    before = await bus.log_ends([topic])
    await bus.append(Producer("suite", 3), [])
    with pytest.raises(StaleProducer):
        await bus.append(Producer("suite", 2), [message(topic, "k", 1)])
    assert await bus.log_ends([topic]) == before
    await bus.append(Producer("suite", 3), [message(topic, "k", 1)])


SCENARIOS = [
    order_per_key,
    every_group_gets_all,
    redelivery_from_the_subscribers_offsets,
    one_owner_a_partition,
    the_store_goes_and_comes_back,
    an_offset_that_is_not_there,
    an_oversize_record,
    records_come_as_they_went,
    closing_while_others_append,
    ten_thousand_keys,
    seeking,
    messages_made_ready,
    topics_are_not_made_by_the_way,
    reading_outside_any_group,
]
"""What every transport passes. `a_stale_producer` is for those that keep the epoch."""
