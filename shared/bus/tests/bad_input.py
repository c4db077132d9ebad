"""A road for bad records: alpha appends, beta hears, on a bus that goes between processes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from shared.bus.consumer import Consumer
from shared.bus.port import Bus, Message
from shared.bus.postgres_schema import trim
from shared.bus.subscriptions import Subscriptions
from shared.bus.tests.company import PATIENCE_SECONDS, TOPIC, Company, said, until
from shared.bus.tests.harness import KafkaHarness
from shared.bus.tests.test_consumer import heard, running
from shared.contracts.envelope import Headers
from shared.contracts.partition import partition_of
from shared.values.ids import new_id

Waiting = dict[str, tuple[str, str, list[int]]]
"""Subject to (kind, problem, sequence numbers) of what is parked."""


@dataclass(slots=True)
class Road:
    """The bus as alpha has it is the company's; `hears` is beta's. Of `postgres` (the URL of the
    bus's owner) and `kafka` (the broker's address) one is known."""

    company: Company
    hears: Bus
    postgres: str | None = None
    kafka: str | None = None
    network_id: UUID = field(default_factory=new_id)

    def consumer(self, subscriptions: Subscriptions | None = None) -> Consumer:
        """A member of beta's group."""
        heard_of = subscriptions or self.company.subscriptions
        at = self.company
        return Consumer(at.beta, at.clock, self.hears, heard_of, jitter=lambda: 0.0)

    def said(self, thing_id: UUID, seq: int, value: int, **headers: Any) -> Message:
        """An event of this road's network."""
        return said(self.network_id, thing_id, seq, value, **headers)

    async def everything(self) -> dict[UUID, list[int]]:
        """All that took effect, whatever of."""
        found: dict[UUID, list[int]] = {}
        for row in await self.company.effects():
            found.setdefault(row["thing_id"], []).append(row["value"])
        return found

    async def heard_of(self) -> dict[str, int]:
        """How far every subject was heard."""
        rows = await self.company.beta_super.fetch("SELECT subject, seq FROM applied")
        return {row["subject"]: row["seq"] for row in rows}

    async def unreadable(self) -> list[tuple[str, bytes]]:
        """(reason, bytes) of every record that belongs to nobody, in order."""
        text = 'SELECT reason, value FROM unreadable ORDER BY partition, "offset"'
        rows = await self.company.beta_super.fetch(text)
        return [(row["reason"], row["value"]) for row in rows]

    async def held(self) -> list[bytes]:
        """The bytes of every parked event, in order."""
        rows = await self.company.beta_super.fetch("SELECT value FROM parked_event ORDER BY seq")
        return [row["value"] for row in rows]

    async def settled(self) -> None:
        """Wait until no key of beta waits."""

        async def none() -> bool:
            return not await self.company.parked()

        await until(none)

    async def trim(self, partition: int, before: int) -> None:
        """Let retention pass."""
        if self.postgres is not None:
            await trim(self.postgres, TOPIC, partition, before)
        else:
            await KafkaHarness(str(self.kafka), None).trim(TOPIC, partition, before)

    async def remake_topic(self) -> None:
        """Delete the topic with all that it holds and make it anew. The bus stays the same one."""
        if self.postgres is not None:
            connection = await asyncpg.connect(self.postgres)
            try:
                await connection.execute("TRUNCATE log_record, log_partition, topic")
            finally:
                await connection.close()
        else:
            await delete_topic(str(self.kafka))
            await self.company.bus.close()
            await self.hears.close()
        await self.company.bus.create_topics([TOPIC])

    async def stands(self) -> dict[int, int]:
        """Beta's stored offset in each partition."""
        text = "SELECT partition, next_offset FROM bus_offset WHERE topic = $1"
        rows = await self.company.beta_super.fetch(text, TOPIC)
        return {row["partition"]: row["next_offset"] for row in rows}

    async def append_raw(
        self, key: bytes | None, headers: Headers, value: bytes | None, partition: int
    ) -> None:
        """Put on Kafka what our own bus cannot say: no key, no value."""
        async with self.producer() as producer:
            await producer.send_and_wait(
                TOPIC,
                key=key,
                value=value,
                headers=[(name, text.encode()) for name, text in headers],
                partition=partition,
            )

    @asynccontextmanager
    async def producer(self, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
        """A producer on Kafka that is not ours."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, **settings)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


async def delete_topic(bootstrap: str) -> None:
    """Delete alpha's topic from Kafka, if it is there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([TOPIC])
        async with asyncio.timeout(PATIENCE_SECONDS):
            while TOPIC in await admin.list_topics():
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


def beside(thing_id: UUID) -> UUID:
    """Another thing whose events go to the same partition."""
    while True:
        found = new_id()
        if partition_of(str(found)) == partition_of(str(thing_id)):
            return found


def apart(thing_id: UUID) -> UUID:
    """Another thing whose events go to another partition."""
    while True:
        found = new_id()
        if partition_of(str(found)) != partition_of(str(thing_id)):
            return found


async def passes_by(
    road: Road,
    thing_id: UUID,
    *bad: Message,
    effects: Sequence[int] = (),
    unreadable: Sequence[str] = (),
    parked: Waiting | None = None,
) -> None:
    """Beta goes past `bad`, records on the partition of `thing_id`: good ones behind them and apart
    take effect, and so do those that come later. Of the thing stay these effects and no others; all
    that is kept of the rest are these reasons, and these parked keys, with their bytes."""
    near, far = beside(thing_id), apart(thing_id)
    await road.company.append(*bad, road.said(near, 1, 10), road.said(far, 1, 20))
    await passed_by(
        road, thing_id, near, far, effects=effects, unreadable=unreadable, parked=parked
    )
    kept = [value for _, value in await road.unreadable()] + await road.held()
    assert kept == [m.value for m in bad[: len(kept)]]


async def passed_by(
    road: Road,
    thing_id: UUID,
    near: UUID,
    far: UUID,
    *,
    effects: Sequence[int] = (),
    unreadable: Sequence[str] = (),
    parked: Waiting | None = None,
) -> None:
    """As `passes_by`, for what is on the bus already."""
    async with running(road.consumer()):
        await heard(road.company)
        await road.company.append(road.said(near, 2, 11), road.said(far, 2, 21))
        await heard(road.company)
    expected = {near: [10, 11], far: [20, 21]} | ({thing_id: list(effects)} if effects else {})
    assert await road.everything() == expected
    assert [reason for reason, _ in await road.unreadable()] == list(unreadable)
    assert await road.company.parked() == (parked or {})


def with_value(message: Message, value: bytes) -> Message:
    """The same message with other bytes."""
    return message._replace(value=value)


def without(message: Message, name: str) -> Message:
    """The same message without a header."""
    return message._replace(headers=tuple(pair for pair in message.headers if pair[0] != name))


async def count_is(road: Road, count: int) -> None:
    """Wait until so many effects are there."""

    async def there() -> bool:
        return len(await road.company.effects()) >= count

    await until(there)
