"""Everything that a Kafka topic holds."""

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus.kafka import KafkaBus

READ_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One record of a topic."""

    headers: dict[str, str]
    value: bytes


async def read_all(bootstrap: str, topic: str) -> list[Kept]:
    """Every record of a topic, from the oldest to what is the newest now.

    Raises TimeoutError when that takes longer than a minute.
    """
    bus = KafkaBus(bootstrap)
    ends = {TopicPartition(*key): end for key, end in (await bus.log_ends([topic])).items()}
    await bus.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    found: list[Kept] = []
    async with asyncio.timeout(READ_SECONDS):
        await consumer.start()
        try:
            consumer.assign(list(ends))
            await consumer.seek_to_beginning(*ends)
            while any([await consumer.position(p) < ends[p] for p in ends]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(
                        Kept({name: text.decode() for name, text in r.headers}, r.value)
                        for r in records
                    )
        finally:
            await consumer.stop()
    return found
