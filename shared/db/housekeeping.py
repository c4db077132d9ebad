"""What has had its time: replies kept for repeated requests are forgotten after 72 hours."""

import asyncio

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


async def run_housekeeping(database: Database) -> None:
    """Forget what has had its time, once an hour, until cancelled."""
    while True:
        try:
            await forget_replies(database)
        except AWAY as error:
            log.warning("housekeeping.unavailable", reason=type(error).__name__)
        await asyncio.sleep(EVERY_SECONDS)
