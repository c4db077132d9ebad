"""A second copy of what handlers write, in a session that can write nothing else.

The tables are temporary ones of the same names: the server finds them first, gives them to nobody
else, and forgets them with the session, however it ends. Every transaction is READ ONLY, in which
the server lets temporary tables alone be written: a handler cannot touch the live copy, whatever it
does. What is not doubled is read where it is.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from ops.errors import CannotRun
from shared.db.actor import Actor
from shared.db.context import Context
from shared.db.database import Database
from shared.db.pool import Pool
from shared.db.work import Work

OF_THE_BUS = ("applied", "parked_key", "parked_event")
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a transaction here; each event brings its own."""

_TABLE = """
CREATE TEMPORARY TABLE {table} (LIKE public.{table} INCLUDING ALL);
ALTER TABLE pg_temp.{table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE pg_temp.{table} FORCE ROW LEVEL SECURITY;
CREATE POLICY net ON pg_temp.{table} USING (network_id = current_network())
  WITH CHECK (network_id = current_network());
"""


@dataclass(slots=True)
class Shadow:
    """The session. `pid` is the server's process of it."""

    name: str
    database: Database
    tables: tuple[str, ...]
    pid: int

    @classmethod
    async def made(cls, name: str, app_url: str, tables: Sequence[str]) -> "Shadow":
        """Empty tables like the live ones. The app role needs TEMPORARY on the database."""
        pool = Pool(_read_only(app_url), 1, f"clinicbus-{name}-rebuild")
        shadow = cls(name, Database(name, pool), (*OF_THE_BUS, *tables), 0)
        texts = "".join(_TABLE.format(table=table) for table in shadow.tables)
        try:
            async with shadow.database.raw("app") as raw:
                await raw.execute(f"BEGIN READ WRITE; {texts} COMMIT")
                shadow.pid = raw.get_server_pid()
        except BaseException:
            await shadow.close()
            raise
        return shadow

    @asynccontextmanager
    async def work(self, network_id: UUID) -> AsyncIterator[Work]:
        """A transaction that takes no lock and says, asks and audits nothing.

        Raises CannotRun where the session has ended, and the copy with it.
        """
        context = Context(network_id, Actor("service", self.name), NEVER)
        async with self.database.work(context, silent=True) as work:
            if work.raw.get_server_pid() != self.pid:
                raise CannotRun("The server ended the session of the rebuild: run it again.")
            yield work

    async def analyze(self) -> None:
        """Let the planner know how large the copy is: nobody else looks at temporary tables."""
        async with self.database.raw("app") as raw:
            for table in self.tables:
                await raw.execute(f"ANALYZE pg_temp.{table}")

    async def close(self) -> None:
        """End the session; the tables go with it."""
        await self.database.close()


def _read_only(url: str) -> str:
    # In the address, so that also a session that is opened anew after a break is one.
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {"default_transaction_read_only": "on"}
    return parts._replace(query=urlencode(query)).geturl()
