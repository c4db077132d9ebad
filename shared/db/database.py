"""One service's database: its pools, and the only place that begins and commits.

BEGIN, COMMIT and ROLLBACK are sent here, in the driver's own words: with the first go the network
and the locks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg

from shared.db.failpoints import armed, hit
from shared.db.locks import LockKey, advisory_number, advisory_numbers
from shared.db.pool import AWAY, BROKEN, Pool
from shared.db.work import Context, Work

RoleName = Literal["app", "worker"]
LOCK_TIMEOUT = "5s"


class CommitFailed(Exception):
    """The server answered COMMIT with ROLLBACK: nothing of the transaction is kept."""


@dataclass(slots=True)
class Database:
    """The pools of one process. `signals` are set after a commit that staged such rows."""

    name: str
    app: Pool
    worker: Pool | None = None
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
            app=Pool(app_url, app_pool, f"clinicbus-{name}-app"),
            worker=Pool(worker_url, worker_pool, f"clinicbus-{name}-worker")
            if worker_url
            else None,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.app.close()
        if self.worker is not None:
            await self.worker.close()

    def pool(self, role: RoleName) -> Pool:
        """The pool of a role. Raises LookupError in a process without a worker URL."""
        if role == "app":
            return self.app
        if self.worker is None:
            raise LookupError(f"{self.name}: this process has no worker connection")
        return self.worker

    def raw(self, role: RoleName) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A connection outside any transaction: for leases, cursors and offsets."""
        return self.pool(role).connection()

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
        async with self.raw(role) as raw:
            work = Work(self.name, context, raw, silent=silent)
            try:
                await raw.execute(_opening(context, locks, key))
                yield work
                await work.flush()
                await hit("work.before_commit")
                await hit(f"{role}.before_commit")
                place = f"{role}.commit_sent"
                tag = await (_in_halves(raw, place) if armed(place) else raw.execute("COMMIT"))
            except BROKEN:
                raise  # the pool closes it: a server that does not answer would not to ROLLBACK
            except BaseException:
                await _rolled_back(raw)
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
    await work.raw.execute(f"SELECT take_locks({_numbers(work.context, locks)})")


async def become_app(work: Work) -> None:
    """Go on as the app role until the transaction ends."""
    await work.raw.execute(f"SET LOCAL ROLE {work.producer}_app")


def _opening(context: Context, locks: Sequence[LockKey], key: str | None) -> str:
    # One text, so it is one round trip; it holds nothing but numbers and a UUID.
    numbers = _numbers(context, locks)
    number = "NULL"
    if key is not None:
        number = str(advisory_number(context.network_id, ("idempotency", key)))
    given = f"'{context.network_id}', '{LOCK_TIMEOUT}', {number}, {numbers}"
    return f"BEGIN; SELECT begin_work({given})"


def _numbers(context: Context, locks: Sequence[LockKey]) -> str:
    numbers = advisory_numbers(context.network_id, locks)
    return f"ARRAY[{', '.join(map(str, numbers))}]::bigint[]"


async def _in_halves(raw: asyncpg.Connection, place: str) -> Any:
    """What the server answers to COMMIT, with a failpoint between that word and its answer."""
    answer = asyncio.create_task(raw.execute("COMMIT"))
    # It is written in the loop's next turn, and leaves with the end of that one.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        await hit(place)
    finally:
        tag = await answer
    return tag


async def _rolled_back(raw: asyncpg.Connection) -> None:
    try:
        await raw.execute("ROLLBACK")
    except AWAY:
        raw.terminate()
