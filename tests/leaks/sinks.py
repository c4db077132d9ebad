"""Everything that leaves the stores of a system, name by name, as bytes.

No sink is a service's own table, a body that is kept for a repeated request (it is the reply, and
is read by who may read what it is about), a file of the object store, or the server's files of
those (its tables and its write-ahead log). All else is, and so are messages to people.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from ops import running
from ops.day.databases import opened
from ops.environment import of_operator
from shared.bus.port import Bus
from shared.db.provision import SERVICES
from tests.faults.truth import read_topics
from tests.leaks.place import Place

KEPT = {
    # The payments service keeps the processor's token of a card here and nowhere else.
    "payments.intent": ("payments POST /v1/payments body card_token",),
    # Whoever may have a document is told what its file is called (RFC 6266).
    "headers of replies": ("a picture's name",),
    # To whom, from where, and how to answer: nobody's name, and nothing of the visit but its time.
    "messages": (
        "patients POST /v1/patients body emails/[]",
        "patients PATCH /v1/patients/{patient_id} body emails/[]",
        "appointments POST /v1/clinics body name",
        "appointments POST /v1/clinics body phone",
        "a reminder's code",
    ),
}
"""What may be in a sink, by what it was made for."""
STORES = ("base", "global", "pg_wal", "pg_xact", "pg_multixact", "pg_subtrans", "pg_notify")
"""Folders of the server's data."""
MECHANISM = (
    *("audit", "audit_patient", "audit_seal", "audit_sealer", "timer", "intent", "outbox"),
    *("applied", "parked_key", "parked_event"),
    *("operator_action", "relay_lease", "bus_offset", "unreadable"),
)
IDEMPOTENCY = "SELECT caller, method, path, key, status, headers::text FROM idempotency"
_TABLES = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
AND relnamespace = 'public'::regnamespace ORDER BY 1
"""
_SESSIONS = "SELECT datname, usename, application_name, query FROM pg_stat_activity"


async def sinks(place: Place) -> dict[str, bytes]:
    """All of them, as they are now."""
    found: dict[str, bytes] = {}
    found.update(files(place))
    found.update(await metrics(place.state.urls))
    found.update(await rows(place))
    found.update(await topics(place))
    found["messages"] = messages(place)
    found["spans"] = bytes(place.collector.spans)
    found["refusals"] = bytes(place.refusals)
    found["headers of replies"] = bytes(place.headers)
    found["temporary files, gone by now"] = bytes(place.passing)
    return found


def files(place: Place) -> Iterator[tuple[str, bytes]]:
    """Logs, and whatever else lies about."""
    inside = place.layout.postgres / "pgdata"
    if not inside.exists():  # where the server runs as another user
        (inside,) = [path.parent for path in place.layout.postgres.rglob("PG_VERSION")][:1]
    for path in sorted(place.folder.rglob("*")):
        if not path.is_file() or path.is_relative_to(place.layout.objects):
            continue
        if path.is_relative_to(inside) and _is_store(path.relative_to(inside)):
            continue
        yield f"file {path.relative_to(place.folder)}", path.read_bytes()


def messages(place: Place) -> bytes:
    """What was sent to people, which is a file each here."""
    return b"\n".join(path.read_bytes() for path in sorted(letters(place).glob("*.txt")))


def letters(place: Place) -> Path:
    """The folder of it."""
    return place.layout.objects / "appointments" / "appointments" / "messages"


def _is_store(path: Path) -> bool:
    """Whether a file of the server is of its tables; what it sorts on disk lies among these."""
    return path.parts[0] in STORES and "pgsql_tmp" not in path.parts


async def metrics(urls: Mapping[str, str]) -> dict[str, bytes]:
    """What each service tells a scraper, and anybody who asks whether it is well."""
    found = {}
    async with httpx.AsyncClient(timeout=10) as http:
        for service, url in urls.items():
            for path in ("metrics", "readyz", "livez"):
                found[f"{path} of {service}"] = (await http.get(f"{url}/{path}")).content
    return found


async def rows(place: Place) -> dict[str, bytes]:
    """The tables of the mechanism, and all of the bus's; what the server's sessions do."""
    found = {}
    for service in SERVICES:
        async with opened(place.superuser_url, service) as connection:
            for table in MECHANISM:
                read = await connection.fetch(f"SELECT * FROM {table}")
                found[f"{service}.{table}"] = written(read)
            found[f"{service}.idempotency"] = written(await connection.fetch(IDEMPOTENCY))
    found.update(await tables(place, "bus"))
    async with opened(place.superuser_url, "bus") as connection:
        found["sessions"] = written(await connection.fetch(_SESSIONS))
    return found


async def tables(place: Place, database: str) -> dict[str, bytes]:
    """Every table of a database, by both names."""
    found = {}
    async with opened(place.superuser_url, database) as connection:
        for row in await connection.fetch(_TABLES):
            read = await connection.fetch(f'SELECT * FROM "{row[0]}"')
            found[f"{database}.{row[0]}"] = written(read)
    return found


def written(read: Iterable[asyncpg.Record]) -> bytes:
    """Rows as bytes: what is bytes already as it is."""
    return b"\n".join(b" ".join(_flat(value) for value in row.values()) for row in read)


def _flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, list | tuple):
        return b" ".join(_flat(each) for each in value)
    return str(value).encode()


async def topics(place: Place) -> dict[str, bytes]:
    """Every record of every topic: key, headers, value."""
    bus: Bus = running.bus_of(of_operator(place.layout))
    try:
        records, _ = await read_topics(bus)
    finally:
        await bus.close()
    found: dict[str, list[bytes]] = {}
    for record in records:
        parts = [record.key or "", *(text for pair in record.headers for text in pair)]
        line = " ".join(parts).encode() + b" " + record.value
        found.setdefault(f"topic {record.topic}", []).append(line)
    return {name: b"\n".join(lines) for name, lines in found.items()}


async def commands(place: Place, subject_id: str) -> dict[str, bytes]:
    """What an operator is told."""
    network = ("--network", str(place.network))
    asked = (
        ("parked", "list"),
        ("unreadable", "list"),
        ("trace", subject_id, *network),
        ("status",),
    )
    said = await asyncio.gather(*(place.command(*words) for words in asked))
    return {f"command {words[0]}": each for words, each in zip(asked, said, strict=True)}


EVENT = b"event: event"
"""How an event begins in the stream."""


async def monitor(place: Place, seconds: float = 3.0) -> bytes:
    """What the event monitor says of itself, and streams to who may not see values."""
    from ops.ports import Ports

    port = Ports.free().of["kafka"]
    saying = asyncio.create_task(_until_cancelled(place, port))
    heard = b""
    headers = {"Authorization": f"Bearer {place.token('ops')}"}
    end = asyncio.get_running_loop().time() + 20
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=seconds)) as http:
            # On Kafka a first answer may take longer than a look at the stream.
            while EVENT not in heard and asyncio.get_running_loop().time() < end:
                try:
                    url = f"http://127.0.0.1:{port}"
                    heard += (await http.get(f"{url}/state", headers=headers)).content
                    query = {"last": "500"}
                    async with http.stream(
                        "GET", f"{url}/events", params=query, headers=headers
                    ) as stream:
                        async for chunk in stream.aiter_bytes():
                            heard += chunk
                except httpx.ConnectError:
                    await asyncio.sleep(0.1)
                except httpx.ReadTimeout:
                    continue
    finally:
        saying.cancel()
        (said,) = await asyncio.gather(saying, return_exceptions=True)
    assert EVENT in heard, heard[:500]
    return heard + (said if isinstance(said, bytes) else b"")


async def _until_cancelled(place: Place, port: int) -> bytes:
    """Run the monitor until cancelled; all that it said."""
    import sys

    from ops.layout import CHECKOUT

    with (place.folder / "monitor.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", "monitor"),
            *("--port", str(port), "--data", str(place.layout.root)),
            cwd=CHECKOUT,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
    return (place.folder / "monitor.log").read_bytes()
