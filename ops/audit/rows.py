"""Audit rows that an operator's tool writes, as the service's own role writes them."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from shared.db.staged import Write

CONNECT_SECONDS = 5


async def write_rows(url: str, rows: Sequence[tuple[UUID, Write]]) -> None:
    """Write rows, each of a network and in a transaction of its own: app sees one at a time.

    url: the app role's, of the service to tell. Raises what `shared.db.pool.AWAY` names; the rows
    before the one that failed are kept.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        for network_id, row in rows:
            async with connection.transaction():
                text = "SELECT set_config('app.network', $1, true)"
                await connection.execute(text, str(network_id))
                await connection.fetchval(row.text, *row.arguments)
    finally:
        await connection.close()
