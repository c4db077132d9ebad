"""What goes wrong in a system, with canaries in it: refusals, failing statements, deaths."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from urllib.parse import quote

import httpx

from ops import running
from ops.day.databases import opened
from ops.environment import of_operator
from ops.generate import services
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from tests.faults.town import until
from tests.faults.truth import read_topics
from tests.journeys.walk import MULTIPART, Operation, operations_of
from tests.leaks.canaries import email, plain, text
from tests.leaks.place import Place
from tests.leaks.walk import Person, Walk
from tests.leaks.walk_book import book
from tests.leaks.walk_money import scan

HEADERS = (
    *("User-Agent", "Referer", "X-Request-Id", "X-Correlation-Id", "X-Forwarded-For", "Origin"),
    *("Accept", "Accept-Language", "Forwarded", "From", "traceparent", "tracestate", "baggage"),
)
"""What a client may send of itself; some of it libraries like to write down."""
MACHINES = ("portal", "ehr_client", "service")
"""Roles whose tokens say more than a role."""
AT_ONCE = 6
CARD = "6011 0009 9013 9424"
"""A number that a processor publishes for tests: it must not be anywhere either."""


@cache
def every_operation() -> tuple[Operation, ...]:
    """All that there is, of all services."""
    return tuple(operations_of(services()))


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def refusals(walk: Walk) -> Iterator[httpx.Request]:
    """Each operation, asked wrongly: by strangers, of strange things, in strange words."""
    for operation in every_operation():
        why = f"asked wrongly: {operation}"
        for wrong in ("token", "network", "role", "path", "query", "body", "card"):
            yield _wrong(walk, operation, wrong, why)


def _wrong(walk: Walk, operation: Operation, wrong: str, why: str) -> httpx.Request:
    place, mint = walk.place, walk.mint

    def fresh() -> str:
        return mint.other(plain, f"{why}, {wrong}")

    roles = operation.roles if wrong != "role" else operation.other_roles
    role = next((r for r in roles if r not in MACHINES), "auditor")
    network = new_id() if wrong == "network" else None
    token = fresh() if wrong == "token" else place.token(role, network, proven=True)
    headers = {name: fresh() for name in HEADERS}
    headers |= {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id())}
    headers |= {"If-Match": '"1"', "Cookie": f"session={fresh()}; person={fresh()}"}
    ids = every_id(walk)
    if wrong == "path":
        ids = {name: quote(mint.other(text, f"{why}, path")) for name in ids}
    at = place.state.urls[operation.service] + operation.path.format(**ids)
    if wrong in ("path", "query"):
        at += (
            f"?{fresh()}={quote(mint.other(text, f'{why}, query'))}&email={mint.other(email, why)}"
        )
    body: bytes | None = None
    if operation.media == MULTIPART:
        headers["Content-Type"] = f"{MULTIPART}; boundary=b"
        body = f"--b\r\nContent-Disposition: form-data; name={fresh()}\r\n\r\n{fresh()}".encode()
    elif operation.media is not None:
        headers["Content-Type"] = operation.media
        said = walk.body(operation.service, operation.method, operation.path)
        if wrong == "body":
            said |= {fresh(): {fresh(): [fresh(), fresh()]}}
        if wrong == "card":
            said |= {fresh(): f"{fresh()} {CARD}"}
        body = json.dumps(said).encode()[: -1 if wrong == "query" else None]
    return httpx.Request(operation.method, at, headers=headers, content=body)


def every_id(walk: Walk) -> dict[str, str]:
    """An id for each place in a path: of what was walked, else of nothing there is."""
    unknown = {name: str(new_id()) for name in _names_in_paths()}
    return {**unknown, **walk.ids, "subject_id": walk.ids["appointment_id"]}


@cache
def _names_in_paths() -> list[str]:
    paths = " ".join(each.path for each in every_operation())
    return sorted(set(re.findall(r"\{(\w+)\}", paths)))


async def refuse(walk: Walk) -> int:
    """Send all of these; how many were refused."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def send(request: httpx.Request) -> bool:
        async with gate:
            return not (await walk.place.send(request)).is_success

    return sum(await asyncio.gather(*(send(request) for request in refusals(walk))))


async def read_all(walk: Walk) -> int:
    """Read whatever there is, each of which must be there; how much it was."""
    found, ids = 0, every_id(walk)
    for operation in every_operation():
        if operation.method == "GET":
            role = next(r for r in operation.roles if r not in MACHINES)
            path, query = operation.path.format(**ids), operation._query(ids)
            await walk.place.succeed(role, operation.service, "GET", path, params=query)
            found += 1
    return found


def never_done(place: Place) -> set[str]:
    """The operations that nobody got done."""
    found = set()
    for operation in every_operation():
        path = re.sub(r"\\{\w+\\}", "[0-9a-f-]{36}", re.escape(operation.path))
        at = re.compile(re.escape(place.state.urls[operation.service]) + path)
        if not any(m == operation.method and at.fullmatch(url) for m, url in place.done):
            found.add(str(operation))
    return found


