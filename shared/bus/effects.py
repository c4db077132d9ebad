"""What one transaction of a subscriber does: the fence, the judgement of each event, the effect."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from shared.bus.consumer_actions import Moves
from shared.bus.delivery import Delivery, Key, Parked, Unread, Verdict, verdict
from shared.bus.subscriptions import Subscriptions
from shared.bus.tracing import handled
from shared.contracts.envelope import Headers
from shared.db.work import Work

ROWS_AT_ONCE = 32
"""Of handlers that only add rows, this many go to the server in one statement."""

_MOVE = """
UPDATE bus_offset o SET next_offset = n.goes
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) n(topic, part, stands, goes)
WHERE o.bus_id = $1 AND o.topic = n.topic AND o.partition = n.part AND o.next_offset = n.stands
"""
_STANDING = """
SELECT u.topic, u.subject, a.seq, k.kind FROM unnest($2::text[], $3::text[]) u(topic, subject)
LEFT JOIN applied a ON a.network_id = $1 AND a.topic = u.topic AND a.subject = u.subject
LEFT JOIN parked_key k ON k.network_id = $1 AND k.topic = u.topic AND k.subject = u.subject
"""
_APPLIED = """
INSERT INTO applied (network_id, topic, subject, seq, event_id)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[])
ON CONFLICT (network_id, topic, subject)
DO UPDATE SET seq = excluded.seq, event_id = excluded.event_id WHERE applied.seq < excluded.seq
"""
_PARK_KEY = """
INSERT INTO parked_key (network_id, topic, subject, kind, problem, retry_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second')
ON CONFLICT (network_id, topic, subject) DO UPDATE
  SET kind = excluded.kind, problem = excluded.problem, tries = parked_key.tries + 1,
    retry_at = excluded.retry_at
"""
_PARK_EVENT = """
INSERT INTO parked_event (network_id, topic, subject, seq, partition, "offset", key, headers, value)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING
"""
_UNREADABLE = """
INSERT INTO unreadable (bus_id, topic, partition, "offset", key, headers, value, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""


class OffsetsMoved(Exception):
    """The stored offsets are not where this member left them. Nothing of the transaction stays."""


@dataclass(slots=True)
class Standing:
    """How far a subject has been heard, and whether its key waits."""

    applied: int
    parked: Parked | None
    event_id: UUID | None = None


async def move_offsets(raw: asyncpg.Connection, bus_id: str, moves: Moves) -> None:
    """Move stored offsets from where we left them. Raises OffsetsMoved; the fence of a zombie."""
    if not moves.of:
        return
    topics = [key[0] for key, _, _ in moves.of]
    numbers = [key[1] for key, _, _ in moves.of]
    stands = [start for _, start, _ in moves.of]
    goes = [end for _, _, end in moves.of]
    tag: str = await raw.execute(_MOVE, bus_id, topics, numbers, stands, goes)
    if tag != f"UPDATE {len(moves.of)}":
        raise OffsetsMoved


async def standing_of(
    raw: asyncpg.Connection, network_id: UUID, keys: Iterable[Key]
) -> dict[Key, Standing]:
    """Where each key stands. Needs the keys' locks."""
    wanted = sorted(set(keys))
    rows = await raw.fetch(_STANDING, network_id, [k[0] for k in wanted], [k[1] for k in wanted])
    return {(row[0], row[1]): Standing(row[2] or 0, row[3]) for row in rows}


async def apply_all(
    work: Work,
    deliveries: Sequence[Delivery],
    subscriptions: Subscriptions,
    tally: Counter[str],
) -> bool:
    """Judge and apply deliveries of one network in order, as app; whether a hole was filled.

    tally: takes what became of them, which is true once the transaction is committed.
    Raises whatever a handler raises; the transaction is then given up as a whole.
    """
    standing = await standing_of(work.raw, work.network_id, (d.key for d in deliveries))
    moved: dict[Key, Standing] = {}
    healed = False
    for delivery in deliveries:
        at = standing[delivery.key]
        found = verdict(delivery.envelope.subject_seq, at.applied, at.parked)
        tally[_outcome(found, delivery)] += 1
        if found is Verdict.REPEAT:
            continue
        if found is Verdict.PARK:
            if at.parked is None:
                at.parked = "hole"
                await park_key(work.raw, delivery, "hole", f"waits for {at.applied + 1}")
            await hold(work.raw, delivery)
        elif delivery.problem is not None:
            at.parked = "poison"
            await park_key(work.raw, delivery, "poison", delivery.problem)
            await hold(work.raw, delivery)
        else:
            await take_effect(work, delivery, subscriptions)
            at.applied, at.event_id = delivery.envelope.subject_seq, delivery.envelope.id
            moved[delivery.key] = at
            healed = healed or at.parked == "hole"
    await write_applied(work.raw, work.network_id, moved)
    return healed


def _outcome(found: Verdict, delivery: Delivery) -> str:
    if found is Verdict.REPEAT:
        return "repeat"
    if found is Verdict.PARK or delivery.problem is not None:
        return "parked"
    return "applied" if delivery.event is not None else "unheard"


async def take_effect(work: Work, delivery: Delivery, subscriptions: Subscriptions) -> None:
    """Run the handler of an event, if there is one, and write what it staged."""
    if delivery.event is None:
        return
    work.caused_by(delivery.envelope)
    handler = subscriptions.handlers[type(delivery.event)]
    with handled(work, delivery):
        async with asyncio.timeout(subscriptions.handler_seconds):
            await handler(work, delivery.envelope, delivery.event)
            await work.keep_adding(ROWS_AT_ONCE)


async def write_applied(
    raw: asyncpg.Connection, network_id: UUID, moved: dict[Key, Standing]
) -> None:
    """Record how far subjects have been heard."""
    if not moved:
        return
    keys = sorted(moved)
    columns: tuple[list[Any], ...] = (
        [key[0] for key in keys],
        [key[1] for key in keys],
        [moved[key].applied for key in keys],
        [moved[key].event_id for key in keys],
    )
    await raw.execute(_APPLIED, network_id, *columns)


async def park_key(
    raw: asyncpg.Connection,
    delivery: Delivery,
    kind: Parked,
    problem: str,
    *,
    seconds: float | None = None,
) -> None:
    """Let a key wait from this delivery on. `problem` is a code, never a value. seconds: how long a
    `retry` waits."""
    key = (delivery.envelope.network_id, *delivery.key)
    await raw.execute(_PARK_KEY, *key, kind, problem, seconds)


async def hold(raw: asyncpg.Connection, delivery: Delivery) -> None:
    """Keep an event of a parked key, with its bytes; nothing where it is held already."""
    record = delivery.record
    await raw.execute(
        _PARK_EVENT,
        delivery.envelope.network_id,
        *delivery.key,
        delivery.envelope.subject_seq,
        record.partition,
        record.offset,
        record.key,
        flat(record.headers),
        record.value,
    )


async def keep_unread(raw: asyncpg.Connection, bus_id: str, unread: Sequence[Unread]) -> None:
    """Keep records that belong to nobody, with their bytes."""
    for each in unread:
        record = each.record
        await raw.execute(
            _UNREADABLE,
            bus_id,
            record.topic,
            record.partition,
            record.offset,
            None if record.key is None else _storable(record.key),
            flat(record.headers),
            record.value,
            each.reason,
        )


def flat(headers: Headers) -> list[str]:
    """Headers as the tables keep them: names and texts in turn."""
    return [_storable(text) for pair in headers for text in pair]


def _storable(text: str) -> str:
    # Postgres keeps no NUL in a text; no header of ours has one.
    return text.replace("\x00", "\ufffd")
