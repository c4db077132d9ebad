"""Ends sessions whose client fell silent between the parts of a statement.

A transaction that is silent between two statements is ended by the server (`SILENCE_TIMEOUT`). A
client that had a statement parsed and is frozen before it asks for its rows leaves a session that
counts as active: no timeout of Postgres 16 ends it (`transaction_timeout` does, from 17 on), its
locks stay taken, and the relays of all services read behind it.
"""

import asyncio

import structlog

from shared.db.database import Database
from shared.db.pool import AWAY, SILENCE_TIMEOUT

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0

# A role sees and ends its own sessions alone, so each of the two is asked; that of requests last,
# since its pool may be full of those that wait for just such a lock.
_END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE usename = current_user AND state = 'active' AND wait_event = 'ClientRead'
  AND state_change < clock_timestamp() - $1::text::interval
"""


async def end_silent(database: Database, longer_than: str = SILENCE_TIMEOUT) -> int:
    """End sessions of the service's two roles that wait for their client in a statement. How many.

    longer_than: an interval as Postgres writes it.
    """
    ended = 0
    for role in ("worker", "app"):
        async with database.raw(role) as raw:
            ended += await raw.fetchval(_END, longer_than)
    return ended


async def run_silence(
    database: Database, seconds: float = EVERY_SECONDS, longer_than: str = SILENCE_TIMEOUT
) -> None:
    """Look every so many seconds, until cancelled. The database may come and go."""
    while True:
        await asyncio.sleep(seconds)
        try:
            ended = await end_silent(database, longer_than)
        except AWAY as error:
            log.info("silence.unread", service=database.name, reason=type(error).__name__)
            continue
        if ended:
            log.warning("silence.ended", service=database.name, count=ended)
