"""Which failures pass by themselves and which will come again, and what may be told of them."""

from typing import Literal

import asyncpg

from shared.db.database import CommitFailed
from shared.db.failpoints import FailpointHit
from shared.values.errors import DomainError

TRANSIENT_CLASSES = frozenset({"08", "40", "53", "57"})
"""SQLSTATE classes: connection, transaction rollback (serialization, deadlock), resources (also out
of shared memory), operator intervention (shutdown)."""
TRANSIENT_STATES = frozenset({"55P03", "55006", "25P03"})
"""Lock not available, object in use, ended for having been silent in a transaction."""

BROKEN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""What says that a connection is of no use any more. asyncpg answers with InternalClientError where
the server ended a connection while it was idle."""

How = Literal["transient", "slow", "permanent"]


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
        passes = state[:2] in TRANSIENT_CLASSES or state in TRANSIENT_STATES or missing_day(error)
        return ("transient" if passes else "permanent", f"{state} {constraint or ''}".strip())
    name = type(error).__name__
    if isinstance(error, TimeoutError):
        return "slow", name
    if isinstance(error, BROKEN):
        return "transient", name
    if isinstance(error, CommitFailed):
        return "permanent", "commit_refused"
    return "permanent", name
