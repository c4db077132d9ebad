"""What has had its time: replies kept for repeated requests are forgotten after 72 hours, and days
of the outbox are dropped when the archive's age is set and everything in them is on the bus."""

import asyncio

import asyncpg
import structlog

from shared.db.database import Database
from shared.db.pool import AWAY

log = structlog.get_logger(__name__)

KEEP_HOURS = 72
EVERY_SECONDS = 3600.0
BATCH = 5_000

_FORGET = """
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM idempotency WHERE created_at < now() - make_interval(hours => $1) LIMIT $2))
"""


async def forget_replies(database: Database) -> int:
    """Delete replies older than 72 hours (real time, as retries are), in batches. How many."""
    forgotten = 0
    while True:
        async with database.raw("worker") as raw:
            tag = await raw.execute(_FORGET, KEEP_HOURS, BATCH)
        count = int(tag.rpartition(" ")[2])
        forgotten += count
        if count < BATCH:
            return forgotten


async def drop_outbox_days(database: Database, keep_days: int) -> int:
    """Drop the outbox's days that are older and wholly on the bus. How many.

    Raises LockNotAvailableError where a writer was in the way: there is another hour.
    """
    async with database.raw("worker") as raw:
        dropped: int = await raw.fetchval("SELECT outbox_drop_days($1)", keep_days)
    return dropped


async def run_housekeeping(database: Database, outbox_days: int | None = None) -> None:
    """Once an hour, until cancelled. outbox_days: how long the outbox is kept; None for ever."""
    while True:
        try:
            await forget_replies(database)
            if outbox_days is not None:
                dropped = await drop_outbox_days(database, outbox_days)
                log.info("housekeeping.outbox", count=dropped)
        except asyncpg.LockNotAvailableError as error:
            log.info("housekeeping.later", reason=type(error).__name__)
        except AWAY as error:
            log.warning("housekeeping.unavailable", reason=type(error).__name__)
        await asyncio.sleep(EVERY_SECONDS)
