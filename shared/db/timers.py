"""The runner of timers: what is due by the clock, from rows that commands wrote.

A timer fires at most once: its row is ended in the transaction of its effect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from shared.db.actor import Actor
from shared.db.database import CommitFailed, Database, become_app
from shared.db.failpoints import FailpointHit
from shared.db.locks import LockKey
from shared.db.pool import AWAY
from shared.db.work import Context, Work
from shared.values.clock import Clock
from shared.values.errors import DomainError

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
BATCH = 50
ATTEMPTS_MAX = 10


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer row whose time has come."""

    network_id: UUID
    kind: str
    subject_id: UUID
    due_at: datetime


Fire = Callable[[Work, DueTimer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Timers:
    """What a service does by the clock: a function a kind, and a pure `locks` beside them."""

    fire: Mapping[str, Fire]
    locks: Callable[[DueTimer], Sequence[LockKey]]


_DUE = """
SELECT network_id, kind, subject_id, due_at FROM timer
WHERE ended_at IS NULL AND due_at <= $1 AND attempts < $2 ORDER BY due_at LIMIT $3
"""
_END = """
UPDATE timer SET ended_at = $4, attempts = attempts + 1
WHERE network_id = $1 AND kind = $2 AND subject_id = $3 AND ended_at IS NULL AND due_at <= $4
RETURNING 1
"""
_FAILED = """
UPDATE timer SET attempts = attempts + 1, problem = $4
WHERE network_id = $1 AND kind = $2 AND subject_id = $3 AND ended_at IS NULL
"""


async def fire_due(database: Database, timers: Timers, clock: Clock) -> int:
    """Fire every timer that is due by the clock, each in a transaction of its own. How many."""
    fired = 0
    while True:
        async with database.raw("worker") as raw:
            rows = await raw.fetch(_DUE, clock.now(), ATTEMPTS_MAX, BATCH)
        for row in rows:
            due = DueTimer(row["network_id"], row["kind"], row["subject_id"], row["due_at"])
            fired += await _fire_one(database, timers, clock, due)
        if len(rows) < BATCH:
            return fired


async def _fire_one(database: Database, timers: Timers, clock: Clock, due: DueTimer) -> int:
    context = Context(due.network_id, Actor("timer", due.kind), clock.now())
    try:
        async with database.work(context, timers.locks(due), role="worker") as work:
            key = (due.network_id, due.kind, due.subject_id)
            if not await work.raw.fetchval(_END, *key, context.now):
                return 0
            await become_app(work)
            await timers.fire[due.kind](work, due)
        return 1
    except (DomainError, asyncpg.PostgresError, CommitFailed) as error:
        reason = getattr(error, "code", None) or type(error).__name__
        log.warning("timer.failed", kind=due.kind, reason=reason)
    except (FailpointHit, *AWAY):
        raise
    except Exception as error:
        # A fault of ours in one timer does not stop the others.
        reason = type(error).__name__
        log.exception("timer.failed", kind=due.kind, reason=reason)
    # The row keeps the reason; the timer is tried again at the next round.
    async with database.raw("worker") as raw:
        await raw.execute(_FAILED, due.network_id, due.kind, due.subject_id, reason)
    return 0


async def run_timers(
    database: Database, timers: Timers, clock: Clock, *, idle_seconds: float = IDLE_SECONDS
) -> None:
    """Fire timers until cancelled: woken by a commit that set one, and every `idle_seconds`."""
    wake = database.signals["timer"]
    while True:
        wake.clear()
        try:
            await fire_due(database, timers, clock)
        except AWAY as error:
            log.warning("timers.unavailable", reason=type(error).__name__)
        try:
            await asyncio.wait_for(wake.wait(), idle_seconds)
        except TimeoutError:
            continue
