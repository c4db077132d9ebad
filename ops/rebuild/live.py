"""The live copy: how far it has heard, held still for a moment, mended.

Every transaction of a subscriber reads `applied` before its handlers run and writes it after them.
So who holds that one table alone knows that no effect is under way, and exactly which are there.
Offsets would not do: they move with the last transaction of a batch, after the others' effects.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import asyncpg

from ops.errors import CannotRun
from ops.rebuild.comparison import Difference, Shape
from shared.bus.jitter import jitter
from shared.db.pool import prepare

T = TypeVar("T")
PATIENCE_SECONDS = 30.0
LOCK_WAIT = "400ms"
"""Shorter than the server's `deadlock_timeout`: of two who wait for each other we give way."""
SILENCE = "60s"
"""How long a rebuild that is frozen may hold the subscriber up."""
SubjectKey = tuple[UUID, str, str]
"""(network, topic, subject)."""

_APPLIED = """
SELECT a.network_id, a.topic, a.subject, a.seq
FROM unnest($1::uuid[], $2::text[], $3::text[]) u(network_id, topic, subject)
JOIN applied a USING (network_id, topic, subject)
"""
_ALL_APPLIED = """
SELECT topic, subject, seq FROM applied WHERE network_id = $1 AND topic = ANY($2)
"""
_GIVEN_UP = r"""
SELECT network_id, topic, subject, (n[1])::bigint, coalesce(n[2], n[1])::bigint
FROM operator_action, regexp_match(outcome, '^skipped (\d+)(?: to (\d+))?') n
WHERE verb = 'skip' AND n IS NOT NULL
"""
_EDITED = """
SELECT network_id, topic, subject, id, edited, before_headers FROM operator_action
WHERE verb = 'edit' AND before_headers IS NOT NULL ORDER BY asked_at
"""
_PARKED = "SELECT network_id, topic, subject, kind, problem FROM parked_key ORDER BY 1, 2, 3"
# From one network to the next by the index: a table of a million rows costs no more than its
# networks.
_NETWORKS = """
WITH RECURSIVE n AS (
  (SELECT network_id FROM public.{table} ORDER BY 1 LIMIT 1)
  UNION ALL
  SELECT (SELECT t.network_id FROM public.{table} t WHERE t.network_id > n.network_id
    ORDER BY 1 LIMIT 1) FROM n WHERE n.network_id IS NOT NULL)
SELECT network_id FROM n WHERE network_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """What an operator made of an event: another value, and an id of its own."""

    event_id: UUID
    value: bytes


@dataclass(slots=True)
class Live:
    """A service's database, as its owner and as its worker see it."""

    service: str
    owner: asyncpg.Connection
    worker: asyncpg.Connection
    holds: bool = False

    @classmethod
    @asynccontextmanager
    async def opened(cls, service: str, owner_url: str, worker_url: str) -> AsyncIterator["Live"]:
        """Raises CannotRun where another rebuild of this service is under way."""
        settings = {"timezone": "UTC", "idle_in_transaction_session_timeout": SILENCE}
        name = {"application_name": f"clinicbus-{service}-rebuild-owner"}
        owner = await asyncpg.connect(owner_url, timeout=10, server_settings=settings | name)
        try:
            worker = await asyncpg.connect(worker_url, timeout=10)
            try:
                await prepare(owner)
                if not await owner.fetchval(
                    "SELECT pg_try_advisory_lock(hashtext('clinicbus-rebuild'))"
                ):
                    raise CannotRun(f"Another rebuild of {service} is under way.")
                yield cls(service, owner, worker)
            finally:
                await worker.close()
        finally:
            await owner.close()

    @asynccontextmanager
    async def lending(self) -> AsyncIterator[None]:
        """The app role may make temporary tables meanwhile, and only then; a rebuild that was
        killed here leaves the right behind until the next one."""
        database = await self.owner.fetchval("SELECT quote_ident(current_database())")
        await self.owner.execute(f"GRANT TEMPORARY ON DATABASE {database} TO {self.service}_app")
        try:
            yield
        finally:
            text = f"REVOKE TEMPORARY ON DATABASE {database} FROM {self.service}_app"
            await self.owner.execute(text)

    async def applied_of(self, keys: Collection[SubjectKey]) -> dict[SubjectKey, int]:
        """How far these subjects have been heard; one that never was is left out."""
        asker = self.owner if self.holds else self.worker
        columns = [[key[n] for key in keys] for n in range(3)]
        rows = await asker.fetch(_APPLIED, *columns)
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def all_applied(self, network_id: UUID, topics: Sequence[str]) -> dict[SubjectKey, int]:
        """The same of every subject of a network; while it is held."""
        rows = await self.owner.fetch(_ALL_APPLIED, network_id, list(topics))
        return {(network_id, row[0], row[1]): row[2] for row in rows}

    async def given_up(self) -> dict[SubjectKey, list[range]]:
        """The numbers of the events that operators gave up, by subject."""
        found: dict[SubjectKey, list[range]] = {}
        for network_id, topic, subject, first, last in await self.worker.fetch(_GIVEN_UP):
            found.setdefault((network_id, topic, subject), []).append(range(first, last + 1))
        return found

    async def edits(self) -> dict[tuple[SubjectKey, int], Edit]:
        """What operators made of events, by subject and number; the last word counts."""
        found = {}
        for network_id, topic, subject, event_id, value, flat in await self.worker.fetch(_EDITED):
            before = dict(zip(flat[::2], flat[1::2], strict=True))
            number = int(before["ce_subjectseq"])
            found[(network_id, topic, subject), number] = Edit(event_id, value)
        return found

    async def parked(self) -> dict[SubjectKey, str]:
        """What waits in the live copy, and why."""
        rows = await self.worker.fetch(_PARKED)
        return {(row[0], row[1], row[2]): f"{row[3]}, {row[4]}" for row in rows}

    async def networks_of(self, table: str) -> set[UUID]:
        """The networks that have rows in a table."""
        if table == "applied" and self.holds:
            return {row[0] for row in await self.owner.fetch(_NETWORKS.format(table=table))}

        async def read() -> set[UUID]:
            async with self.owner.transaction():
                await self.owner.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                await self._lift(table)
                rows = await self.owner.fetch(_NETWORKS.format(table=table))
                await self._restore(table)
            return {row[0] for row in rows}

        return await _patiently(read, f"{table} of {self.service}")

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """No event takes effect meanwhile, and none is half done; readers of the service go on.

        What was `put` is kept at the end. Raises CannotRun where handlers leave no gap.
        """
        transaction = await _patiently(self._stop, f"what {self.service} hears")
        try:
            self.holds = True
            yield
            await self._restore("applied")
        except BaseException:
            if not self.owner.is_closed():
                await transaction.rollback()
            raise
        finally:
            self.holds = False
        await transaction.commit()

    async def _stop(self) -> asyncpg.transaction.Transaction:
        transaction = self.owner.transaction()
        await transaction.start()
        try:
            await self.owner.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
            await self.owner.execute("LOCK TABLE public.applied IN ACCESS EXCLUSIVE MODE")
            await self._lift("applied")
        except BaseException:
            await transaction.rollback()
            raise
        return transaction

    async def put(self, found: Sequence[tuple[Shape, Sequence[Difference]]]) -> None:
        """Make the live rows what the rebuilt ones are; in the transaction that holds."""
        tables = ", ".join(f"public.{shape.table}" for shape, _ in found)

        async def lock() -> None:
            async with self.owner.transaction():  # a savepoint, so that the hold outlives a failure
                await self.owner.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")

        await _patiently(lock, tables)
        for shape, differences in found:
            await self._lift(shape.table)
            await self._write(shape, differences)
            await self.owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await self._restore(shape.table)

    async def _write(self, shape: Shape, differences: Sequence[Difference]) -> None:
        planted = [each.key for each in differences if each.row is None]
        wanted = [each.row for each in differences if each.row is not None]
        try:
            await self.owner.execute(shape.deleting, f"[{','.join(planted)}]")
            await self.owner.execute(shape.writing, f"[{','.join(wanted)}]")
        except asyncpg.ForeignKeyViolationError as error:
            raise CannotRun(
                f"A row of {shape.table} that no event tells of is referred to"
                f" by {error.table_name}: nothing was swapped."
            ) from None

    async def _lift(self, table: str) -> None:
        await self.owner.execute(f"ALTER TABLE public.{table} NO FORCE ROW LEVEL SECURITY")

    async def _restore(self, table: str) -> None:
        await self.owner.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")


async def _patiently(what: Callable[[], Awaitable[T]], of: str) -> T:
    """Try again while somebody else holds the lock, for half a minute."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await what()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if time.monotonic() > end:
                raise CannotRun(f"There was no gap to hold {of} still: try again.") from None
        await asyncio.sleep(0.05 + jitter() / 5)
