"""Transports for the bus's tests. The servers come from the fixtures of the whole run."""

import os
from collections.abc import AsyncIterator, Callable
from itertools import count

import asyncpg
import pytest

from shared.bus.postgres_schema import install
from shared.bus.tests.harness import KafkaHarness, MemoryHarness, PostgresHarness
from shared.db.provision import url_for

_numbers = count(1)
ROLES = ("suite_owner", "suite_worker", "suite_other")


@pytest.fixture
async def bus_database(postgres_superuser_url: str) -> AsyncIterator[tuple[str, str]]:
    """(database, its owner's URL) of a new, empty bus."""
    name = f"bus_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(postgres_superuser_url)
    try:
        for role in ROLES:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'suite'")
        await connection.execute(f"CREATE DATABASE {name} OWNER suite_owner")
        owner_url = url_for(postgres_superuser_url, "suite_owner", "suite", name)
        await install(owner_url)
        yield name, owner_url
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
def memory() -> MemoryHarness:
    """The memory transport."""
    return MemoryHarness()


@pytest.fixture
async def postgres_bus(
    bus_database: tuple[str, str], postgres_superuser_url: str
) -> AsyncIterator[PostgresHarness]:
    """The Postgres transport, as the owner of its database."""
    name, owner_url = bus_database
    harness = PostgresHarness(postgres_superuser_url, owner_url, owner_url, name)
    yield harness
    await harness.close()


@pytest.fixture
async def kafka_bus(
    kafka_bootstrap: str, kafka_restart: Callable[[], None] | None
) -> AsyncIterator[KafkaHarness]:
    """The Kafka transport."""
    harness = KafkaHarness(kafka_bootstrap, kafka_restart)
    yield harness
    await harness.close()
