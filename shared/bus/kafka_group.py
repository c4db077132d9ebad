"""One member of a Kafka group. The classic protocol: every rebalance takes everything away first.

aiokafka calls its listener from a background task while a batch may still be in hand, swallows
whatever it raises, and may hand out records from Kafka's own offset before the listener has sought.
So nothing is given out of a partition before it was sought to the subscriber's own offset and the
position was seen to be there, and a failure of the listener is raised where records are read.
"""

import asyncio
from collections.abc import Awaitable, Collection, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from shared.bus.port import (
    Assigned,
    BusError,
    BusStuck,
    BusUnavailable,
    GroupBroken,
    NotAllowed,
    OffsetOutOfRange,
    Record,
    Revoked,
    TopicPartition,
    UnknownTopic,
)

WATCH_SECONDS = 30.0
"""A member that is behind and read nothing for this long has been dropped silently."""
POLL_GRACE_SECONDS = 20.0
CLOSE_SECONDS = 5.0

CONNECTION_LOST = (
    KafkaConnectionError,
    NodeNotReadyError,
    KafkaTimeoutError,
    RequestTimedOutError,
    GroupCoordinatorNotAvailableError,
    TimeoutError,
    OSError,
)


def translated(error: BaseException) -> BusError:
    """The port's error for one of aiokafka's, outside a group."""
    if isinstance(error, (TopicAuthorizationFailedError, GroupAuthorizationFailedError)):
        return NotAllowed(type(error).__name__)
    if isinstance(error, UnknownTopicOrPartitionError):
        return UnknownTopic(type(error).__name__)
    return BusUnavailable(type(error).__name__)


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]
    """See `shared.bus.port.Subscription`."""

    def __init__(
        self, consumer: AIOKafkaConsumer, on_assigned: Assigned, on_revoked: Revoked
    ) -> None:
        self._consumer = consumer
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._positions: dict[TopicPartition, int] = {}
        self._failure: BaseException | None = None
        self._watched_at = asyncio.get_running_loop().time()
        self._ends: dict[TopicPartition, int] = {}

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """See the port."""
        return frozenset(self._positions)

    async def on_partitions_revoked(self, revoked: Collection[KafkaPartition]) -> None:
        """The client's callback, before a rebalance."""
        self._positions.clear()
        if revoked:
            await self._told(self._on_revoked(_ours(revoked)))

    async def on_partitions_assigned(self, assigned: Collection[KafkaPartition]) -> None:
        """The client's callback, after a rebalance. Seeks to what the subscriber says."""
        if assigned:
            await self._told(self._take(_ours(assigned)))

    async def _told(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:
            self._failure = error  # aiokafka would log it and go on from its own offset
            raise

    async def _take(self, partitions: frozenset[TopicPartition]) -> None:
        wanted = await self._on_assigned(partitions)
        for key in partitions:
            at = KafkaPartition(*key)
            self._consumer.seek(at, wanted[key])
            if await self._consumer.position(at) != wanted[key]:
                raise GroupBroken(f"{key[0]}/{key[1]} is not at the offset asked for")
            self._positions[key] = wanted[key]

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See the port."""
        if self._failure is not None:
            raise self._failure
        try:
            # Not wait_for: it would give the listener a turn between the fetch and the check.
            async with asyncio.timeout(timeout + POLL_GRACE_SECONDS):
                found = await self._consumer.getmany(
                    timeout_ms=int(timeout * 1000), max_records=max_records
                )
                records = self._accepted(found)
                if not records:
                    self._must_exist()
                    await self._watch()
                return records
        except NoOffsetForPartitionError:
            return []  # met before the listener had sought
        except OffsetOutOfRangeError as error:
            for at, offset in dict(error.args[0]).items():
                raise OffsetOutOfRange(at.topic, at.partition, offset) from error
            raise
        except CONNECTION_LOST as error:
            raise BusUnavailable(type(error).__name__) from error
        except KafkaError as error:
            if error.retriable:
                raise BusUnavailable(type(error).__name__) from error
            raise GroupBroken(type(error).__name__) from error

    def _accepted(self, found: Mapping[KafkaPartition, list[object]]) -> list[Record]:
        records: list[Record] = []
        for at, batch in found.items():
            key = (at.topic, at.partition)
            if key not in self._positions:
                continue
            for got in batch:
                records.append(record_of(got))
            self._positions[key] = records[-1].offset + 1
        if records:
            self._watched_at, self._ends = asyncio.get_running_loop().time(), {}
        return records

    def _must_exist(self) -> None:
        # Of a topic that is gone a member is given nothing, and it looks again a minute later.
        topics = self._consumer.subscription()
        gone = [topic for topic in topics if not self._consumer.partitions_for_topic(topic)]
        if gone:
            raise UnknownTopic(", ".join(sorted(gone)))

    async def _watch(self) -> None:
        # Issues 625, 727, 847, 880 and 1037: a member may stop fetching while it looks alive.
        now = asyncio.get_running_loop().time()
        if now - self._watched_at < WATCH_SECONDS or not self._positions:
            return
        behind = [key for key, end in self._ends.items() if await self._reached(key, end) < end]
        if behind:
            raise BusStuck(f"nothing comes of {behind[0][0]}/{behind[0][1]}")
        ends = await self._consumer.end_offsets([KafkaPartition(*key) for key in self._positions])
        self._ends = {(at.topic, at.partition): end for at, end in ends.items()}
        self._watched_at = now

    async def _reached(self, key: TopicPartition, end: int) -> int:
        """Where the client stands, which goes past the markers of transactions; our own position is
        behind the last record."""
        if key not in self._positions:
            return end
        found: int = await self._consumer.position(KafkaPartition(*key))
        return found

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """See the port."""
        if partition in self._positions:
            try:
                self._consumer.seek(KafkaPartition(*partition), offset)
            except IllegalStateError:
                return
            self._positions[partition] = offset

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port."""
        wanted = {KafkaPartition(*key): at for key, at in offsets.items() if key in self._positions}
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if wanted:
                    await self._consumer.commit(wanted)
        except (KafkaError, TimeoutError, OSError):
            return

    async def close(self) -> None:
        """See the port."""
        held, self._positions = self.assignment, {}
        if held:
            await self._on_revoked(held)
        # Where that fails the session times out by itself.
        await ended(self._consumer.stop(), CLOSE_SECONDS)
        # And its connections would stay; to close them twice does no harm. There is no public way.
        await ended(self._consumer._client.close(), CLOSE_SECONDS)


async def ended(closing: Coroutine[Any, Any, None], seconds: float) -> None:
    """Let the client end something, within some seconds. That a connection is lost is let be.

    aiokafka's `stop` awaits tasks that it has itself cancelled and raises their CancelledError: out
    of a task of its own it is not taken for a cancellation of ours.
    """
    task = asyncio.create_task(closing)
    try:
        await asyncio.wait([task], timeout=seconds)
    finally:
        task.cancel()
    if not task.done() or task.cancelled():
        return
    error = task.exception()
    if error is not None and not isinstance(error, (KafkaError, TimeoutError, OSError)):
        raise error


def _ours(partitions: Collection[KafkaPartition]) -> frozenset[TopicPartition]:
    return frozenset((at.topic, at.partition) for at in partitions)


def record_of(got: object) -> Record:
    """What aiokafka read, as the port has it."""
    topic, partition, offset = got.topic, got.partition, got.offset  # type: ignore[attr-defined]
    key, value, headers = got.key, got.value, got.headers  # type: ignore[attr-defined]
    stamp = got.timestamp  # type: ignore[attr-defined]
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=None if key is None else key.decode(errors="replace"),
        headers=tuple((name, (text or b"").decode(errors="replace")) for name, text in headers),
        value=value or b"",
        appended_at=datetime.fromtimestamp(stamp / 1000, UTC) if stamp >= 0 else None,
    )
