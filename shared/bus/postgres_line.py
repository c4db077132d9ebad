"""One connection of a Postgres bus: opened when needed, and what its errors mean."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import asyncpg

from shared.bus.failures import BROKEN
from shared.bus.port import BusError, BusUnavailable, NotAllowed, StaleProducer, UnknownTopic
from shared.bus.postgres_functions import STALE_PRODUCER, UNKNOWN_TOPIC

T = TypeVar("T")

DEADLINE_SECONDS = 15.0


@dataclass(slots=True)
class Line:
    """One connection: opened when needed, one caller at a time, with a deadline."""

    url: str
    application: str
    prepare: Callable[[asyncpg.Connection], Awaitable[None]] | None = None
    _connection: asyncpg.Connection | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, call: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """The result of a call. Raises BusError; drops a connection that may be broken."""
        async with self._lock:
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await call(await self._opened())
            except asyncio.CancelledError:
                self.drop()
                raise
            except (TimeoutError, *BROKEN) as error:
                self.drop()
                raise BusUnavailable(type(error).__name__) from error
            except asyncpg.PostgresError as error:
                raise self._translated(error) from error

    async def _opened(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            settings = {"application_name": self.application, "timezone": "UTC", "jit": "off"}
            self._connection = connection = await asyncpg.connect(
                self.url, server_settings=settings
            )
            if self.prepare is not None:
                try:
                    await self.prepare(connection)
                except BaseException:
                    self.drop()
                    raise
        return self._connection

    def _translated(self, error: asyncpg.PostgresError) -> BusError:
        code = error.sqlstate or ""
        if code == STALE_PRODUCER:
            return StaleProducer(_said(error))
        if code == UNKNOWN_TOPIC:
            return UnknownTopic(_said(error))
        if code == "42501":
            return NotAllowed(_said(error))
        self.drop()
        return BusUnavailable(f"SQLSTATE {code}")

    def drop(self) -> None:
        """Break the connection off; the next call opens another."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close the connection properly, within a second."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=1)
            except (TimeoutError, asyncpg.PostgresError, *BROKEN):
                connection.terminate()


def _said(error: asyncpg.PostgresError) -> str:
    """What the server said, in its first line: the details below it repeat rows."""
    return str(error.message)
