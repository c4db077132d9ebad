"""The runner of timers: what is due by the clock, from rows that commands wrote.

A timer fires at most once: its row is ended in the transaction of its effect. Kinds that come in
crowds fire many of a network in one transaction, and each alone where that fails.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
FireAll = Callable[[Work, Sequence[DueTimer]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Timers:
    """What a service does by the clock: a function a kind, and a pure `locks` beside them.

    fire_all: for the kinds of which many of one network fire in one transaction.
    """

    fire: Mapping[str, Fire]
    locks: Callable[[DueTimer], Sequence[LockKey]]
    fire_all: Mapping[str, FireAll] = field(default_factory=dict)


# What another worker has in hand, its `_END` has locked.
_DUE = """
SELECT network_id, kind, subject_id, due_at FROM timer
WHERE ended_at IS NULL AND due_at <= $1 AND attempts < $2 ORDER BY due_at LIMIT $3
FOR UPDATE SKIP LOCKED
"""
_END = """
UPDATE timer SET ended_at = $4, attempts = attempts + 1
WHERE network_id = $1 AND kind = $2 AND subject_id = ANY($3) AND ended_at IS NULL AND due_at <= $4
RETURNING subject_id
"""
_FAILED = """
UPDATE timer SET attempts = attempts + 1, problem = $4
WHERE network_id = $1 AND kind = $2 AND subject_id = $3 AND ended_at IS NULL
"""


async def fire_due(database: Database, timers: Timers, clock: Clock) -> int:
    """Fire every timer that is due by the clock. How many."""
    fired = 0
    while True:
        async with database.raw("worker") as raw:
            rows = await raw.fetch(_DUE, clock.now(), ATTEMPTS_MAX, BATCH)
        due = [DueTimer(*row) for row in rows]
        for together in _in_crowds(timers, due):
            fired += await _fire(database, timers, clock, together)
        if len(rows) < BATCH:
            return fired


def _in_crowds(timers: Timers, due: Sequence[DueTimer]) -> list[list[DueTimer]]:
    """What fires in one transaction, the earliest first."""
    crowds: dict[object, list[DueTimer]] = {}
    for one in due:
        crowd = (one.network_id, one.kind) if one.kind in timers.fire_all else one
        crowds.setdefault(crowd, []).append(one)
    return list(crowds.values())


async def _fire(database: Database, timers: Timers, clock: Clock, due: Sequence[DueTimer]) -> int:
    network_id, kind = due[0].network_id, due[0].kind
    context = Context(network_id, Actor("timer", kind), clock.now())
    locks = [key for one in due for key in timers.locks(one)]
    try:
        async with database.work(context, locks, role="worker") as work:
            subjects = [one.subject_id for one in due]
            rows = await work.raw.fetch(_END, network_id, kind, subjects, context.now)
            ended = {row["subject_id"] for row in rows}
            mine = [one for one in due if one.subject_id in ended]
            if not mine:
                return 0
            await become_app(work)
            if kind in timers.fire_all:
                await timers.fire_all[kind](work, mine)
            else:
                await timers.fire[kind](work, mine[0])
        return len(mine)
    except (DomainError, asyncpg.PostgresError, CommitFailed) as error:
        reason = getattr(error, "code", None) or type(error).__name__
        log.warning("timer.failed", kind=kind, reason=reason)
    except (FailpointHit, *AWAY):
        raise
    except Exception as error:
        # A fault of ours in one timer does not stop the others.
        reason = type(error).__name__
        log.exception("timer.failed", kind=kind, reason=reason)
    if len(due) > 1:
        # One of them spoils it for all: each by itself, to find which.
        return sum([await _fire(database, timers, clock, [one]) for one in due])
    # The row keeps the reason; the timer is tried again at the next round.
    async with database.raw("worker") as raw:
        await raw.execute(_FAILED, network_id, kind, due[0].subject_id, reason)
    return 0


async def run_timers(
    database: Database, timers: Timers, clock: Clock, *, idle_seconds: float = IDLE_SECONDS
) -> None:
    """Fire timers until cancelled: every `idle_seconds`, and woken by a commit that set one to
    an instant that has come."""
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
