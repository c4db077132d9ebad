"""Wakes the worker of another process: one NOTIFY for many commits, after them, on its own.

In the transaction itself a NOTIFY would take a lock that all commits of the server share; it was
measured to cost two thirds of the throughput.
"""

import asyncio
import contextlib
from collections.abc import Iterable

import asyncpg

from shared.bus.failures import BROKEN
from shared.bus.relay import CHANNEL
from shared.db.database import Database

GAP_SECONDS = 0.02
"""The first ring goes out at once; those of the next fiftieth of a second become one."""
CLOSE_SECONDS = 1.0


class Bell:
    """Append `ring` to `Database.after_commit` of a process that has no relay."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None
        self._kinds: set[str] = set()
        self._closing = asyncio.Event()

    def ring(self, kinds: Iterable[str]) -> None:
        """Such rows were committed. Returns at once; rings made meanwhile become one.

        Once it is closed nobody is told any more.
        """
        if self._closing.is_set():
            return
        self._kinds.update(kinds)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ringing())

    async def close(self) -> None:
        """Let what was rung last go out, in its time, and no more after it.

        To be called before the database is closed: who rings then opens a connection that nobody
        closes.
        """
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ringing(self) -> None:
        while self._kinds:
            kinds, self._kinds = ",".join(sorted(self._kinds)), set()
            try:
                async with self._database.raw("app") as raw:
                    await raw.execute("SELECT pg_notify($1, $2)", CHANNEL, kinds)
            except (*BROKEN, asyncpg.PostgresError):
                return  # the worker looks by itself within a second or two
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GAP_SECONDS):
                    await self._closing.wait()
