"""What the conformance suite needs to know of a transport besides the port, one class each."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg

from shared.bus.kafka import KafkaBus
from shared.bus.kafka_group import KafkaSubscription
from shared.bus.port import Bus, BusUnavailable, Message, Producer, Record, Subscription
from shared.bus.port import TopicPartition as At
from shared.bus.postgres import PostgresBus, PostgresSubscription
from shared.bus.postgres_schema import trim
from shared.contracts.partition import partition_of
from shared.testing.memory_bus import MemoryBus, MemoryLog, MemorySubscription
from shared.values.ids import new_id

PATIENCE_SECONDS = 60.0


class Harness(Protocol):
    """A transport under test. Topics and groups get a fresh name for each test."""

    async def bus(self) -> Bus:
        """The bus as another process would open it."""
        ...

    async def kill(self, subscription: Subscription) -> None:
        """End the process of a subscription as kill -9 would."""
        ...

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Let retention pass."""
        ...

    async def break_off(self) -> None:
        """Take the store down and bring it back; connections break."""
        ...

    async def close(self) -> None:
        """Close what `bus` opened."""
        ...


@dataclass(slots=True)
class MemoryHarness:
    """The memory transport."""

    log: MemoryLog = field(default_factory=MemoryLog)

    async def bus(self) -> Bus:
        return MemoryBus(self.log)

    async def kill(self, subscription: Subscription) -> None:
        assert isinstance(subscription, MemorySubscription)
        await subscription.die()

    async def trim(self, topic: str, partition: int, before: int) -> None:
        self.log.trim((topic, partition), before)

    async def break_off(self) -> None:
        self.log.down = True
        self.log.wake()
        await asyncio.sleep(0)
        self.log.down = False

    async def close(self) -> None:
        return


@dataclass(slots=True)
class PostgresHarness:
    """The Postgres transport. `worker_url` is a role that may do anything in this bus."""

    superuser_url: str
    owner_url: str
    worker_url: str
    database: str
    opened: list[PostgresBus] = field(default_factory=list)

    async def bus(self) -> Bus:
        bus = PostgresBus(self.worker_url, lease_seconds=1.5)
        self.opened.append(bus)
        return bus

    async def kill(self, subscription: Subscription) -> None:
        assert isinstance(subscription, PostgresSubscription)
        subscription._membership.stop()
        subscription._line.drop()

    async def trim(self, topic: str, partition: int, before: int) -> None:
        await trim(self.owner_url, topic, partition, before)

    async def break_off(self) -> None:
        connection = await asyncpg.connect(self.superuser_url)
        try:
            await connection.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false")
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1",
                self.database,
            )
            await connection.execute(f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")
        finally:
            await connection.close()

    async def close(self) -> None:
        for bus in self.opened:
            await bus.close()


@dataclass(slots=True)
class KafkaHarness:
    """The Kafka transport on a real broker. `restart` is None where the broker is not ours."""

    bootstrap: str
    restart: Callable[[], None] | None
    opened: list[KafkaBus] = field(default_factory=list)

    async def bus(self) -> Bus:
        bus = KafkaBus(self.bootstrap, session_ms=6000)
        self.opened.append(bus)
        return bus

    async def kill(self, subscription: Subscription) -> None:
        assert isinstance(subscription, KafkaSubscription)
        consumer, group = subscription._consumer, subscription._consumer._coordinator
        subscription._positions = {}
        tasks = (group._coordination_task, group._heartbeat_task, group._commit_refresh_task)
        for task in filter(None, tasks):
            task.cancel()
            await asyncio.wait([task])
        await consumer._fetcher.close()
        await consumer._client.close()
        consumer._closed = True  # nothing left the group

    async def trim(self, topic: str, partition: int, before: int) -> None:
        from aiokafka import TopicPartition
        from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
        finally:
            await admin.close()

    async def break_off(self) -> None:
        import pytest

        if self.restart is None:
            pytest.skip("KAFKA_BOOTSTRAP_SERVERS names a broker that is not ours to restart")
        await asyncio.to_thread(self.restart)

    async def close(self) -> None:
        for bus in self.opened:
            await bus.close()


class Reader:
    """A subscriber in small: it keeps its offsets in `stored`, as a service in its database."""

    def __init__(self, bus: Bus, group: str, topics: list[str], stored: dict[At, int]) -> None:
        self.bus, self.group, self.topics, self.stored = bus, group, topics, stored
        self.owned: set[At] = set()
        self.calls: list[tuple[str, frozenset[At]]] = []
        self.subscription: Subscription | None = None

    async def start(self) -> "Reader":
        self.subscription = await self.bus.subscribe(
            self.group, self.topics, on_assigned=self._assigned, on_revoked=self._revoked
        )
        return self

    async def _assigned(self, partitions: frozenset[At]) -> dict[At, int]:
        starts = await self.bus.log_starts(self.topics)
        self.calls.append(("assigned", partitions))
        self.owned |= partitions
        return {key: self.stored.get(key, starts[key]) for key in partitions}

    async def _revoked(self, partitions: frozenset[At]) -> None:
        self.calls.append(("revoked", partitions))
        self.owned -= partitions

    async def poll(self, timeout: float = 0.2, most: int = 1000) -> list[Record]:
        assert self.subscription is not None
        return await self.subscription.poll(most, timeout)

    async def read(self, count: int, *, store: bool = True, most: int = 1000) -> list[Record]:
        """Read until there are `count` records; fails after PATIENCE_SECONDS."""
        found: list[Record] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) < count:
                batch = await self.poll(1.0, most)
                found += batch
                if store:
                    self.keep(batch)
        return found

    async def read_through_outages(self, wanted: Callable[[], bool], into: list[Record]) -> None:
        """Read until `wanted`, joining again whenever the bus broke off."""
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            while not wanted():
                try:
                    if self.subscription is None:
                        await self.start()
                    batch = await self.poll(0.5)
                except BusUnavailable:
                    await self.close()
                    continue
                into += batch
                self.keep(batch)

    def keep(self, records: list[Record]) -> None:
        for record in records:
            self.stored[record.topic, record.partition] = record.offset + 1

    async def close(self) -> None:
        if self.subscription is not None:
            await self.subscription.close()
            self.subscription = None


async def append_through_outages(bus: Bus, producer: Producer, messages: Sequence[Message]) -> None:
    """Append, sending the batch again until the bus took it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await bus.append(producer, messages)
                return
            except BusUnavailable:
                await asyncio.sleep(0.01)


def message(topic: str, key: str, number: int, value: bytes | None = None) -> Message:
    """The `number`-th message of a key."""
    headers = (("n", str(number)),)
    body = f"{key}:{number}".encode() if value is None else value
    return Message(topic, key, partition_of(key), headers, body)


def fresh(name: str) -> str:
    """A name that no other test uses."""
    return f"clinicbus.test.{name}-{str(new_id())[-12:]}.v1"


def numbers_by_key(records: list[Record]) -> dict[str, list[int]]:
    """The header `n` of each key's records in the order in which they came."""
    found: dict[str, list[int]] = {}
    for record in records:
        found.setdefault(record.key or "", []).append(int(dict(record.headers)["n"]))
    return found


def without_repeats(records: list[Record]) -> list[Record]:
    """Each (topic, partition, key, number) once, at its first place."""
    seen: set[Any] = set()
    kept: list[Record] = []
    for record in records:
        mark = (record.topic, record.partition, record.key, record.headers)
        if mark not in seen:
            seen.add(mark)
            kept.append(record)
    return kept
