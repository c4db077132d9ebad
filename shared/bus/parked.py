"""What operators see of parked keys and unreadable records, and what they may ask.

They ask by a row that says who and why; the service's own worker, which has the handlers, does it
(`shared.bus.settle`) and writes the outcome beside it. The rows stay as the record.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import orjson

from shared.values.errors import Invalid, NotFound
from shared.values.ids import new_id

Verb = Literal["retry", "skip", "edit"]

_LIST = """
SELECT k.network_id, k.topic, k.subject, k.kind, k.problem, k.tries, k.since,
  count(e.seq)::int AS held, min(e.seq) AS first_seq
FROM parked_key k LEFT JOIN parked_event e USING (network_id, topic, subject)
GROUP BY k.network_id, k.topic, k.subject ORDER BY k.since
"""
_EVENTS = """
SELECT seq, partition, "offset", headers, value, parked_at FROM parked_event
WHERE network_id = $1 AND topic = $2 AND subject = $3 ORDER BY seq
"""
_ACTIONS = """
SELECT verb, who, why, asked_at, done_at, outcome FROM operator_action
WHERE network_id = $1 AND topic = $2 AND subject = $3 ORDER BY asked_at
"""
_ASK = """
INSERT INTO operator_action (network_id, id, topic, subject, verb, who, why, edited)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_OUTCOME = """
SELECT outcome FROM operator_action WHERE network_id = $1 AND id = $2 AND done_at IS NOT NULL
"""
_COLUMNS = """
SELECT bus_id, topic, partition, "offset", reason, octet_length(value) AS bytes, recorded_at,
  dropped_at, dropped_by, dropped_why
"""
_UNREADABLE = f"""
{_COLUMNS} FROM unreadable WHERE $2 OR dropped_at IS NULL ORDER BY recorded_at DESC LIMIT $1
"""
_RECORD = f"""
{_COLUMNS}, headers FROM unreadable WHERE topic = $1 AND partition = $2 AND "offset" = $3
ORDER BY recorded_at DESC LIMIT 1
"""
_DROP = """
UPDATE unreadable SET value = '', dropped_at = clock_timestamp(), dropped_by = $5, dropped_why = $6
WHERE bus_id = $1 AND topic = $2 AND partition = $3 AND "offset" = $4 AND dropped_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A key that waits: `hole` for an event that has not come, `poison` for one that fails."""

    network_id: UUID
    topic: str
    subject: str
    kind: str
    problem: str
    tries: int
    since: datetime
    held: int
    first_seq: int | None


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event of a parked key: its headers, and which members its data has, never their values."""

    seq: int
    partition: int
    offset: int
    headers: tuple[tuple[str, str], ...]
    members: tuple[str, ...]
    bytes: int
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class Action:
    """What an operator asked, and what became of it."""

    verb: str
    who: str
    why: str
    asked_at: datetime
    done_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that names no subject."""

    bus_id: str
    topic: str
    partition: int
    offset: int
    reason: str
    bytes: int
    recorded_at: datetime
    dropped_at: datetime | None
    dropped_by: str | None
    dropped_why: str | None


async def list_parked(raw: asyncpg.Connection) -> list[ParkedKey]:
    """Every parked key of a service, the oldest first. `raw` is a worker connection."""
    return [ParkedKey(*row) for row in await raw.fetch(_LIST)]


async def find(raw: asyncpg.Connection, subject: str) -> ParkedKey:
    """The parked key of a subject (`appointment/<id>`). Raises NotFound."""
    for key in await list_parked(raw):
        if key.subject == subject:
            return key
    raise NotFound("parked.none", "This subject is not parked in this service.")


async def show(raw: asyncpg.Connection, key: ParkedKey) -> tuple[list[ParkedEvent], list[Action]]:
    """The events that wait, in order, and what was asked about the key before."""
    where = (key.network_id, key.topic, key.subject)
    events = [_event(row) for row in await raw.fetch(_EVENTS, *where)]
    actions = [Action(*row) for row in await raw.fetch(_ACTIONS, *where)]
    return events, actions


async def values(raw: asyncpg.Connection, key: ParkedKey) -> dict[int, bytes]:
    """What the events that wait say, by sequence number: for those alone who may see it."""
    where = (key.network_id, key.topic, key.subject)
    return {row["seq"]: row["value"] for row in await raw.fetch(_EVENTS, *where)}


async def ask(
    raw: asyncpg.Connection,
    key: ParkedKey,
    verb: Verb,
    *,
    who: str,
    why: str,
    edited: bytes | None = None,
) -> UUID:
    """Ask the service to retry a key, to skip its first event, or to give this event another value
    (`edited`) and retry; the id to ask the outcome by.

    Raises Invalid where who, why or the value is not said.
    """
    who, why = _signed(who, why)
    if (verb == "edit") != (edited is not None):
        raise Invalid("parked.no_value", "An edit, and nothing else, comes with a value.")
    action_id = new_id()
    where = (key.network_id, action_id, key.topic, key.subject)
    await raw.execute(_ASK, *where, verb, who, why, edited)
    return action_id


def _signed(who: str, why: str) -> tuple[str, str]:
    if not who.strip() or not why.strip():
        raise Invalid("parked.unsigned", "Say who asks for it, and why.")
    return who.strip(), why.strip()


async def outcome(raw: asyncpg.Connection, network_id: UUID, action_id: UUID) -> str | None:
    """What became of an action; None while no worker has done it."""
    found: str | None = await raw.fetchval(_OUTCOME, network_id, action_id)
    return found


async def list_unreadable(
    raw: asyncpg.Connection, limit: int = 100, *, dropped: bool = False
) -> list[Unreadable]:
    """Records that name no subject, the newest first; with those that were dropped, if asked."""
    return [Unreadable(*row) for row in await raw.fetch(_UNREADABLE, limit, dropped)]


async def find_unreadable(
    raw: asyncpg.Connection, topic: str, partition: int, offset: int
) -> tuple[Unreadable, tuple[tuple[str, int], ...]]:
    """One such record, the newest where several buses had it; and its headers, each with its length
    and without its text, which may be anything. Raises NotFound."""
    row = await raw.fetchrow(_RECORD, topic, partition, offset)
    if row is None:
        raise NotFound("unreadable.none", "This service keeps no such record.")
    *columns, flat = row
    sizes = tuple((name, len(text)) for name, text in zip(flat[::2], flat[1::2], strict=True))
    return Unreadable(*columns), sizes


async def drop_unreadable(
    raw: asyncpg.Connection, record: Unreadable, *, who: str, why: str
) -> bool:
    """Let the bytes of a record go; that it came, who dropped it and why stays. False where that
    was done before. Raises Invalid."""
    where = (record.bus_id, record.topic, record.partition, record.offset)
    done: str = await raw.execute(_DROP, *where, *_signed(who, why))
    return done == "UPDATE 1"


def _event(row: Any) -> ParkedEvent:
    flat = row["headers"]
    return ParkedEvent(
        row["seq"],
        row["partition"],
        row["offset"],
        tuple(zip(flat[::2], flat[1::2], strict=True)),
        _members(row["value"]),
        len(row["value"]),
        row["parked_at"],
    )


def _members(value: bytes) -> tuple[str, ...]:
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        return ()
    return tuple(sorted(read)) if isinstance(read, dict) else ()
