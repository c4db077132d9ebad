"""The bus over Apache Kafka, by aiokafka. What it must be told is told here.

acks=all and idempotence; no automatic commit; no automatic offset (`none`: the default would skip
to the end); no records of a transaction that was given up; a deadline on every await, since
aiokafka waits for ever in several places (its issues 1101 and 759). The epoch of a producer is not
kept by Kafka: a relay that lost its lease can at most finish the batch in flight, which subscribers
know by its sequence numbers.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from shared.bus.kafka_access import KafkaAccess
from shared.bus.kafka_group import KafkaSubscription, ended, translated
from shared.bus.kafka_reader import KafkaReader
from shared.bus.kafka_sender import KafkaSender
from shared.bus.port import (
    Assigned,
    BusError,
    BusUnavailable,
    Message,
    Producer,
    Record,
    Revoked,
    TopicPartition,
    UnknownTopic,
)
from shared.contracts.envelope import PARTITIONS

DEADLINE_SECONDS = 15.0
STOP_SECONDS = 2.0
REQUEST_MS = 10_000
CREATE_SECONDS = 60.0
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
        self._known: set[str] = set()
        self._sender = KafkaSender(bootstrap, self._access, REQUEST_MS)
        self._reader = KafkaReader(bootstrap, self._access, REQUEST_MS, fetch_wait_ms)

    async def bus_id(self) -> str:
        """See the port."""
        async with self._admin() as admin:
            cluster = await admin.describe_cluster()
        return f"kafka:{cluster['cluster_id']}"

    async def create_topics(self, topics: Sequence[str]) -> None:
        """See the port. Topics are kept for ever; returns once their leaders answer."""
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
        await self._answered(topics)

    async def _answered(self, topics: Sequence[str]) -> None:
        # A leader is known before it has made its files, and sends away who asks meanwhile: at 4 ms
        # a partition on a quick disk, on a slow one for longer than any one request may take.
        until = asyncio.get_running_loop().time() + CREATE_SECONDS
        while True:
            try:
                await self._bounds(topics, "end_offsets")
            except BusUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.5)
            else:
                return

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
        return self._sender.ready(messages)

    async def append(
        self,
        producer: Producer,  # noqa: ARG002 - Kafka keeps no epoch, see the module
        messages: Sequence[Message],
    ) -> list[int]:
        """See the port. Each partition's messages go in batches, in order."""
        if not messages:
            return []
        await self._must_exist({m.topic for m in messages})
        return await self._sender.send(messages)

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
        await self._reader.close()
        await self._sender.close()
