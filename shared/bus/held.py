"""Events that wait with their key: which may go on now, the first of a key, its end."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from shared.bus.delivery import Delivery, Key, delivery_of
from shared.bus.port import Record
from shared.bus.subscriptions import Subscriptions

_HEALED = """
SELECT DISTINCT k.network_id, k.topic, k.subject FROM parked_key k
JOIN parked_event e USING (network_id, topic, subject)
LEFT JOIN applied a USING (network_id, topic, subject)
WHERE k.kind = 'hole' AND e.seq <= coalesce(a.seq, 0) + 1 LIMIT $1
"""
_HEAD = """
SELECT seq, partition, "offset", key, headers, value FROM parked_event
WHERE network_id = $1 AND topic = $2 AND subject = $3 ORDER BY seq LIMIT 1
"""
_DROP = """
DELETE FROM parked_event WHERE network_id = $1 AND topic = $2 AND subject = $3 AND seq <= $4
"""
_LET_GO = """
DELETE FROM parked_key k WHERE network_id = $1 AND topic = $2 AND subject = $3 AND NOT EXISTS (
  SELECT 1 FROM parked_event e WHERE e.network_id = k.network_id AND e.topic = k.topic
    AND e.subject = k.subject)
"""


async def healed(raw: asyncpg.Connection, most: int) -> Sequence[tuple[UUID, Key]]:
    """Keys, with their networks, that waited for an event which has come; `most` at once."""
    rows = await raw.fetch(_HEALED, most)
    return [(row["network_id"], (row["topic"], row["subject"])) for row in rows]


async def first_of(raw: asyncpg.Connection, network_id: UUID, key: Key) -> Any:
    """The row of a key's first event; None where none waits."""
    return await raw.fetchrow(_HEAD, network_id, *key)


def delivery_held(key: Key, row: Any, subscriptions: Subscriptions) -> Delivery:
    """An event that waits, as it was delivered. Raises TypeError for one that names no subject,
    which is never held."""
    flat = row["headers"]
    headers = tuple(zip(flat[::2], flat[1::2], strict=True))
    record = Record(key[0], row["partition"], row["offset"], row["key"], headers, row["value"])
    found = delivery_of(record, subscriptions.known, subscriptions.locks)
    if not isinstance(found, Delivery):
        raise TypeError(f"a parked event of {key[0]} is unreadable: {found.reason}")
    return found


async def let_go(raw: asyncpg.Connection, network_id: UUID, key: Key, seq: int) -> None:
    """Drop a key's events to this number; without any, the key waits no more."""
    await raw.execute(_DROP, network_id, *key, seq)
    await raw.execute(_LET_GO, network_id, *key)
