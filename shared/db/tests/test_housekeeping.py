"""A reply is kept for 72 hours and then forgotten."""

from uuid import UUID

import asyncpg

from shared.db.database import Database
from shared.db.housekeeping import forget_replies
from shared.values.ids import new_id

_STORE = """
INSERT INTO idempotency (network_id, caller, method, path, key, id, fingerprint, status, headers,
  body, created_at)
VALUES ($1, 'c', 'POST', '/x', $2, $3, '\\x00', 201, '{}', '\\x00', now() - $4 * interval '1 hour')
"""


async def test_only_what_is_older_than_three_days_is_forgotten(
    gamma: Database, watcher: asyncpg.Connection, network_id: UUID
) -> None:
    for key, hours in (("old", 73), ("young", 71), ("new", 0)):
        await watcher.execute(_STORE, network_id, key, new_id(), hours)
    assert await forget_replies(gamma) == 1
    rows = await watcher.fetch(
        "SELECT key FROM idempotency WHERE network_id = $1 ORDER BY key", network_id
    )
    assert [row["key"] for row in rows] == ["new", "young"]
