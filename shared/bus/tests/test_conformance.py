"""The conformance suite on every transport."""

from collections.abc import Awaitable, Callable

import pytest

from shared.bus.tests.conformance import SCENARIOS, a_stale_producer
from shared.bus.tests.harness import Harness, KafkaHarness, MemoryHarness, PostgresHarness

Scenario = Callable[[Harness], Awaitable[None]]
every = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
fenced = pytest.mark.parametrize(
    "scenario", [*SCENARIOS, a_stale_producer], ids=lambda s: s.__name__
)


@fenced
async def test_memory(scenario: Scenario, memory: MemoryHarness) -> None:
    """The memory transport keeps every promise."""
    await scenario(memory)


@fenced
async def test_postgres(scenario: Scenario, postgres_bus: PostgresHarness) -> None:
    """The Postgres transport keeps every promise."""
    await scenario(postgres_bus)


@every
async def test_kafka(scenario: Scenario, kafka_bus: KafkaHarness) -> None:
    """The Kafka transport keeps every promise but the fence, which Kafka has no place for."""
    await scenario(kafka_bus)
