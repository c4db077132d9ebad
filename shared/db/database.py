"""One service's database: its pools, and the only place that begins and commits.

The engine runs in AUTOCOMMIT and BEGIN, COMMIT and ROLLBACK are sent here on the driver's own
connection: SQLAlchemy would otherwise begin by itself and not know the locks that come first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.db.failpoints import hit
from shared.db.locks import LockKey, advisory_number, advisory_numbers
from shared.db.work import Context, Work

RoleName = Literal["app", "worker"]
LOCK_TIMEOUT = "5s"
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
    sqlalchemy.exc.DBAPIError,
    sqlalchemy.exc.TimeoutError,
)
"""What goes by itself: the server is away, starts up, or has no connection to spare. SQLAlchemy
wraps what comes while connecting; asyncpg answers with InternalClientError where the server ended a
connection at the moment of its use."""


class CommitFailed(Exception):
    """The server answered COMMIT with ROLLBACK: nothing of the transaction is kept."""


def driver_url(url: str) -> str:
    """A `postgresql://` URL as SQLAlchemy's asyncpg dialect takes it."""
    parts = urlsplit(url)
    query = urlencode(parse_qsl(parts.query))
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, query, ""))


def engine_for(url: str, pool_size: int, application: str) -> AsyncEngine:
    """A pool of at most `pool_size` connections that are handed out as they are."""
    return create_async_engine(
        driver_url(url),
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        hide_parameters=True,
        connect_args={
            "server_settings": {
                "application_name": application,
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": SILENCE_TIMEOUT,
            },
            "timeout": 10,
            "command_timeout": 30,
            "statement_cache_size": 400,
        },
    )


@dataclass(slots=True)
class Database:
    """The pools of one process. `signals` are set after a commit that staged such rows."""

    name: str
    app: AsyncEngine
    worker: AsyncEngine | None = None
    signals: dict[str, asyncio.Event] = field(
        default_factory=lambda: {k: asyncio.Event() for k in ("outbox", "timer", "intent")}
    )
    after_commit: list[Callable[[frozenset[str]], None]] = field(default_factory=list)

    @classmethod
    def connect(
        cls,
        name: str,
        app_url: str,
        worker_url: str | None,
        *,
        app_pool: int = 4,
        worker_pool: int = 4,
    ) -> "Database":
        """Pools for a service; nothing is opened until it is needed."""
        return cls(
            name=name,
            app=engine_for(app_url, app_pool, f"clinicbus-{name}-app"),
            worker=engine_for(worker_url, worker_pool, f"clinicbus-{name}-worker")
            if worker_url
            else None,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.app.dispose()
        if self.worker is not None:
            await self.worker.dispose()

    def engine(self, role: RoleName) -> AsyncEngine:
        """The pool of a role. Raises LookupError in a process without a worker URL."""
        if role == "app":
            return self.app
        if self.worker is None:
            raise LookupError(f"{self.name}: this process has no worker connection")
        return self.worker

    def busy(self) -> bool:
        """Whether most of app's connections are in use: no time for what is only nice to have."""
        held: Any = self.app.sync_engine.pool
        return bool(held.checkedout() * 2 >= held.size())

    @asynccontextmanager
    async def connection(self, role: RoleName) -> AsyncIterator[AsyncConnection]:
        """A pooled connection outside any transaction; closed for good after a cancellation."""
        connection = await self.engine(role).connect()
        try:
            yield connection
        except BROKEN:
            await _discard(connection)
            raise
        finally:
            await connection.close()

    @asynccontextmanager
    async def raw(self, role: RoleName) -> AsyncIterator[asyncpg.Connection]:
        """The driver's connection in autocommit: for leases, cursors and offsets."""
        async with self.connection(role) as connection:
            yield await driver_connection(connection)

    @asynccontextmanager
    async def work(
        self,
        context: Context,
        locks: Sequence[LockKey] = (),
        *,
        role: RoleName = "app",
        key: str | None = None,
        silent: bool = False,
    ) -> AsyncIterator[Work]:
        """A transaction: network and locks first, then the block, then flush and COMMIT.

        key: an idempotency key to lock before everything else, alone.
        locks: what the block will change; taken in one sorted pass.
        Raises CommitFailed where the server kept nothing.
        """
        async with self.connection(role) as connection:
            raw = await driver_connection(connection)
            work = Work(self.name, context, connection, raw, silent=silent)
            try:
                await raw.execute(_opening(context, locks, key))
                yield work
                await work.flush()
                await hit("work.before_commit")
                tag = await raw.execute("COMMIT")
            except asyncio.CancelledError:
                raise
            except BaseException:
                await _rolled_back(connection, raw)
                raise
            if tag != "COMMIT":
                raise CommitFailed(self.name)
        await hit("work.after_commit")
        self.signal(work.signals)

    def signal(self, kinds: set[str]) -> None:
        """Wake whoever waits for such rows."""
        for kind in kinds:
            self.signals[kind].set()
        if kinds:
            for wake in self.after_commit:
                wake(frozenset(kinds))


async def take_locks(work: Work, locks: Sequence[LockKey]) -> None:
    """The sorted pass for a transaction whose locks depend on what it read first."""
    await work.raw.execute(_lock_texts(work.context, locks) or "SELECT 1")


async def become_app(work: Work) -> None:
    """Go on as the app role until the transaction ends."""
    await work.raw.execute(f"SET LOCAL ROLE {work.producer}_app")


async def driver_connection(
    connection: AsyncConnection,
) -> asyncpg.Connection:
    """The asyncpg connection below SQLAlchemy's."""
    held: Any = await connection.get_raw_connection()
    raw: asyncpg.Connection = held.driver_connection
    return raw


def _opening(context: Context, locks: Sequence[LockKey], key: str | None) -> str:
    # One text, so it is one round trip; it holds nothing but numbers and a UUID.
    texts = [
        "BEGIN",
        f"SELECT set_config('app.network', '{context.network_id}', true),"
        f" set_config('lock_timeout', '{LOCK_TIMEOUT}', true)",
    ]
    if key is not None:
        number = advisory_number(context.network_id, ("idempotency", key))
        texts.append(f"SELECT take_idempotency_key({number})")
    passed = _lock_texts(context, locks)
    if passed:
        texts.append(passed)
    return "; ".join(texts)


def _lock_texts(context: Context, locks: Sequence[LockKey]) -> str:
    numbers = advisory_numbers(context.network_id, locks)
    return "; ".join(f"SELECT pg_advisory_xact_lock({number})" for number in numbers)


async def _rolled_back(connection: AsyncConnection, raw: asyncpg.Connection) -> None:
    try:
        await raw.execute("ROLLBACK")
    except AWAY:
        await _discard(connection)


async def _discard(connection: AsyncConnection) -> None:
    # After a cancellation the server may still hold the locks: the connection must not be reused.
    # SQLAlchemy has dropped it by itself where the cancellation came inside one of its statements.
    if connection.invalidated:
        return
    raw = await driver_connection(connection)
    raw.terminate()
    await connection.invalidate()
