"""A service database with the mechanism and one table of things."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.db.audit_seals import create_audit_seals
from shared.db.database import Database
from shared.db.mechanism import create_mechanism, protect_clinic_table
from shared.db.provision import provision, roles_of, service_environment

NAME = "gamma"


class Base(SQLModel, registry=registry()):
    """The registry of these tests."""


class Thing(Base, table=True):
    """A row with a version."""

    __tablename__ = "thing"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    size: int = 0
    version: int = 1
    event_seq: int = 0


THING = """
CREATE TABLE thing (id uuid PRIMARY KEY, network_id uuid NOT NULL, size int NOT NULL,
  version int NOT NULL, event_seq int NOT NULL, UNIQUE (network_id, id))
"""


async def _make(superuser_url: str) -> dict[str, str]:
    passwords = {role: f"test-{role}" for role in roles_of((NAME,))}
    await provision(superuser_url, passwords, (NAME,), suffix="_db")
    urls = service_environment(superuser_url, passwords, (NAME,), suffix="_db")
    statements = ["CREATE TABLE alembic_version (version_num text)"]
    create_mechanism(statements.append, NAME)
    create_audit_seals(statements.append, NAME)
    statements.append(THING)
    protect_clinic_table(statements.append, "thing", f"{NAME}_app")
    connection = await asyncpg.connect(urls["CLINICBUS_GAMMA_OWNER_URL"])
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
    return urls


@pytest.fixture(scope="session")
def gamma_urls(postgres_superuser_url: str) -> dict[str, str]:
    """The URLs of the database, made once a run."""
    return asyncio.run(_make(postgres_superuser_url))


@pytest.fixture
async def gamma(gamma_urls: dict[str, str]) -> AsyncIterator[Database]:
    """The database."""
    database = Database.connect(
        NAME, gamma_urls["CLINICBUS_GAMMA_APP_URL"], gamma_urls["CLINICBUS_GAMMA_WORKER_URL"]
    )
    yield database
    await database.close()


@pytest.fixture
async def watcher(postgres_superuser_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's look at the same server."""
    url = postgres_superuser_url.replace("/postgres?", "/clinicbus_gamma_db?")
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
