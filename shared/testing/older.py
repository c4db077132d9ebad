"""A service's database as an earlier version left it, for what a migration does to its rows."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from alembic import command

from shared.db.migrate import config_for
from shared.db.provision import BUS_DATABASE, provision, roles_of, service_environment


@dataclass(frozen=True, slots=True)
class Older:
    """A database of a service, and who owns it. No loop runs here: a migration has its own."""

    service: str
    superuser_url: str
    owner_url: str
    suffix: str

    def upgrade(self, revision: str) -> None:
        """Bring it up to a revision."""
        command.upgrade(config_for(self.service, self.owner_url), revision)

    def rows(self, text: str, *arguments: Any) -> list[Any]:
        """The rows of a statement that row security hides nothing from."""
        return self._ask(f"clinicbus_{self.service}{self.suffix}", text, *arguments)

    def drop(self) -> None:
        """Leave nothing behind."""
        for database in (f"clinicbus_{self.service}", BUS_DATABASE):
            self._ask("postgres", f"DROP DATABASE {database}{self.suffix}")

    def _ask(self, database: str, text: str, *arguments: Any) -> list[Any]:
        url = urlsplit(self.superuser_url)._replace(path=f"/{database}").geturl()
        return asyncio.run(_rows(url, text, arguments))


@contextmanager
def older_database(superuser_url: str, service: str) -> Iterator[Older]:
    """A database in which nothing is yet; it is gone in the end."""
    suffix = f"_of_before_{service}"
    passwords = {role: f"test-{role}" for role in roles_of()}
    asyncio.run(provision(superuser_url, passwords, [service], suffix=suffix))
    made = service_environment(superuser_url, passwords, [service], suffix=suffix)
    found = Older(service, superuser_url, made[f"CLINICBUS_{service.upper()}_OWNER_URL"], suffix)
    yield found
    found.drop()


async def _rows(url: str, text: str, arguments: tuple[Any, ...]) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        found: list[Any] = await connection.fetch(text, *arguments)
        return found
    finally:
        await connection.close()
