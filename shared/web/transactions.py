"""A route's transaction: begun and committed here, before the reply; run again if that helps."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from starlette.responses import Response

from shared.db.actor import require_patients
from shared.db.bus_tables import make_outbox_days
from shared.db.database import CommitFailed, Database, take_locks
from shared.db.locks import LockKey
from shared.db.pool import AWAY, GONE
from shared.db.staged import Write
from shared.db.work import Context, Work
from shared.values.errors import (
    Busy,
    Conflict,
    DomainError,
    Invalid,
    NotYetHeard,
    Unavailable,
)
from shared.values.ids import new_id
from shared.web.calls import stored_headers
from shared.web.metrics import TRANSACTION_RETRIES

log = structlog.get_logger(__name__)

TRIES = 3
HEAR_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.6)
"""How long a command waits, all in all two seconds, for news that another service may have sent."""
REPLAYED = "Idempotency-Replayed"

_STORED = """
SELECT fingerprint, status, headers::text AS headers, body, patient_ids FROM idempotency
WHERE network_id = $1 AND caller = $2 AND method = $3 AND path = $4 AND key = $5
"""
_STORE = (
    "INSERT INTO idempotency (network_id, caller, method, path, key, id, fingerprint, status,"
    " headers, body, patient_ids) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING 1"
)

SeenAgain = Callable[[Work, Sequence[UUID]], None]
LocksOf = Callable[[Work], Awaitable[Sequence[LockKey]]]
Constraints = dict[str, Callable[[], DomainError]]


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key: it belongs to (network, caller, method, path)."""

    caller: str
    method: str
    path: str
    key: str
    fingerprint: bytes

    @property
    def lock(self) -> str:
        """What the advisory lock of the key is taken on."""
        return f"{self.caller}|{self.method}|{self.path}|{self.key}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transaction needs to know before it starts."""

    context: Context
    locks: Sequence[LockKey] = ()
    locks_read: LocksOf | None = None
    key: Key | None = None
    patients: Sequence[UUID] = ()
    """Whose data the reply holds; known when it is made."""
    seen_again: SeenAgain = lambda _work, _patients: None
    """Records that a stored reply is given to somebody again."""


class _LocksMoved(Exception):
    """What the locks depend on changed while they were waited for."""


@contextmanager
def within_reach() -> Iterator[None]:
    """For what is looked up or written once a transaction has failed: the server may be gone by
    then. Raises Unavailable."""
    try:
        yield
    except GONE as error:
        log.warning("database.unavailable", reason=type(error).__name__)
        raise Unavailable("database.unavailable", "The database is not there.") from None


async def in_transaction(
    database: Database,
    plan: Plan,
    run: Callable[[Work], Awaitable[Response]],
    constraints: Constraints,
) -> Response:
    """Run a route in a transaction and give its response once it is committed.

    A stored reply of the same idempotency key is given instead of a refusal or a second effect.
    Deadlocks and serialization failures are run again, three times in all; what waits five seconds
    for a lock is Busy; a server that is away is Unavailable. NotYetHeard is tried again while the
    event that it waits for may be on its way.
    """
    for pause in HEAR_PAUSES:
        try:
            return await _tried(database, plan, run, constraints)
        except NotYetHeard:
            await asyncio.sleep(pause)
    return await _tried(database, plan, run, constraints)


async def _tried(
    database: Database,
    plan: Plan,
    run: Callable[[Work], Awaitable[Response]],
    constraints: Constraints,
) -> Response:
    for attempt in range(TRIES):
        try:
            return await _once(database, plan, run)
        except DomainError:
            with within_reach():
                stored = await _replay(database, plan)
            if stored is not None:
                return stored
            raise
        except _LocksMoved:
            if attempt == TRIES - 1:
                raise Conflict("row.changed", "It keeps changing; try again.") from None
        except CommitFailed:
            raise Unavailable("database.unavailable", "The data could not be kept.") from None
        except TimeoutError:
            raise Busy("server.busy", "Too much is going on; try again in a moment.") from None
        except asyncpg.PostgresError as error:
            with within_reach():
                stored = await _after_error(database, plan, error, constraints, attempt)
            if stored is not None:
                return stored
        except AWAY as error:
            log.warning("database.unavailable", reason=type(error).__name__)
            raise Unavailable("database.unavailable", "The database is not there.") from None
    raise Busy("server.busy", "Others change the same; try again in a moment.")


