"""The sealer of the audit: one a service, in whichever of its workers has the lock.

It looks twice a second, so that a row is sealed within two. Where something waits there is a
transaction, in which seals and the place up to which they go are written together.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import structlog

from shared.db import audit_seals
from shared.db.anchors import Anchors
from shared.db.database import Database
from shared.db.failpoints import FailpointHit, hit
from shared.db.pool import AWAY

log = structlog.get_logger(__name__)

EVERY_SECONDS = 0.5
BATCH = 5_000
OBSERVE_SECONDS = 5.0
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one look did. rows: how many were sealed; more: whether there may be more at once."""

    rows: int
    more: bool


NOTHING = Sealed(0, more=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether there may be rows to seal, and heads that no anchor has. anchored_at: the last one's
    instant."""

    rows: bool = True
    heads: bool = True
    anchored_at: datetime | None = None


async def waiting(database: Database) -> Waiting:
    """What a look would find: one statement, and no lock."""
    async with database.raw("worker") as raw:
        row = await raw.fetchrow(audit_seals.WAITING)
        return Waiting(**row) if row is not None else Waiting()


async def seal(database: Database, batch: int = BATCH) -> Sealed:
    """Seal what is committed, `batch` rows at most. Nothing where another process has the lock."""
    async with database.raw("worker") as raw, raw.transaction():
        if not await raw.fetchval(audit_seals.LOCK):
            return NOTHING
        at = await raw.fetchrow(audit_seals.CURSOR)
        if at is None:
            await raw.execute(audit_seals.BEGIN_SEALING)
            at = await raw.fetchrow(audit_seals.CURSOR)
        if at["restored"]:
            await raw.fetchval("SELECT audit_rebase()")
        text = audit_seals.seal_statement(database.name, restored=at["restored"])
        done = await raw.fetchrow(text, at["xid"], at["id"], batch)
        await hit("audit.sealed")
        if at["restored"]:
            # From here on it is the order of this cluster's transactions again.
            await raw.execute(audit_seals.MOVE, done["before_gate"], _LAST_ID)
            log.warning("audit.restored", service=database.name, count=done["rows"])
        elif done["rows"]:
            await raw.execute(audit_seals.MOVE, done["xid"], done["id"])
        return Sealed(done["rows"], more=done["rows"] >= batch)


async def anchor(database: Database, anchors: Anchors) -> bool:
    """Write down outside what the heads are, where it is time and one has moved. Whether it did.

    Raises OSError where it cannot be written. In a transaction of its own: a head that was written
    down is one that is committed. Where this one fails afterwards, the next has the same number.
    """
    async with database.raw("worker") as raw, raw.transaction():
        if not await raw.fetchval(audit_seals.LOCK):
            return False
        before = await raw.fetchrow(audit_seals.ANCHORED)
        if before is None or not anchors.is_due(before["anchored_at"]):
            return False
        heads = await raw.fetch(audit_seals.HEADS, before["anchored_at"] or _EPOCH)
        if not heads:
            return False
        number = before["anchors"] + 1
        line = anchors.written(database.name, number, before["last_anchor"], map(dict, heads))
        await hit("audit.anchor_written")
        await raw.execute(audit_seals.ANCHOR, number, sha256(line.encode()).digest())
        return True


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds: how long the oldest row has waited for its seal, the oldest seal for an anchor."""

    unsealed: float = 0.0
    unanchored: float = 0.0


async def ages(database: Database) -> Ages:
    """How far behind the sealer is."""
    async with database.raw("worker") as raw:
        row = await raw.fetchrow(audit_seals.AGES)
        return Ages(**row) if row is not None else Ages()


async def run_sealer(
    database: Database,
    anchors: Anchors | None = None,
    observe: Callable[[Ages], object] = lambda _: None,
    every_seconds: float = EVERY_SECONDS,
) -> None:
    """Seal until cancelled. observe: is told now and then how far behind it is."""
    said = -1e9
    problem: str | None = None
    while True:
        try:
            there = await waiting(database)
            done = await seal(database) if there.rows else NOTHING
            # Before anchoring, which may fail for as long as its place is full.
            if time.monotonic() - said > OBSERVE_SECONDS:
                said = time.monotonic()
                observe(await ages(database))
            moved = there.heads or done.rows > 0
            if anchors is not None and moved and anchors.is_due(there.anchored_at):
                await anchor(database, anchors)
            problem = None
        except (*AWAY, FailpointHit) as error:
            done = NOTHING
            if problem != type(error).__name__:
                problem = type(error).__name__
                log.warning("audit.not_sealed", service=database.name, reason=problem)
        if not done.more:
            await asyncio.sleep(every_seconds)
