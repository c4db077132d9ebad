"""Connections to one database under one role, handed out as they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
import structlog

log = structlog.get_logger(__name__)

WAIT_SECONDS = 5.0
"""How long to wait for a connection while all of them are in use."""
CLOSE_SECONDS = 10.0
SILENCE_TIMEOUT = "10s"
"""How long a transaction may say nothing. One whose process is frozen holds its locks, and keeps
the relays of all services from going on: they read behind the oldest transaction of the server."""

BROKEN = (
    asyncio.CancelledError,
    TimeoutError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""After these a connection is closed for good: the server ended it, or still holds its locks."""

AWAY = (
    TimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What goes by itself: the server is away, starts up, or has no connection to spare. asyncpg
answers with InternalClientError where the server ended a connection at the moment of its use."""


@dataclass(slots=True)
class Pool:
    """At most `size` connections; none is opened before it is needed.

    What comes back in a transaction is rolled back, what is closed is replaced.
    """

    url: str
    size: int
    application: str
    _opened: asyncpg.Pool | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection outside any transaction; closed for good after what BROKEN names.

        Raises TimeoutError where none becomes free in time; what AWAY names.
        """
        pool = self._opened or await self._open()
        connection = await pool.acquire(timeout=WAIT_SECONDS)
        try:
            yield connection
        except BROKEN:
            # After a cancellation the server may still hold the locks.
            terminate(connection)
            raise
        finally:
            await pool.release(connection)

    def busy(self) -> bool:
        """Whether most of the connections are in use: no time for what is only nice to have."""
        pool = self._opened
        return pool is not None and (pool.get_size() - pool.get_idle_size()) * 2 >= self.size

    async def close(self) -> None:
        """Close every connection as it is given back; after ten seconds, those that were not."""
        pool, self._opened = self._opened, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await pool.close()
        except TimeoutError:
            log.warning("pool.left_open", reason=self.application)

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncpg.create_pool(
                    self.url,
                    min_size=0,
                    max_size=self.size,
                    init=prepare,
                    reset=_as_it_is,
                    timeout=10,
                    command_timeout=30,
                    statement_cache_size=400,
                    server_settings={
                        "application_name": self.application,
                        "timezone": "UTC",
                        "idle_in_transaction_session_timeout": SILENCE_TIMEOUT,
                    },
                )
        return self._opened


def terminate(connection: asyncpg.Connection) -> None:
    """Close a connection without a word to the server; nothing where the pool has done so."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def prepare(connection: asyncpg.Connection) -> None:
    """Let a new connection read JSON as values. What is written is given as text."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=_given, decoder=orjson.loads
        )


def _given(text: Any) -> Any:
    return text


async def _as_it_is(_connection: asyncpg.Connection) -> None:
    """Nothing is reset between uses: settings are local to a transaction, which asyncpg ends."""
