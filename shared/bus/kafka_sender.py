"""Sends to Kafka: batches built here, one partition each, by a client that is left behind early.

After any error there is a fresh one, since an idempotent producer may never recover (aiokafka
1017), and behind every new connection: a broker that was wiped gives the numbers of its producers
anew. Under a number that another has meanwhile a batch is refused, or taken for one that is there
already and acknowledged without being written.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.bus.kafka_access import KafkaAccess
from shared.bus.kafka_group import ended, translated
from shared.bus.port import Message, Packed, RecordTooLarge, TopicPartition, check_sizes

DEADLINE_SECONDS = 15.0
STOP_SECONDS = 2.0
BATCH_BYTES = 256 * 1024


class KafkaSender:
    """One client, started when needed. What is sent at the same time goes one after the other."""

    def __init__(self, bootstrap: str, access: KafkaAccess, request_ms: int) -> None:
        self._bootstrap, self._access, self._request_ms = bootstrap, access, request_ms
        self._client: _Client | None = None
        self._turn = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    def ready(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages in the batches that go out, where there is a client already."""
        if self._client is None:
            return messages
        try:
            check_sizes(messages)
        except RecordTooLarge:
            return messages  # to send them says so
        return _Filled(self._client, messages)

    async def send(self, messages: Sequence[Message]) -> list[int]:
        """Send messages, each partition's in order; their offsets. Raises BusError."""
        if not isinstance(messages, _Filled):
            check_sizes(messages)
        async with self._turn:
            if self._client is not None and self._client.lost:
                self._abandon()
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    client = await self._started()
                    offsets = await self._send(client, messages)
                if client.lost:
                    raise KafkaConnectionError  # the client tried again, perhaps elsewhere
                return offsets
            except (KafkaError, TimeoutError, OSError) as error:
                self._abandon()
                raise translated(error) from error
            except asyncio.CancelledError:
                self._abandon()
                raise

    async def close(self) -> None:
        """Leave the client behind, and wait until all that were are gone."""
        self._abandon()
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _started(self) -> "_Client":
        if self._client is None:
            self._client = _Client(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                linger_ms=0,
                request_timeout_ms=self._request_ms,
                retry_backoff_ms=50,
                **self._access.client(),
            )
            await self._client.start()
        return self._client

    async def _send(self, client: "_Client", messages: Sequence[Message]) -> list[int]:
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
        """Leave the client behind: what it still holds is sent again by its successor."""
        client, self._client = self._client, None
        if client is not None:
            task = asyncio.create_task(_stopped(client))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


class _Client(AIOKafkaProducer):  # type: ignore[misc]
    """One that says whether it lost a connection since it began.

    There is no public way: after a loss it connects anew and tells nobody.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lost = False
        # Each connection to a broker calls this as it closes, whoever closes it.
        self._told = self.client._on_connection_closed
        self.client._on_connection_closed = self._note

    def _note(self, connection: Any, reason: Any) -> None:
        self.lost = True
        self._told(connection, reason)


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
