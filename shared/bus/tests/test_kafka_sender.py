"""What Kafka says before it is so: topics that are made, records that are written."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.client import ConnectionGroup

from shared.bus.kafka import KafkaBus
from shared.bus.port import BusUnavailable, Message, Producer
from shared.contracts.envelope import PARTITIONS
from shared.values.ids import new_id

TOPICS = 40
TOPIC = "clinicbus.alpha.thing.v1"


def message(value: bytes) -> Message:
    return Message(TOPIC, "key", 0, (("ce_id", str(new_id())),), value)


async def test_nothing_is_taken_for_what_another_wrote_under_the_same_number(
    kafka_wiped: tuple[str, Callable[[], None]],
) -> None:
    """A broker that was wiped gives the numbers of its producers anew, and takes a batch for a
    repeat where that number has sent as many already."""
    bootstrap, wipe = kafka_wiped
    before, after = KafkaBus(bootstrap), KafkaBus(bootstrap)
    try:
        await before.create_topics([TOPIC])
        await before.append(Producer("alpha", 1), [message(b"before the wipe")])
        await asyncio.to_thread(wipe)
        await after.create_topics([TOPIC])
        await after.append(Producer("alpha", 1), [message(b"first")])
        await after.append(Producer("alpha", 1), [message(b"second")])
        await before.append(Producer("alpha", 1), [message(b"third")])
        assert (await after.log_ends([TOPIC]))[TOPIC, 0] == 3
        there = [(await after.read({(TOPIC, 0): at}, 1, 5.0))[0].value for at in range(3)]
        assert there == [b"first", b"second", b"third"]
    finally:
        await before.close()
        await after.close()


async def test_a_connection_made_and_lost_within_one_send_is_one_lost(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each leader has a connection of its own, made when it is first sent to."""
    bus = KafkaBus(kafka_bootstrap)
    name = f"lost-{new_id()}"
    meant = Message(name, "key", 0, (("ce_id", str(new_id())),), b"value")
    send_batch = AIOKafkaProducer.send_batch

    async def cut(client: AIOKafkaProducer, *args: Any, **kwargs: Any) -> Any:
        future = await send_batch(client, *args, **kwargs)
        broker = client.client.get_random_node()
        (await client.client._get_conn(broker, group=ConnectionGroup.COORDINATION)).close()
        return future

    try:
        await bus.create_topics([name])
        with monkeypatch.context() as patched:
            patched.setattr(AIOKafkaProducer, "send_batch", cut)
            with pytest.raises(BusUnavailable):
                await bus.append(Producer("alpha", 1), [meant])
        await bus.append(Producer("alpha", 1), [meant])
    finally:
        await bus.close()


async def test_topics_that_are_made_answer_at_once(kafka_bootstrap: str) -> None:
    bus = KafkaBus(kafka_bootstrap)
    names = [f"made-{new_id()}" for _ in range(TOPICS)]
    reader = AIOKafkaConsumer(*names, bootstrap_servers=kafka_bootstrap)
    try:
        await bus.create_topics(names)
        await reader.start()
        asked = {KafkaPartition(name, at): -1 for name in names for at in range(PARTITIONS)}
        # Once: `end_offsets` would ask again until there is an answer.
        found = await reader._fetcher._proc_offset_requests(asked)
        assert {offset for offset, _ in found.values()} == {0}
    finally:
        await reader.stop()
        await bus.close()
