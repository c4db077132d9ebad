"""Fixtures: a server of the journeys' own, for their services work off whatever they find in it."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ops import postgres
from ops.prepare import prepare
from shared.db.provision import roles_of, service_environment
from tests.journeys.house import House, house_of


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the services stand: a Postgres that is migrated, and a folder."""

    superuser_url: str
    environment: dict[str, str]
    folder: Path


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A server of this test process, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="cb-journey-"))
    server = postgres.start(folder / "postgres", durable=False)
    try:
        passwords = {role: f"test-{role}" for role in roles_of()}
        prepare(server.superuser_url, passwords)
        environment = service_environment(server.superuser_url, passwords)
        yield Ground(server.superuser_url, environment, folder)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(ground: Ground) -> AsyncIterator[House]:
    """The five services, started once a module."""
    async with house_of(ground.superuser_url, ground.environment, ground.folder) as found:
        yield found
