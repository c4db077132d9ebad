"""Leaving a Kafka group, whatever the client does meanwhile."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.bus.kafka_group import KafkaSubscription
from shared.bus.port import TopicPartition


class Client:
    """The part of aiokafka's consumer that leaving uses."""

    def __init__(self, stops_with: BaseException | None = None, *, hangs: bool = False) -> None:
        self._stops_with, self._hangs = stops_with, hangs
        self._client = self
        self.closed = 0

    async def stop(self) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        if isinstance(self._stops_with, asyncio.CancelledError):
            # As its fetcher's close: it awaits a task that it has just cancelled.
            task = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            task.cancel()
            await task
        if self._stops_with is not None:
            raise self._stops_with
        await self.close()

    async def close(self) -> None:
        self.closed += 1


async def nothing(_: frozenset[TopicPartition]) -> Any:
    return {}


def member(client: Client) -> KafkaSubscription:
    found: Any = client
    return KafkaSubscription(found, nothing, nothing)


@pytest.mark.parametrize(
    "stops_with", [None, asyncio.CancelledError(), KafkaConnectionError(), TimeoutError()]
)
async def test_leaving_ends_the_connections_however_the_client_stops(
    stops_with: BaseException | None,
) -> None:
    client = Client(stops_with)
    await member(client).close()
    assert client.closed >= 1


async def test_what_is_cancelled_while_it_leaves_is_cancelled() -> None:
    leaving = asyncio.create_task(member(Client(hangs=True)).close())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert leaving.cancelled()
