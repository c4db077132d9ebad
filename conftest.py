"""Fixtures: one Postgres a test process, migrated once; a network of its own for each test."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from ops import postgres, prepare
from shared.db import migrate
from shared.db.provision import SERVICES, provision, roles_of, service_environment
from shared.testing.apps import Office, office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

# More is asked here in a second than at a desk in an hour. What is about rates sets its own.
os.environ.setdefault("CLINICBUS_RATES", "off")

pytest_plugins = [
    "ops.browser_fixture",
    "ops.icalendar_fixture",
    "ops.kafka_fixture",
    "ops.rule_plugin",
]


@pytest.fixture(scope="session")
def postgres_superuser_url() -> Iterator[str]:
    """A server of this test process, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="cb-"))
    server = postgres.start(folder, durable=False)
    try:
        yield server.superuser_url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def environment(postgres_superuser_url: str) -> dict[str, str]:
    """The URL variables of every service, on databases that are migrated."""
    passwords = {role: f"test-{role}" for role in roles_of()}
    asyncio.run(provision(postgres_superuser_url, passwords))
    found = service_environment(postgres_superuser_url, passwords)
    for service in SERVICES:
        migrate.upgrade(service, found[f"CLINICBUS_{service.upper()}_OWNER_URL"])
    asyncio.run(prepare.install_bus(found["CLINICBUS_BUS_OWNER_URL"]))
    return found


@pytest.fixture
def network_id() -> UUID:
    """A network that no other test knows."""
    return new_id()


@pytest.fixture
def clock() -> FixedClock:
    """Monday, 2 November 2026, 08:00 in Denver: the day after a clock change."""
    return FixedClock(datetime(2026, 11, 2, 15, 0, tzinfo=UTC))


@pytest.fixture
async def clinic_office() -> AsyncIterator[Office]:
    """An office without apps."""
    async with office() as found:
        yield found
