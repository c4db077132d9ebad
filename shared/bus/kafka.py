"""The bus over Apache Kafka, by aiokafka. What it must be told is told here.

acks=all and idempotence; no automatic commit; no automatic offset (`none`: the default would skip
to the end); no records of a transaction that was given up; batches built here, one partition each;
a deadline on every await, since aiokafka waits for ever in several places (its issues 1101 and
759); after any error a fresh producer, since an idempotent one may never recover (aiokafka 1017).
The epoch of a producer is not kept by Kafka: a
relay that lost its lease can at most finish the batch in flight, which subscribers know by its
sequence numbers.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from shared.bus.kafka_access import KafkaAccess
from shared.bus.kafka_group import KafkaSubscription, ended, translated
from shared.bus.kafka_reader import KafkaReader
from shared.bus.port import (
    Assigned,
    BusError,
    Message,
    Packed,
    Producer,
    Record,
    RecordTooLarge,
    Revoked,
    TopicPartition,
    UnknownTopic,
    check_sizes,
)
from shared.contracts.envelope import PARTITIONS

DEADLINE_SECONDS = 15.0
STOP_SECONDS = 2.0
REQUEST_MS = 10_000
BATCH_BYTES = 256 * 1024
SESSION_MS = 10_000

_TOPIC_CONFIG = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
_EXISTS = 36  # TOPIC_ALREADY_EXISTS, from Kafka's list of error codes
_UNKNOWN = 3  # UNKNOWN_TOPIC_OR_PARTITION


class KafkaBus:
    """See `shared.bus.port.Bus`. `bootstrap` is `host:port[,host:port]`."""

    def __init__(
        self,
        bootstrap: str,
        access: KafkaAccess | None = None,
        *,
        replicas: int = 1,
        session_ms: int = SESSION_MS,
        fetch_wait_ms: int = 500,
    ) -> None:
        self._bootstrap, self._replicas, self._session_ms = bootstrap, replicas, session_ms
        self._access = access or KafkaAccess()
        self._producer: AIOKafkaProducer | None = None
        self._known: set[str] = set()
        self._appending = asyncio.Lock()
        self._reader = KafkaReader(bootstrap, self._access, REQUEST_MS, fetch_wait_ms)
        self._stopping: set[asyncio.Task[None]] = set()

    async def bus_id(self) -> str:
        """See the port."""
        async with self._admin() as admin:
            cluster = await admin.describe_cluster()
        return f"kafka:{cluster['cluster_id']}"

    async def create_topics(self, topics: Sequence[str]) -> None:
        """See the port. Topics are kept for ever; returns once each has its leaders."""
        async with self._admin() as admin:
            new = [
                NewTopic(name, PARTITIONS, self._replicas, topic_configs=_TOPIC_CONFIG)
                for name in topics
            ]
            answer = await admin.create_topics(new)
            for name, code, *_ in answer.topic_errors:
                if code not in (0, _EXISTS):
                    raise BusError(f"{name}: {for_code(code).__name__}")
            while not await self._ready(admin, topics):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.05)

    async def _ready(self, admin: AIOKafkaAdminClient, topics: Sequence[str]) -> bool:
        for found in await admin.describe_topics(list(topics)):
            if found["error_code"] == _UNKNOWN:
                return False
            led = [p for p in found["partitions"] if p["error_code"] == 0]
            if found["error_code"] == 0 and len(found["partitions"]) != PARTITIONS:
                raise BusError(f"{found['topic']} has not {PARTITIONS} partitions")
            if len(led) != PARTITIONS:
                return False
        self._known.update(topics)
        return True

    async def _must_exist(self, topics: Collection[str]) -> None:
        missing = sorted(set(topics) - self._known)
        if missing:
            async with self._admin() as admin:
                if not await self._ready(admin, missing):
                    raise UnknownTopic(", ".join(missing))

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap,
            request_timeout_ms=REQUEST_MS,
            **self._access.client(),
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await admin.start()
                yield admin
        except (KafkaError, TimeoutError, OSError) as error:
            raise translated(error) from error
        finally:
            await ended(admin.close(), STOP_SECONDS)

    def ready(self, messages: Sequence[Message]) -> Sequence[Message]:
        """See the port: in the batches that go out."""
        if self._producer is None:
            return messages
        try:
            check_sizes(messages)
        except RecordTooLarge:
            return messages  # to append them says so
        return _Filled(self._producer, messages)

    async def append(
        self,
        producer: Producer,  # noqa: ARG002 - Kafka keeps no epoch, see the module
        messages: Sequence[Message],
    ) -> list[int]:
        """See the port. Each partition's messages go in batches, in order."""
        if not isinstance(messages, _Filled):
            check_sizes(messages)
        if not messages:
            return []
        await self._must_exist({m.topic for m in messages})
        async with self._appending:
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await self._send(await self._started(), messages)
            except (KafkaError, TimeoutError, OSError) as error:
                self._abandon()
                raise translated(error) from error
            except asyncio.CancelledError:
                self._abandon()
                raise

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                linger_ms=0,
                request_timeout_ms=REQUEST_MS,
                retry_backoff_ms=50,
                **self._access.client(),
            )
            await self._producer.start()
        return self._producer

    async def _send(self, client: AIOKafkaProducer, messages: Sequence[Message]) -> list[int]:
        # All are filled before the first is queued: what waits then goes in one request.
        if not isinstance(messages, _Filled) or messages.client is not client:
            messages = _Filled(client, messages)
        pending = [
            (await client.send_batch(batch, topic, partition=number), held)
            for (topic, number), batch, held in messages.batches
        ]
        offsets = [0] * len(messages)
        for future, held in pending:
            first = (await future).offset
            for place, index in enumerate(held):
                offsets[index] = first + place
        return offsets

    def _abandon(self) -> None:
        """Leave the producer behind: what it still holds is sent again by its successor."""
        client, self._producer = self._producer, None
        if client is not None:
            task = asyncio.create_task(_stopped(client))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def subscribe(
        self, group: str, topics: Sequence[str], *, on_assigned: Assigned, on_revoked: Revoked
    ) -> KafkaSubscription:
        """See the port. Membership is dynamic: closing leaves the group at once."""
        self._known.difference_update(topics)  # they were perhaps seen on another broker's disk
        await self._must_exist(topics)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 4,
            rebalance_timeout_ms=30_000,
            request_timeout_ms=REQUEST_MS,
            retry_backoff_ms=50,
            metadata_max_age_ms=60_000,
            **self._access.client(),
        )
        subscription = KafkaSubscription(consumer, on_assigned, on_revoked)
        consumer.subscribe(list(topics), listener=subscription)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await consumer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await ended(consumer.stop(), STOP_SECONDS)
            raise translated(error) from error
        return subscription

    async def read(
        self, positions: Mapping[TopicPartition, int], max_records: int, timeout: float
    ) -> list[Record]:
        """See the port."""
        await self._must_exist(sorted({topic for topic, _ in positions}))
        return await self._reader.read(positions, max_records, timeout)

    async def log_starts(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """See the port."""
        return await self._bounds(topics, "beginning_offsets")

    async def log_ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """See the port."""
        return await self._bounds(topics, "end_offsets")

    async def _bounds(
        self, topics: Sequence[str], which: Literal["beginning_offsets", "end_offsets"]
    ) -> dict[TopicPartition, int]:
        await self._must_exist(topics)
        asked = [(topic, number) for topic in topics for number in range(PARTITIONS)]
        return await self._reader.bounds(which, asked)

    async def close(self) -> None:
        """See the port."""
        self._abandon()
        await self._reader.close()
        if self._stopping:
            await asyncio.wait(self._stopping)


class _Filled(list[Message]):
    """Messages in the batches of one client, each partition's in order. They are sent once: after
    an error there is another client, and they are filled again."""

    __slots__ = ("batches", "client")

    def __init__(self, client: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        super().__init__(messages)
        self.client = client
        self.batches: list[tuple[TopicPartition, Any, list[int]]] = []
        by_partition: dict[TopicPartition, list[int]] = {}
        for index, message in enumerate(messages):
            by_partition.setdefault((message.topic, message.partition), []).append(index)
        for key, indices in by_partition.items():
            batch, held = client.create_batch(), list[int]()
            for index in indices:
                if not _put(batch, messages[index]):
                    self.batches.append((key, batch, held))
                    batch, held = client.create_batch(), []
                    _put(batch, messages[index])
                held.append(index)
            self.batches.append((key, batch, held))


def _put(batch: Any, message: Message) -> bool:
    held = message.headers
    # A relay hands on what the outbox gives: parsed here once, without a tuple for each.
    texts = iter(orjson.loads(held.flat)) if isinstance(held, Packed) else None
    pairs = zip(texts, texts, strict=True) if texts is not None else held
    headers = [(name, text.encode()) for name, text in pairs]
    key = message.key.encode()
    return batch.append(timestamp=None, key=key, value=message.value, headers=headers) is not None


async def _stopped(client: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await client.stop()
    except (KafkaError, TimeoutError, OSError):
        # `stop` flushes first and an idempotent producer never gives up (aiokafka 1101), so its
        # sender is ended here; there is no public way.
        await ended(client._sender.close(), STOP_SECONDS)
        await ended(client.client.close(), STOP_SECONDS)
