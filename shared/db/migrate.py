"""Migrations: Alembic, one history a service, run as the service's owner role."""

import asyncio
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.db.secured import is_exposed

ROOT = Path(__file__).resolve().parents[2]
MECHANISM = frozenset(
    {
        "audit",
        "audit_seal",
        "audit_patient",
        "audit_sealer",
        "idempotency",
        "timer",
        "intent",
        "outbox",
        "relay_lease",
        "bus_offset",
        "applied",
        "parked_key",
        "parked_event",
        "unreadable",
        "operator_action",
        "alembic_version",
    }
)


def driver_url(url: str) -> str:
    """A `postgresql://` URL as SQLAlchemy's asyncpg dialect takes it."""
    parts = urlsplit(url)
    query = urlencode(parse_qsl(parts.query))
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, query, ""))


def config_for(service: str, url: str) -> Config:
    """Alembic's settings for a service's history."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "services" / service / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def upgrade(service: str, owner_url: str) -> None:
    """Bring a service's database to the newest revision; nothing where it is there already."""
    command.upgrade(config_for(service, owner_url), "head")


def run(metadata: MetaData) -> None:
    """What a service's `env.py` calls."""
    url = context.config.attributes["url"]
    asyncio.run(_online(metadata, url))


async def _online(metadata: MetaData, url: str) -> None:
    # The driver reads the URL itself, as it does for the services: what SQLAlchemy makes of it
    # knows no sslmode.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url),
        poolclass=pool.NullPool,
        hide_parameters=True,
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, metadata)
    await engine.dispose()


def _migrate(connection: Connection, metadata: MetaData) -> None:
    def ours(
        _object: object, name: str | None, kind: str, _reflected: bool, _other: object
    ) -> bool:
        if kind != "table":
            return True
        return name not in MECHANISM and not (name or "").startswith("outbox")

    # Two processes may migrate at once: the second waits here and then finds nothing to do.
    connection.execute(text("SELECT pg_advisory_lock(hashtext('clinicbus-migrate'))"))
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata, include_object=ours)
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text("SELECT pg_advisory_unlock(hashtext('clinicbus-migrate'))"))
    connection.commit()


def executor() -> Callable[[str], object]:
    """Runs a statement in the migration that is under way."""
    from alembic import op

    return op.execute


def unsafe_urls(services: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """What a production profile refuses of owners' URLs, each named; empty in the local profile."""
    if environ.get("CLINICBUS_PROFILE", "local") == "local":
        return []
    return [
        f"{name}: Postgres without TLS that knows the server (sslmode=verify-full)"
        for service in services
        if is_exposed(environ[name := owner_url_of(service)], environ)
    ]


def owner_url_of(service: str) -> str:
    """The variable of the URL that a service's migrations run with."""
    return f"CLINICBUS_{service.upper()}_OWNER_URL"


def main(services: list[str]) -> int:
    """`python -m shared.db.migrate SERVICE...`: upgrade each, by its OWNER_URL; the exit code."""
    from shared.db import uncaught

    uncaught.install()
    missing = [name for name in map(owner_url_of, services) if name not in os.environ]
    if missing:
        sys.stderr.write(f"Settings are missing or cannot be read: {', '.join(missing)}.\n")
        return 78
    if found := unsafe_urls(services, os.environ):
        sys.stderr.write(f"This production profile does not start: {'; '.join(found)}.\n")
        return 78
    for service in services:
        upgrade(service, os.environ[owner_url_of(service)])
        importlib.invalidate_caches()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