async def _once(
    database: Database, plan: Plan, run: Callable[[Work], Awaitable[Response]]
) -> Response:
    lock = plan.key.lock if plan.key else None
    async with database.work(plan.context, plan.locks, key=lock) as work:
        if plan.locks_read is not None:
            keys = await plan.locks_read(work)
            await take_locks(work, keys)
            if set(await plan.locks_read(work)) != set(keys):
                raise _LocksMoved
        response = await run(work)
        if plan.key is not None and response.status_code < 400:
            _store(work, plan.key, response, plan.patients)
        # A refusal that a route answers itself, so that its audit row is kept (calls.refused); but
        # where the key has a reply already, it is that reply which is given.
        elif plan.key is not None and await _stored(work, plan.key) is not None:
            raise Conflict("idempotency.other_request", "This Idempotency-Key was used before.")
    return response


def _store(work: Work, key: Key, response: Response, patients: Sequence[UUID]) -> None:
    arguments = (
        work.network_id,
        key.caller,
        key.method,
        key.path,
        key.key,
        new_id(),
        sha256(key.fingerprint).digest(),
        response.status_code,
        stored_headers(response),
        bytes(response.body),
        list(patients),
    )
    work.stage(Write(_STORE, arguments, 1, "idempotency"))


async def _stored(work: Work, key: Key) -> asyncpg.Record | None:
    where = (work.network_id, key.caller, key.method, key.path, key.key)
    return await work.raw.fetchrow(_STORED, *where)


async def _replay(database: Database, plan: Plan) -> Response | None:
    """The stored reply of the plan's key; Invalid where it was given for another request."""
    key = plan.key
    if key is None:
        return None
    async with database.work(plan.context) as work:
        row = await _stored(work, key)
        if row is None:
            return None
        # Whom somebody may not act for any more is not shown to them again either.
        require_patients(plan.context.actor, row["patient_ids"])
        if row["fingerprint"] != sha256(key.fingerprint).digest():
            raise Invalid(
                "idempotency.other_request", "This Idempotency-Key was used for another request."
            )
        plan.seen_again(work, row["patient_ids"])
    headers = {**orjson.loads(row["headers"]), REPLAYED: "true"}
    return Response(row["body"], row["status"], headers=headers)


async def _after_error(
    database: Database,
    plan: Plan,
    error: asyncpg.PostgresError,
    constraints: Constraints,
    attempt: int,
) -> Response | None:
    """Replay, raise the refusal that the error stands for, or return None to run again."""
    state = str(error.sqlstate)
    details: Any = error
    constraint = str(getattr(details, "constraint_name", "") or "")
    if state == "CB001":
        raise Conflict("idempotency.in_progress", "A request with this key is being worked on.")
    if state == "55P03":
        raise Busy("resource.busy", "Somebody else holds it; try again in a moment.")
    if state in {"40001", "40P01", "53200", "25P03"}:
        TRANSACTION_RETRIES.labels(database.name, state).inc()
        await asyncio.sleep(0.005 * (attempt + 1))
        return None
    if state == "23514" and str(getattr(details, "table_name", "")).startswith("outbox"):
        async with database.raw("app") as raw:
            await make_outbox_days(raw)
        return None
    if state.startswith("23"):
        stored = await _replay(database, plan)
        if stored is not None:
            return stored
        if constraint in constraints:
            raise constraints[constraint]() from None
        if constraint == "idempotency_pkey":
            return None
    if state[:2] in {"08", "57"} or state in {"53300", "53100"}:
        raise Unavailable("database.unavailable", "The database is not there.") from None
    raise error
