"""Write the audit of a running system into a folder, for `ops.audit.verify` or for an auditor."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from ops.audit.rows import CONNECT_SECONDS
from shared.db.audit_seals import CANONICAL, INSTANT, LEAF_BYTES

_NETWORKS = """
SELECT network_id FROM (
  SELECT network_id FROM audit WHERE $1::uuid IS NULL OR network_id = $1
  UNION SELECT network_id FROM audit_seal WHERE $1::uuid IS NULL OR network_id = $1) known
ORDER BY 1
"""
_SEALS = f"""
SELECT seq, rows, leaves, previous, head, {INSTANT.format("sealed_at")} AS sealed_at
FROM audit_seal WHERE network_id = $1 ORDER BY seq
"""
_ROWS = f"SELECT id, {CANONICAL} AS line FROM audit WHERE network_id = $1 AND id = ANY($2)"
_UNSEALED = f"""
WITH sealed AS MATERIALIZED (
  SELECT encode(substring(leaves FROM {LEAF_BYTES} * n + 1 FOR 16), 'hex')::uuid AS id
  FROM audit_seal, generate_series(0, rows - 1) n WHERE network_id = $1)
SELECT {CANONICAL} AS line FROM audit
WHERE network_id = $1 AND NOT EXISTS (SELECT 1 FROM sealed WHERE sealed.id = audit.id)
ORDER BY recorded_at, id
"""


async def networks_of(url: str, network: UUID | None = None) -> list[UUID]:
    """The networks that a service has rows or seals of. network: that one, if it is among them.

    url: as a role that sees every network.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        return [row["network_id"] for row in await connection.fetch(_NETWORKS, network)]
    finally:
        await connection.close()


async def export(
    urls: Mapping[str, str],
    folder: Path,
    networks: Mapping[str, Sequence[UUID]],
    *,
    whole: bool,
) -> dict[str, int]:
    """Write rows and seals as one moment of each service had them; how many rows of each.

    urls: of each service, as a role that sees every network. networks: which of each service; it
    is for whoever calls this to have it on record (`ops.audit.on_record`). whole: they are all
    there were. Raises FileExistsError where the folder has something in it already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    counts = {}
    for service, chosen in networks.items():
        connection = await asyncpg.connect(urls[service])
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                written = [
                    await _network(connection, folder / service / str(each), each)
                    for each in chosen
                ]
                counts[service] = sum(written)
        finally:
            await connection.close()
    told = {
        "services": list(networks),
        "networks": "all" if whole else sorted({str(n) for ns in networks.values() for n in ns}),
        "exported_at": datetime.now(UTC).isoformat(),
    }
    (folder / "export.json").write_text(json.dumps(told, indent=2) + "\n")
    return counts


async def _network(connection: asyncpg.Connection, folder: Path, network: UUID) -> int:
    folder.mkdir(parents=True)
    count = 0
    with (
        (folder / "seals.jsonl").open("w", encoding="utf-8") as seals,
        (folder / "rows.jsonl").open("w", encoding="utf-8") as rows,
        (folder / "unsealed.jsonl").open("w", encoding="utf-8") as unsealed,
    ):
        async for seal in connection.cursor(_SEALS, network, prefetch=20):
            leaves: bytes = seal["leaves"]
            told = {
                "seq": seal["seq"],
                "rows": seal["rows"],
                "leaves": base64.b64encode(leaves).decode(),
                "previous": seal["previous"].hex(),
                "head": seal["head"].hex(),
                "sealed_at": seal["sealed_at"],
            }
            seals.write(json.dumps(told) + "\n")
            ids = [UUID(bytes=leaves[at : at + 16]) for at in range(0, len(leaves), LEAF_BYTES)]
            lines = {r["id"]: r["line"] for r in await connection.fetch(_ROWS, network, ids)}
            # One that is not there any more is left out: that is for the verifier to find.
            rows.writelines(lines[each] + "\n" for each in ids if each in lines)
            count += len(lines)
        async for row in connection.cursor(_UNSEALED, network, prefetch=500):
            unsealed.write(row["line"] + "\n")
            count += 1
    return count
