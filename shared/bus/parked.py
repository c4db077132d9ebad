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

Verb = Literal["retry", "skip"]

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
INSERT INTO operator_action (network_id, id, topic, subject, verb, who, why)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_OUTCOME = """
SELECT outcome FROM operator_action WHERE network_id = $1 AND id = $2 AND done_at IS NOT NULL
"""
_UNREADABLE = """
SELECT bus_id, topic, partition, "offset", reason, octet_length(value) AS bytes, recorded_at
FROM unreadable ORDER BY recorded_at DESC LIMIT $1
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


async def ask(raw: asyncpg.Connection, key: ParkedKey, verb: Verb, *, who: str, why: str) -> UUID:
    """Ask the service to retry a key or to skip its first event; the id to ask the outcome by.

    Raises Invalid where who or why is not said.
    """
    if not who.strip() or not why.strip():
        raise Invalid("parked.unsigned", "Say who asks for it, and why.")
    action_id = new_id()
    where = (key.network_id, action_id, key.topic, key.subject)
    await raw.execute(_ASK, *where, verb, who.strip(), why.strip())
    return action_id


async def outcome(raw: asyncpg.Connection, network_id: UUID, action_id: UUID) -> str | None:
    """What became of an action; None while no worker has done it."""
    found: str | None = await raw.fetchval(_OUTCOME, network_id, action_id)
    return found


async def list_unreadable(raw: asyncpg.Connection, limit: int = 100) -> list[Unreadable]:
    """Records that name no subject, the newest first."""
    return [Unreadable(*row) for row in await raw.fetch(_UNREADABLE, limit)]


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
