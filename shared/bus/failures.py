"""Which failures pass by themselves and which will come again, and what may be told of them."""

import asyncpg

from shared.bus.consumer_actions import How
from shared.db.database import CommitFailed
from shared.db.failpoints import FailpointHit
from shared.values.errors import DomainError

AWAY_CLASSES = frozenset({"08", "53", "57"})
"""SQLSTATE classes: connection, resources (disk full, too many connections), operator intervention
(shutdown). Nothing else would succeed now."""
AWAY_STATES = frozenset({"25P03"})
"""Ended for having been silent in a transaction."""
TRANSIENT_STATES = frozenset({"40001", "40P01", "40003", "53200", "55P03", "55006"})
"""Serialization, deadlock, completion unknown, out of memory (also of shared memory: fewer locks
may fit), lock not available, object in use. Others may succeed meanwhile."""

BROKEN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""What says that a connection is of no use any more. asyncpg answers with InternalClientError where
the server ended a connection while it was idle."""


def server_error(error: BaseException) -> asyncpg.PostgresError | None:
    """The server's error behind what was raised."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, asyncpg.PostgresError):
            return found
        found = found.__cause__
    return None


def missing_day(error: BaseException) -> bool:
    """Whether the outbox has no partition for today (SQLSTATE 23514)."""
    found = server_error(error)
    table = str(getattr(found, "table_name", "") or "")
    return found is not None and found.sqlstate == "23514" and table.startswith("outbox")


def judged(error: Exception) -> tuple[How, str]:
    """How an error is to be taken, and a code for it that holds no value.

    Raises FailpointHit, which stands for the death of the process.
    """
    if isinstance(error, FailpointHit):
        raise error
    if isinstance(error, DomainError):
        return ("transient" if error.kind in {"busy", "unavailable"} else "permanent", error.code)
    found = server_error(error)
    if found is not None:
        state = str(found.sqlstate)
        constraint = getattr(found, "constraint_name", None)
        return _of_state(state, missing_day(error)), f"{state} {constraint or ''}".strip()
    name = type(error).__name__
    if isinstance(error, TimeoutError):
        return "slow", name
    if isinstance(error, BROKEN):
        return "away", name
    if isinstance(error, CommitFailed):
        return "permanent", "commit_refused"
    return "permanent", name


def _of_state(state: str, day_missing: bool) -> How:
    if state in TRANSIENT_STATES or day_missing:
        return "transient"
    if state in AWAY_STATES or state[:2] in AWAY_CLASSES:
        return "away"
    return "permanent"
