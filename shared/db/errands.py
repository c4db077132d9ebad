"""The runner of errands: calls to the outside, from intent rows, with no transaction open.

An intent is claimed for a lease of real time, the call is made with the intent's id as its
idempotency key, and the outcome is settled in a transaction. Where the process dies in between the
lease runs out and the call is made again: the far side answers the same, or is asked first.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import structlog

from shared.db.actor import Actor, parse_actor
from shared.db.database import CommitFailed, Database, become_app
from shared.db.failpoints import hit
from shared.db.locks import LockKey
from shared.db.pool import AWAY
from shared.db.work import Context, Work
from shared.values.clock import Clock
from shared.values.errors import DomainError

log = structlog.get_logger(__name__)

IDLE_SECONDS = 2.0
LEASE_SECONDS = 60
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that was committed to. `attempts` counts this one: above 1 the outcome of an earlier
    try may be unknown, and the far side is asked before anything is done again. facts: what the
    errand's `prepare` found."""

    network_id: UUID
    id: UUID
    kind: str
    subject_id: UUID
    body: dict[str, Any]
    actor: Actor
    correlation_id: UUID
    causation_id: UUID | None
    attempts: int
    facts: Any = None


class TryLater(Exception):
    """The outside could not be reached or does not know yet; try again after some seconds."""

    def __init__(self, reason: str, seconds: float = 1.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Errand:
    """call: asks the outside and returns the outcome. settle: writes it. give_up: after the last
    try, with the reason. locks: what settle, give_up and prepare change. prepare: runs before each
    call, in a transaction that is over by then; the call finds in `intent.facts` what it returns,
    so that what the call needs to know of a person stays in the service's own tables. ask: runs
    before that, with no transaction open, for what others know and nobody here keeps; prepare finds
    it in `intent.facts`. It changes nothing, so it may be asked again."""

    call: Callable[[Intent], Awaitable[Any]]
    settle: Callable[[Work, Intent, Any], Awaitable[None]]
    give_up: Callable[[Work, Intent, str], Awaitable[None]]
    locks: Callable[[Intent], Sequence[LockKey]]
    attempts_max: int = 5
    prepare: Callable[[Work, Intent], Awaitable[Any]] | None = None
    ask: Callable[[Intent], Awaitable[Any]] | None = None


Errands = Mapping[str, Errand]

_CLAIM = """
UPDATE intent SET state = 'calling', attempts = attempts + 1,
       next_try_at = now() + make_interval(secs => $2)
WHERE (network_id, id) IN (
  SELECT network_id, id FROM intent
  WHERE state IN ('waiting', 'calling') AND next_try_at <= now()
  ORDER BY next_try_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING network_id, id, kind, subject_id, body::text AS body, actor, correlation_id,
          causation_id, attempts
"""
_END = """
UPDATE intent SET state = $3, problem = $4 WHERE network_id = $1 AND id = $2
AND state = 'calling' AND attempts = $5 RETURNING 1
"""
_LATER = """
UPDATE intent SET state = 'waiting', problem = $3,
       next_try_at = now() + make_interval(secs => $4)
WHERE network_id = $1 AND id = $2 AND state = 'calling' AND attempts = $5
"""


async def claim(database: Database, limit: int = AT_ONCE) -> list[Intent]:
    """Take up to `limit` intents that are due, for the length of a lease."""
    async with database.raw("worker") as raw:
        rows = await raw.fetch(_CLAIM, limit, float(LEASE_SECONDS))
    return [
        Intent(
            network_id=row["network_id"],
            id=row["id"],
            kind=row["kind"],
            subject_id=row["subject_id"],
            body=json.loads(row["body"]),
            actor=parse_actor(row["actor"]),
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
            attempts=row["attempts"],
        )
        for row in rows
    ]


async def run_one(database: Database, errands: Errands, clock: Clock, intent: Intent) -> None:
    """Make the call of one claimed intent and settle what came of it."""
    errand = errands[intent.kind]
    try:
        if errand.ask is not None:
            intent = replace(intent, facts=await errand.ask(intent))
            await hit(f"errand.{intent.kind}.asked")
        if errand.prepare is not None:
            context = Context(intent.network_id, intent.actor, clock.now(), intent.correlation_id)
            async with database.work(context, errand.locks(intent), role="worker") as work:
                await become_app(work)
                intent = replace(intent, facts=await errand.prepare(work, intent))
            await hit(f"errand.{intent.kind}.prepared")
        outcome = await errand.call(intent)
        await hit(f"errand.{intent.kind}.after_call")
    except TryLater as later:
        if intent.attempts < errand.attempts_max:
            await _later(database, intent, later)
            return
        await _end(database, errand, clock, intent, "given_up", later.reason, None)
        return
    await _end(database, errand, clock, intent, "done", None, outcome)


async def _end(
    database: Database,
    errand: Errand,
    clock: Clock,
    intent: Intent,
    state: str,
    problem: str | None,
    outcome: Any,
) -> None:
    # Cause and flow are the intent's; the time is the clock's, as the outcome comes from outside.
    context = Context(intent.network_id, intent.actor, clock.now(), intent.correlation_id)
    async with database.work(context, errand.locks(intent), role="worker") as work:
        arguments = (intent.network_id, intent.id, state, problem, intent.attempts)
        if not await work.raw.fetchval(_END, *arguments):
            return
        await become_app(work)
        if state == "done":
            await errand.settle(work, intent, outcome)
        else:
            await errand.give_up(work, intent, problem or "unknown")


async def _later(database: Database, intent: Intent, later: TryLater) -> None:
    pause = later.seconds * 2 ** (intent.attempts - 1) * (0.8 + secrets.randbelow(400) / 1000)
    async with database.raw("worker") as raw:
        arguments = (intent.network_id, intent.id, later.reason, min(pause, 300.0))
        await raw.execute(_LATER, *arguments, intent.attempts)
    asyncio.get_running_loop().call_later(pause, database.signals["intent"].set)


async def run_errands(database: Database, errands: Errands, clock: Clock) -> None:
    """Run errands until cancelled, a few at once: woken by a commit, and every two seconds."""
    wake = database.signals["intent"]
    running: set[asyncio.Task[None]] = set()
    try:
        while True:
            wake.clear()
            running = {task for task in running if not task.done()}
            found: list[Intent] = []
            try:
                if len(running) < AT_ONCE:
                    found = await claim(database, AT_ONCE - len(running))
            except AWAY as error:
                log.warning("errands.unavailable", reason=type(error).__name__)
            for intent in found:
                running.add(asyncio.create_task(_guarded(database, errands, clock, intent)))
            if not found:
                await _until_woken(wake, running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _until_woken(wake: asyncio.Event, running: set[asyncio.Task[None]]) -> None:
    waiting = asyncio.create_task(wake.wait())
    # A full house is woken by a free place, too.
    others = running if len(running) >= AT_ONCE else set()
    try:
        await asyncio.wait(
            {waiting, *others}, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        waiting.cancel()


async def _guarded(database: Database, errands: Errands, clock: Clock, intent: Intent) -> None:
    try:
        await run_one(database, errands, clock, intent)
    except (DomainError, CommitFailed, *AWAY) as error:
        # The lease runs out and the intent is taken up again.
        reason = getattr(error, "code", None) or type(error).__name__
        log.warning("errand.failed", kind=intent.kind, reason=reason)
    except Exception:
        log.exception("errand.fault", kind=intent.kind, attempts=intent.attempts)
