"""Canaries put into sinks on purpose, so that it is seen that they would be found there."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx

from ops.day.databases import opened
from tests.leaks.place import Place

_COLUMNS = """
SELECT column_name AS name,
       CASE data_type WHEN 'ARRAY' THEN ltrim(udt_name, '_') || '[]' ELSE data_type END AS type,
       is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
         AND is_generated = 'NEVER' AS needed
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
ORDER BY ordinal_position DESC
"""
_FITS = {"text": "$1::text", "bytea": "convert_to($1, 'UTF8')", "jsonb": "to_jsonb($1::text)"}
_FITS |= {"text[]": "ARRAY[$1::text]"}
_OTHERS = {"uuid": "gen_random_uuid()", "integer": "1", "bigint": "1", "date": "current_date"}
_OTHERS |= {"timestamp with time zone": "now()"}
_CHECKED = {("operator_action", "verb"): "'retry'", ("parked_key", "kind"): "'poison'"}
"""Columns that hold one of a few words."""

_STORES = {("idempotency", "body"), ("idempotency", "fingerprint")}
_STORES |= {("audit_sealer", "last_anchor")}
"""Columns that are no sink: the reply that is kept, and hashes."""
_ADDED = {"topic", "relay_lease", "bus_offset", "member", "claim", "producer", "group_offset"}
"""Tables whose rows others cannot do without, or write again all the time."""


async def in_table(place: Place, database: str, table: str, canary: str) -> bool:
    """Put it into a column of a row of a table; into a new row where there is none.

    Whether that could be: a table without a text holds no canary.
    """
    async with opened(place.superuser_url, database) as connection:
        await connection.execute("SET session_replication_role = replica")  # no trigger, no key
        columns = await connection.fetch(_COLUMNS, table)
        there = await connection.fetchval(f'SELECT count(*) FROM "{table}"')
        wanted = [c for c in columns if c["type"] in _FITS and (table, c["name"]) not in _STORES]
        if wanted and (not there or table in _ADDED):
            await _insert(connection, table, columns, canary)
            return True
        for column in wanted:
            fits = _FITS[column["type"]]
            one = f'(SELECT tableoid, ctid FROM "{table}" LIMIT 1)'
            try:
                done = await connection.execute(
                    f'UPDATE "{table}" SET "{column["name"]}" = {fits}'
                    f" WHERE (tableoid, ctid) IN {one}",
                    canary,
                )
            except asyncpg.IntegrityConstraintViolationError:
                continue  # it may hold only some words
            assert done == "UPDATE 1", f"{database}.{table}: {done}"
            return True
    return False


async def _insert(
    connection: asyncpg.Connection, table: str, columns: list[Any], canary: str
) -> None:
    values = {
        c["name"]: _CHECKED.get((table, c["name"])) or _FITS.get(c["type"]) or _OTHERS[c["type"]]
        for c in columns
        if c["needed"]
    }
    names = ", ".join(f'"{name}"' for name in values)
    await connection.execute(
        f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(values.values())})', canary
    )


@asynccontextmanager
async def in_a_session(place: Place, canary: str) -> AsyncIterator[None]:
    """Somebody's last statement holds it."""
    async with opened(place.superuser_url, "patients") as connection:
        await connection.execute(f"SELECT '{canary}'")
        yield


async def in_spans(place: Place, canary: str) -> None:
    """A process tells of it in a span."""
    url = f"http://127.0.0.1:{place.collector.port}/v1/traces"
    packed = {"Content-Encoding": "gzip"}
    answer = await place.http.post(url, content=gzip.compress(canary.encode()), headers=packed)
    assert answer.status_code == 200


@asynccontextmanager
async def teller(status: int, headers: Mapping[str, str], body: str = "") -> AsyncIterator[str]:
    """A server that answers everything with this; its URL."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    told = "\r\n".join([*lines, "Connection: close", "", body]).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(told)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def in_an_answer(place: Place, status: int, *, header: str = "", body: str = "") -> None:
    """A client is told."""
    async with teller(status, {"X-Told": header}, body) as url:
        await place.send(httpx.Request("GET", url))
