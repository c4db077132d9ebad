"""Connections to one database under one role, handed out as they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import orjson
import structlog

log = structlog.get_logger(__name__)

WAIT_SECONDS = 5.0
"""How long to wait for a connection while all of them are in use."""
SILENCE_TIMEOUT = "10s"
"""How long a transaction may say nothing. One whose process is frozen holds its locks, and keeps
the relays of all services from going on: they read behind the oldest transaction of the server."""

GONE = (
    TimeoutError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""What says that the server is gone, and nothing of what it was asked."""

BROKEN = (asyncio.CancelledError, *GONE)
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
    """At most `size` connections, opened when needed, and given back outside any transaction."""

    url: str
    size: int
    application: str
    _free: list[asyncpg.Connection] = field(default_factory=list)
    _used: set[asyncpg.Connection] = field(default_factory=set)
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.size)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection outside any transaction; closed for good after what BROKEN names.

        Raises TimeoutError where none becomes free in time; what AWAY names.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            await self._turns.acquire()
        try:
            connection = self._idle() or await self._opened()
            self._used.add(connection)
            try:
                yield connection
            except BROKEN:
                # After a cancellation the server may still hold the locks.
                connection.terminate()
                raise
            finally:
                self._used.discard(connection)
                await self._give_back(connection)
        finally:
            self._turns.release()

    def busy(self) -> bool:
        """Whether most of the connections are in use: no time for what is only nice to have."""
        return len(self._used) * 2 >= self.size

    async def close(self) -> None:
        """Close every connection; those in use without a word."""
        for connection in self._used:
            log.warning("pool.left_open", reason=self.application)
            connection.terminate()
        while self._free:
            await self._free.pop().close(timeout=2)

    def _idle(self) -> asyncpg.Connection | None:
        # The one used last: its memory is warm, and the server has not ended it yet.
        while self._free:
            found = self._free.pop()
            if not found.is_closed():
                return found
        return None

    async def _give_back(self, connection: asyncpg.Connection) -> None:
        if connection.is_closed():
            return
        if connection.is_in_transaction():
            log.warning("pool.in_transaction", reason=self.application)
            try:
                await connection.execute("ROLLBACK")
            except BaseException:
                connection.terminate()
                raise
        self._free.append(connection)

    async def _opened(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self.url,
            timeout=10,
            command_timeout=30,
            statement_cache_size=400,
            server_settings={
                "application_name": self.application,
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": SILENCE_TIMEOUT,
                # Who was cancelled hangs up; what it asked for ends with it, and with its locks.
                "client_connection_check_interval": "1s",
            },
        )
        try:
            await prepare(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


async def prepare(connection: asyncpg.Connection) -> None:
    """Let a new connection read JSON as values. What is written is given as text."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=str, decoder=orjson.loads
        )
