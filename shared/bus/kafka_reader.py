"""Reads topics of Kafka outside any group: for operators, rebuilds and comparisons."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from shared.bus.kafka_access import KafkaAccess
from shared.bus.kafka_group import CLOSE_SECONDS, ended, record_of, translated
from shared.bus.port import OffsetOutOfRange, Record, TopicPartition

GRACE_SECONDS = 15.0


class KafkaReader:
    """One client, started when needed, that reads wherever it is told to."""

    def __init__(
        self, bootstrap: str, access: KafkaAccess, request_ms: int, fetch_wait_ms: int
    ) -> None:
        """fetch_wait_ms: how long the broker holds a fetch that finds nothing. Whatever is asked
        next on the connection waits behind it, and one that finds nothing is followed by another.
        """
        self._bootstrap, self._access, self._request_ms = bootstrap, access, request_ms
        self._fetch_wait_ms = fetch_wait_ms
        self._client: AIOKafkaConsumer | None = None
        self._starting = asyncio.Lock()
        self._positions: dict[TopicPartition, int] = {}

    async def read(
        self, positions: Mapping[TopicPartition, int], max_records: int, timeout: float
    ) -> list[Record]:
        """See `shared.bus.port.Bus.read`. Reading on where the last call ended costs no seek."""
        if not positions:
            return []
        try:
            async with asyncio.timeout(timeout + GRACE_SECONDS):
                client = await self._started()
                self._place(client, positions)
                found = await client.getmany(
                    timeout_ms=int(timeout * 1000), max_records=max_records
                )
        except OffsetOutOfRangeError as error:
            self._positions = {}
            for at, offset in dict(error.args[0]).items():
                raise OffsetOutOfRange(at.topic, at.partition, offset) from error
            raise
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise translated(error) from error
        except asyncio.CancelledError:
            self._positions = {}  # what was fetched is given to nobody
            raise
        records = [record_of(got) for batch in found.values() for got in batch]
        for record in records:
            self._positions[record.topic, record.partition] = record.offset + 1
        return records

    async def bounds(
        self, which: Literal["beginning_offsets", "end_offsets"], asked: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The first or the next offset of partitions. Asked every few seconds under load: a client
        made for each answer would cost more than what is watched."""
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                client = await self._started()
                # By itself it hears of one topic more with each try. There is no public way.
                for topic in {topic for topic, _ in asked}:
                    client._client.add_topic(topic)
                found = await getattr(client, which)([KafkaPartition(*key) for key in asked])
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise translated(error) from error
        return {(at.topic, at.partition): offset for at, offset in found.items()}

    async def _started(self) -> AIOKafkaConsumer:
        async with self._starting:
            if self._client is None:
                client = AIOKafkaConsumer(
                    bootstrap_servers=self._bootstrap,
                    auto_offset_reset="none",
                    enable_auto_commit=False,
                    isolation_level="read_committed",
                    request_timeout_ms=self._request_ms,
                    retry_backoff_ms=50,
                    fetch_max_wait_ms=self._fetch_wait_ms,
                    **self._access.client(),
                )
                try:
                    await client.start()
                except BaseException:
                    await ended(client.stop(), CLOSE_SECONDS)
                    raise
                self._client = client
            return self._client

    def _place(self, client: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
        if positions.keys() != self._positions.keys():
            client.assign([KafkaPartition(*key) for key in positions])
            self._positions = {}
        for key, at in positions.items():
            if self._positions.get(key) != at:
                client.seek(KafkaPartition(*key), at)
                self._positions[key] = at

    async def close(self) -> None:
        """Close the client; the next call starts another."""
        client, self._client, self._positions = self._client, None, {}
        if client is not None:
            await ended(client.stop(), CLOSE_SECONDS)
