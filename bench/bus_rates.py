"""Relay and consumer, each beside the bare thing: the same records, the same statements.

A relay is timed from its first append to its last, while the outbox is full. The bare side appends
records that are ready in memory, in batches of the relay's size, or runs the
statements that the consumer sent for the same events, one after the other, with nothing in between.
"""

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from bench.bus_stage import HEARS, TOPIC, BusStage, bus_stage
from bench.report import Figure, at_least
from shared.bus import effects
from shared.bus.kafka_sender import BATCH_BYTES
from shared.bus.port import Bus, Message, Producer, TopicPartition
from shared.bus.relay_machine import BATCH_ROWS

EVENTS = 20_000
ROUNDS = 3
WARMING = 2
RELAY_BOUND, CONSUMER_BOUND = 0.6, 0.7

HEARD = ("known_visits", "known_clinics", "applied", "bus_offset")


def bus_rates(events: int, rounds: int) -> Iterator[Figure]:
    """Relay and consumer against the bare thing, on both buses."""
    with bus_stage(with_kafka=True) as made:
        _quiet()
        yield uvloop.run(relay_on(made, "postgres", events, rounds))
        yield uvloop.run(relay_on(made, "kafka", events, rounds))
        yield uvloop.run(consumer(made, events, rounds))


def _quiet() -> None:
    # As a service does after its start.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def relay_on(made: BusStage, kind: str, events: int, rounds: int) -> Figure:
    """Events a second from the outbox to the bus ÷ the same events appended from memory."""
    database, bus = made.database("appointments"), made.bus(kind, "appointments")
    await bus.create_topics([TOPIC])
    relayed, raw = list[float](), list[float]()
    try:
        # The first rounds are not counted: a broker that has just started compiles what it runs.
        for _ in range(WARMING + 2 * rounds):
            messages = made.events(events)
            await made.say(messages)
            relayed.append(await made.relayed(database, bus, events))
            again = made.events(events)
            if kind == "kafka":
                assert made.bootstrap is not None
                raw.append(events / await _sent(made.bootstrap, again))
            else:
                raw.append(events / await appended(made, bus, again))
    finally:
        await bus.close()
        await database.close()
    del relayed[:WARMING], raw[:WARMING]
    pairs = [one / other for one, other in zip(relayed, raw, strict=True)]
    peer = "aiokafka send_batch" if kind == "kafka" else "append to the Postgres bus"
    return at_least(
        f"relay ÷ raw, {kind}", median(pairs), RELAY_BOUND, "",
        f"{peer}: the same keys, values, headers",
        pairs=[round(ratio, 3) for ratio in pairs],
        relayed_per_second=[round(rate) for rate in relayed],
        raw_per_second=[round(rate) for rate in raw], events=events, batch=BATCH_ROWS,
    )  # fmt: skip


async def appended(made: BusStage, bus: Bus, messages: Sequence[Message]) -> float:
    """Append to the Postgres bus, as the producer of appointments; the seconds it took."""
    producer = Producer("appointments", await _epoch(made))
    started = time.perf_counter()
    for start in range(0, len(messages), BATCH_ROWS):
        await bus.append(producer, messages[start : start + BATCH_ROWS])
    return time.perf_counter() - started


async def _epoch(made: BusStage) -> int:
    """The epoch that the last relay had: the bus takes nothing of an earlier one."""
    connection = await made.connect("appointments")
    try:
        found: int | None = await connection.fetchval("SELECT max(epoch) FROM relay_lease")
    finally:
        await connection.close()
    return found or 0


async def _sent(bootstrap: str, messages: Sequence[Message]) -> float:
    """As fast as the client can, with the relay's settings: batches as full as they get."""
    client = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        linger_ms=0,
    )
    await client.start()
    try:
        started = time.perf_counter()
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            by_partition.setdefault(message.partition, []).append(message)
        pending: list[Any] = []
        for number, those in by_partition.items():
            batch = client.create_batch()
            for message in those:
                headers = [(name, text.encode()) for name, text in message.headers]
                key = message.key.encode()
                if batch.append(timestamp=None, key=key, value=message.value, headers=headers):
                    continue
                pending.append(await client.send_batch(batch, TOPIC, partition=number))
                batch = client.create_batch()
                batch.append(timestamp=None, key=key, value=message.value, headers=headers)
            pending.append(await client.send_batch(batch, TOPIC, partition=number))
        for future in pending:
            await future
        return time.perf_counter() - started
    finally:
        await client.stop()


async def consumer(made: BusStage, events: int, rounds: int) -> Figure:
    """Effects a second ÷ the same statements run by a bare loop over one connection."""
    says, database = made.bus("postgres", "appointments"), made.database(HEARS)
    hears = made.bus("postgres", HEARS)
    watcher = await made.connect(HEARS)
    ours, bare = list[float](), list[float]()
    try:
        messages = made.events(events)
        start = await says.log_ends([TOPIC])
        await appended(made, says, messages)
        recorded = await _recorded(made, hears, watcher, start, events)
        for _ in range(rounds):
            await _afresh(watcher, hears, start)
            bare.append(events / await _replayed(made, recorded))
            await _afresh(watcher, hears, start)
            ours.append(events / await made.heard(hears, database, events))
    finally:
        await watcher.close()
        await says.close()
        await hears.close()
        await database.close()
    return at_least(
        "consumer ÷ bare loop", median(ours) / median(bare), CONSUMER_BOUND, "",
        "the statements of the same events, on one asyncpg connection",
        effects_per_second=[round(rate) for rate in ours],
        bare_per_second=[round(rate) for rate in bare], events=events,
        statements=len(recorded),
    )  # fmt: skip


async def _afresh(
    watcher: asyncpg.Connection, bus: Bus, start: Mapping[TopicPartition, int]
) -> None:
    """Patients has heard nothing, and begins where the events of this run begin."""
    await watcher.execute(f"TRUNCATE {', '.join(HEARD)}")
    bus_id = await bus.bus_id()
    rows = [(bus_id, *key, offset) for key, offset in start.items()]
    await watcher.executemany("INSERT INTO bus_offset VALUES ($1, $2, $3, $4)", rows)
    # Not vacuumed: a table that was seen empty is scanned until it is analysed again.


async def _recorded(
    made: BusStage,
    bus: Bus,
    watcher: asyncpg.Connection,
    start: Mapping[TopicPartition, int],
    events: int,
) -> list[tuple[str, tuple[Any, ...]]]:
    """What the consumer sends to its database for these events, an insert for each of them."""
    database = made.database(HEARS)
    found: list[tuple[str, tuple[Any, ...]]] = []
    await _afresh(watcher, bus, start)
    at_once, effects.ROWS_AT_ONCE = effects.ROWS_AT_ONCE, 1
    try:
        async with database.raw("worker") as raw:
            # The connection that was used last is used next: the consumer will have this one.
            raw.add_query_logger(lambda query: found.append((query.query, tuple(query.args))))
        await made.heard(bus, database, events)
    finally:
        effects.ROWS_AT_ONCE = at_once
        await database.close()
    return found


async def _replayed(made: BusStage, recorded: Sequence[tuple[str, tuple[Any, ...]]]) -> float:
    database = made.database(HEARS)
    try:
        async with database.raw("worker") as raw:
            started = time.perf_counter()
            for text, arguments in recorded:
                if arguments:
                    await raw.fetch(text, *arguments)
                else:
                    await raw.execute(text)
            return time.perf_counter() - started
    finally:
        await database.close()
