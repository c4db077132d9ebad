"""Transports for the bus's tests. The servers come from the fixtures of the whole run."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from functools import cache
from itertools import count
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_schema import grant, install
from shared.bus.tests.bad_input import Road, delete_topic
from shared.bus.tests.company import SERVICES, TOPIC, Company, migrate
from shared.bus.tests.harness import KafkaHarness, MemoryHarness, PostgresHarness
from shared.db import failpoints
from shared.db.database import Database
from shared.db.provision import provision, roles_of, service_environment, url_for
from shared.testing.memory_bus import MemoryBus

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


@pytest.fixture(scope="session")
def company_urls(postgres_superuser_url: str) -> dict[str, str]:
    """The databases of alpha and beta, migrated once a run, whichever folders use them."""
    return _company_on(postgres_superuser_url)


@cache
def _company_on(postgres_superuser_url: str) -> dict[str, str]:
    passwords = {role: f"test-{role}" for role in roles_of(SERVICES)}
    suffix = "_suite"

    async def make() -> dict[str, str]:
        await provision(postgres_superuser_url, passwords, SERVICES, suffix=suffix)
        urls = service_environment(postgres_superuser_url, passwords, SERVICES, suffix=suffix)
        for service in SERVICES:
            await migrate(urls[f"CLINICBUS_{service.upper()}_OWNER_URL"], service)
        return urls

    return asyncio.run(make())


@pytest.fixture
async def company(
    company_urls: dict[str, str], postgres_superuser_url: str
) -> AsyncIterator[Company]:
    """Alpha and beta with empty tables, on a memory bus."""
    databases: list[Database] = []
    supers: list[asyncpg.Connection] = []
    for service in SERVICES:
        app, worker = (
            company_urls[f"CLINICBUS_{service.upper()}_{r}_URL"] for r in ("APP", "WORKER")
        )
        databases.append(Database.connect(service, app, worker))
        name = f"/clinicbus_{service}_suite"
        url = urlsplit(postgres_superuser_url)._replace(path=name).geturl()
        supers.append(await asyncpg.connect(url))
        own = "thing" if service == "alpha" else "effect"
        await supers[-1].execute(
            "TRUNCATE outbox, relay_lease, bus_offset, applied, parked_event, parked_key,"
            f" unreadable, operator_action, {own}"
        )
    bus = MemoryBus()
    await bus.create_topics([TOPIC])
    yield Company(databases[0], databases[1], supers[0], supers[1], bus)
    failpoints.arm("")
    for connection in supers:
        await connection.close()
    for database in databases:
        await database.close()


@pytest.fixture(scope="session")
def road_bus(postgres_superuser_url: str, company_urls: dict[str, str]) -> str:
    """The database of a bus on which alpha may say things and beta may hear them; once a run."""
    assert company_urls
    name = "bus_of_the_road"

    async def make() -> None:
        connection = await asyncpg.connect(postgres_superuser_url)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        url = urlsplit(postgres_superuser_url)._replace(path=f"/{name}").geturl()
        await install(url)
        for service, appends, reads in (("alpha", [TOPIC], []), ("beta", [], [TOPIC])):
            await grant(url, f"{service}_worker", service=service, appends=appends, reads=reads)

    asyncio.run(make())
    return name


@pytest.fixture
async def postgres_road(
    company: Company, road_bus: str, postgres_superuser_url: str
) -> AsyncIterator[Road]:
    """Each service as its own role, on a topic made anew."""
    owner_url = urlsplit(postgres_superuser_url)._replace(path=f"/{road_bus}").geturl()
    buses = [
        PostgresBus(url_for(postgres_superuser_url, f"{n}_worker", f"test-{n}_worker", road_bus))
        for n in SERVICES
    ]
    company.bus, hears = buses
    found = Road(company, hears, owner_url)
    await found.remake_topic()
    yield found
    for bus in buses:
        await bus.close()


@pytest.fixture
async def kafka_road(company: Company, kafka_bus: KafkaHarness) -> AsyncIterator[Road]:
    """On a topic made anew; others of the run find none."""
    said, hears = [KafkaBus(kafka_bus.bootstrap, session_ms=6000) for _ in SERVICES]
    company.bus = said
    found = Road(company, hears, None, kafka_bus.bootstrap)
    await found.remake_topic()
    yield found
    await hears.close()
    await said.close()
    await delete_topic(kafka_bus.bootstrap)


@pytest.fixture(params=["postgres", "kafka"])
def road(request: pytest.FixtureRequest) -> Road:
    """Each transport that goes between processes."""
    found: Road = request.getfixturevalue(f"{request.param}_road")
    return found