# ── what fails ───────────────────────────────────────────────────────────────────────────────────

_FAILS = """
CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{canary} %', NEW::text
  USING DETAIL = '{detail} ' || NEW::text, HINT = '{hint}', ERRCODE = '{code}';
END $$;
CREATE TRIGGER planted BEFORE INSERT ON {table}
  FOR EACH ROW EXECUTE FUNCTION planted()
"""
_MENDED = "DROP TRIGGER planted ON {table}; DROP FUNCTION planted()"


@asynccontextmanager
async def failing(walk: Walk, service: str, table: str, code: str = "P0001") -> AsyncIterator[None]:
    """Each row that is put into a table is an error that quotes it, and says more of its own."""
    names = {
        name: walk.mint.other(plain, f"an error's {name}") for name in ("canary", "detail", "hint")
    }
    async with opened(walk.place.superuser_url, service) as connection:
        await connection.execute(_FAILS.format(table=table, code=code, **names))
        try:
            yield
        finally:
            await connection.execute(_MENDED.format(table=table))


@asynccontextmanager
async def refusing(walk: Walk, service: str, table: str) -> AsyncIterator[None]:
    """No row of a table is good enough: Postgres tells the row that failed."""
    async with opened(walk.place.superuser_url, service) as connection:
        await connection.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT planted CHECK (false) NOT VALID"
        )
        try:
            yield
        finally:
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT planted")


async def statements_fail(walk: Walk, person: Person) -> list[int]:
    """Statements with canaries in them end in errors of each kind; what the callers were told."""
    statuses = []
    contact = {"kind": "emergency", "relationship": "spouse"}
    path = "/v1/patients/{patient_id}/contacts"
    for table, code in (("contacts", "P0001"), ("contacts", "22P02"), ("contacts", "23514")):
        async with failing(walk, "patients", table, code):
            body = walk.body("patients", "POST", path, **contact)
            at = path.format(**person.ids)
            answer = await walk.place.ask("front_desk", "patients", "POST", at, body)
            statuses.append(answer.status_code)
    async with refusing(walk, "patients", "patients"):
        body = walk.body("patients", "POST", "/v1/patients", "death_date")
        answer = await walk.place.ask("front_desk", "patients", "POST", "/v1/patients", body)
        statuses.append(answer.status_code)
    async with refusing(walk, "documents", "documents"):
        try:
            await scan(walk, person)
        except AssertionError:
            statuses.append(500)
    return statuses


async def somebody_waits(walk: Walk, person: Person) -> int:
    """A change waits for a lock for longer than it may; what the caller was told."""
    body = walk.body("patients", "PATCH", "/v1/patients/{patient_id}", "death_date")
    at = f"/v1/patients/{person.patient}"
    async with opened(walk.place.superuser_url, "patients") as other, other.transaction():
        await other.execute("LOCK TABLE patients IN ACCESS EXCLUSIVE MODE")
        answer = await walk.place.ask("front_desk", "patients", "PATCH", at, body, version=2)
    return answer.status_code


async def event_parked(walk: Walk, person: Person, number: int) -> None:
    """A handler fails at an event of another visit of somebody, whose key is parked."""
    async with failing(walk, "payments", "known_visits"):
        await book(walk, Person({"patient_id": person.patient}), number)

        async def parked() -> list[tuple[str, ...]]:
            async with opened(walk.place.superuser_url, "payments") as connection:
                rows = await connection.fetch("SELECT subject FROM parked_key")
            return [tuple(row) for row in rows]

        await until(parked, bool, "a parked key")


async def process_dies(walk: Walk, name: str) -> None:
    """A process is killed while it is busy; what was asked of it may or may not have been done."""
    place = walk.place

    async def ask() -> None:
        body = walk.body("patients", "POST", "/v1/patients", "death_date")
        with suppress(httpx.TransportError):  # which is what is wanted
            await place.ask("front_desk", "patients", "POST", "/v1/patients", body)

    asked = [asyncio.create_task(ask()) for _ in range(6)]
    await asyncio.sleep(0)
    await asyncio.gather(place.kill(name), *asked)


async def sessions_end(place: Place) -> None:
    """Postgres ends every session of a service, as an operator may."""
    async with opened(place.superuser_url, "patients") as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def said_all(place: Place) -> None:
    """Wait until every event is on its topic."""

    async def counts() -> tuple[int, int]:
        said = 0
        for service in SERVICES:
            async with opened(place.superuser_url, service) as connection:
                said += await connection.fetchval("SELECT count(*) FROM outbox")
        bus = running.bus_of(of_operator(place.layout))
        try:
            records, _ = await read_topics(bus)
        finally:
            await bus.close()
        return said, len({dict(record.headers)["ce_id"] for record in records})

    await until(counts, lambda found: found[0] == found[1] > 0, "every event on its topic")
