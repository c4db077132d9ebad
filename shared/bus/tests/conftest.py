"""Servers for the bus's tests: a Postgres, and a real Kafka where one can be had."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from ops import kafka, postgres
from ops.errors import CannotRun
from shared.bus.postgres_schema import install
from shared.bus.tests.harness import KafkaHarness, MemoryHarness, PostgresHarness
from shared.db.provision import url_for

_numbers = count(1)
WHY = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def postgres_superuser_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for the whole run; what was committed need not survive a power cut."""
    server = postgres.start(tmp_path_factory.mktemp("postgres"), durable=False)
    yield server.superuser_url
    server.stop()


@pytest.fixture(scope="session")
def kafka_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the broker of this run keeps its data."""
    return tmp_path_factory.mktemp("kafka")


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """`host:port` of a real broker. Skips where none can be had, unless REQUIRE_KAFKA=1."""
    try:
        broker = kafka.start(kafka_folder)
    except CannotRun as error:
        request.config.stash[WHY] = str(error)
        if os.environ.get("REQUIRE_KAFKA") == "1":
            pytest.fail(f"REQUIRE_KAFKA=1, but: {error}")
        pytest.skip(f"KAFKA: {error}")
    yield broker.bootstrap
    if broker.how != "given":
        kafka.stop(kafka_folder)


@pytest_asyncio.fixture
async def bus_database(postgres_superuser_url: str) -> AsyncIterator[tuple[str, str, str]]:
    """(database, its owner's URL, superuser's URL) of a new, empty bus."""
    name = f"bus_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(postgres_superuser_url)
    try:
        for role in ("suite_owner", "suite_worker", "suite_other"):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'suite'")
        await connection.execute(f"CREATE DATABASE {name} OWNER suite_owner")
        owner_url = url_for(postgres_superuser_url, "suite_owner", "suite", name)
        await install(owner_url)
        yield name, owner_url, postgres_superuser_url
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest_asyncio.fixture
async def memory() -> MemoryHarness:
    """The memory transport."""
    return MemoryHarness()


@pytest_asyncio.fixture
async def postgres_bus(bus_database: tuple[str, str, str]) -> AsyncIterator[PostgresHarness]:
    """The Postgres transport, as the owner of its database."""
    name, owner_url, superuser_url = bus_database
    harness = PostgresHarness(superuser_url, owner_url, owner_url, name)
    yield harness
    await harness.close()


@pytest_asyncio.fixture
async def kafka_bus(
    kafka_bootstrap: str, kafka_folder: Path
) -> AsyncIterator[KafkaHarness]:
    """The Kafka transport."""
    harness = KafkaHarness(kafka_bootstrap, _restart(kafka_folder))
    yield harness
    await harness.close()


def _restart(folder: Path) -> Callable[[], None] | None:
    broker = kafka.status(folder)
    if broker is None or broker.how != "java":
        return None

    def again() -> None:
        kafka.stop(folder)
        kafka.start(folder, stays=True)  # it must outlive the thread that starts it

    return again
