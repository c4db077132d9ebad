"""Faults of databases and of the links to them: transactions left open, servers that die or stall.

The numbers are those of the table in this folder's README.
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import psutil  # type: ignore[import-untyped]
import pytest
import pytest_asyncio

from ops import postgres, postgres_account
from ops.day.databases import opened
from ops.layout import CHECKOUT, Layout
from ops.ports import Ports
from shared.contracts.patients import PatientRegistered
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.pool import Pool
from shared.db.provision import (
    BUS_DATABASE,
    SERVICES,
    provision,
    roles_of,
    service_environment,
)
from shared.db.revisions import newest_revision
from shared.db.work import Context
from shared.values.ids import new_id
from tests.faults import truth
from tests.faults.buses import ON_POSTGRES
from tests.faults.proxy import Moment, Proxy, Way
from tests.faults.stable import ForkingSystem, Stable
from tests.faults.town import Town, at_once, until, utc

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(1800),
    ON_POSTGRES,
]

CLIENTS = 6
"""The first day of these tests' visits: Monday, 1 February 2027."""

_WRITING = """
SELECT count(*) AS n FROM pg_stat_activity WHERE usename = 'appointments_app'
AND state = 'idle in transaction' AND backend_xid IS NOT NULL
"""
_UNSENT = """
SELECT count(*) AS n FROM outbox o WHERE NOT EXISTS (
  SELECT 1 FROM relay_lease l WHERE (o.xid, o.id) <= (l.cursor_xid, l.cursor_id))
"""


async def unsent(town: Town) -> int:
    """How many events of appointments wait to be sent."""
    (row,) = await town.rows("appointments", _UNSENT)
    return int(row["n"])


_GATE_LAG = re.compile(
    r'^clinicbus_relay_gate_lag_seconds\{service="appointments"\} (\S+)$', re.MULTILINE
)


async def gate_lag(town: Town) -> float:
    """For how long the relay of appointments has been held up, by its metrics page."""
    page = (await town.http.get(town.system.urls["appointments"] + "/metrics")).text
    found = _GATE_LAG.search(page)
    return float(found[1]) if found else 0.0


async def booked(town: Town, count: int) -> list[str]:
    """Book visits in a week of their own; their ids."""
    bodies = await town.bookings(town.free_week(), count)
    answers = await at_once(CLIENTS, [town.book(body) for body in bodies])
    assert [answer.status_code for answer in answers] == [201] * count
    return [answer.json()["id"] for answer in answers]


# ── transactions that stay open ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "where", [pytest.param("appointments", marks=pytest.mark.full), "documents"]
)
async def test_a_long_write_holds_up_what_is_said_and_no_booking(town: Town, where: str) -> None:
    """Scenario 5, F28: in the same and in another database, until it commits."""
    await town.people()
    await town.ready()
    async with opened(town.system.superuser_url, where) as connection:
        await connection.execute("BEGIN; SELECT pg_current_xact_id()")
        visits = await booked(town, 12)
        # All are booked; none is sent, for the open one might still say something older.
        assert await unsent(town) >= len(visits)
        known = "SELECT 1 FROM known_visits WHERE appointment_id = ANY($1)"
        assert await town.rows("payments", known, [UUID(key) for key in visits]) == []
        await until(lambda: gate_lag(town), bool, "the gate's lag among the metrics")
        await connection.execute("COMMIT")
    await town.whole()
    await town.visits_are_everywhere(visits)
    await until(lambda: gate_lag(town), lambda lag: lag == 0, "the end of the gate's lag")


@pytest.mark.parametrize("where", ["between_statements", "in_a_statement"])
async def test_a_client_that_falls_silent_in_a_transaction_is_cut_off(
    town: Town, where: str
) -> None:
    """F28: the server ends a transaction in which a service has said nothing for 10 s; where the
    service said half a statement, its worker has the server do that."""
    await town.people()
    url = town.system.environment_of("patients")["CLINICBUS_PATIENTS_APP_URL"]
    pool = Pool(url, 1, "silent")
    since = time.monotonic()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        async with pool.connection() as connection:
            await connection.execute("BEGIN; SELECT pg_current_xact_id()")
            visits = await booked(town, 6)
            assert await unsent(town) >= len(visits)
            if where == "in_a_statement":
                await connection.prepare("SELECT 1")  # parsed, and never asked for
            await until(lambda: _closed(connection), bool, "the end of the silent one")
            await connection.execute("COMMIT")
    assert 9 < time.monotonic() - since < 25
    await pool.close()
    await town.whole()


async def _closed(connection: asyncpg.Connection) -> bool:
    return bool(connection.is_closed())


async def test_a_prepared_transaction_left_behind_holds_the_gate_until_it_is_ended(
    town: Town,
) -> None:
    """Scenario 6: on a server with max_prepared_transactions = 2."""
    await town.people()
    async with opened(town.system.superuser_url, "documents") as connection:
        await connection.execute("BEGIN; SELECT pg_current_xact_id()")
        await connection.execute("PREPARE TRANSACTION 'left'")
    visits = await booked(town, 6)
    assert await unsent(town) >= len(visits)
    left = next(c for c in await truth.look(town.system, town.witness) if "bounded" in c.name)
    assert "1 sessions are left prepared" in left.problems
    await until(lambda: gate_lag(town), bool, "the gate's lag among the metrics")
    async with opened(town.system.superuser_url, "documents") as connection:
        await connection.execute("ROLLBACK PREPARED 'left'")
    await town.whole()
    await town.visits_are_everywhere(visits)


async def writing(town: Town) -> None:
    """Wait until a booking has written and not committed."""
    await until(lambda: town.rows("appointments", _WRITING), lambda r: r[0]["n"] > 0, "a writer")


async def test_a_booking_that_commits_late_and_one_that_never_does_cost_no_event(
    town: Town,
) -> None:
    """Scenario 7: one waits for 5 s before its COMMIT while others pass it, and one dies there."""
    bodies = await town.bookings(town.free_week(), 24)
    await town.settled()
    await town.armed("appointments", "app.before_commit:pause:2")
    ended: dict[str, float] = {}

    async def book(body: dict[str, Any]) -> httpx.Response:
        answer = await town.book(body)
        assert answer.status_code == 201, answer.text
        ended[answer.json()["id"]] = time.monotonic()
        return answer

    first = await at_once(3, [book(body) for body in bodies[:12]])
    rows = await town.rows(
        "appointments",
        "SELECT key FROM outbox WHERE type LIKE '%.appointment.booked.%' AND key = ANY ($1)"
        " ORDER BY xid",
        [*ended],
    )
    # In the order in which they began to write: one of them was passed by others.
    ends = [ended[row["key"]] for row in rows]
    assert ends != sorted(ends)
    await town.armed("appointments", "app.before_commit:exit:7")
    load = asyncio.create_task(at_once(3, [town.book(body) for body in bodies[12:]]))
    await town.died("appointments")
    answers = [*first, *await load]
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    gaps = "SELECT max(id) - min(id) + 1 - count(*) AS n FROM outbox"
    assert (await town.rows("appointments", gaps))[0]["n"] > 0
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])


# ── the server ───────────────────────────────────────────────────────────────────────────────────


async def test_a_server_killed_between_a_write_and_its_commit_keeps_nothing_of_it(
    town: Town,
) -> None:
    """F5: the client asks again under its key, and there is one effect."""
    bodies = await town.bookings(town.free_week(), 12)
    await town.armed("appointments", "app.before_commit:pause:2")
    restarts = town.restarts("postgres")
    load = asyncio.create_task(at_once(CLIENTS, [town.book(body) for body in bodies]))
    await writing(town)
    town.kill("postgres")
    answers = await load
    assert town.restarts("postgres") == restarts + 1
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])


_CUT = """
SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE usename LIKE 'appoint%'
"""


async def test_a_server_without_a_connection_to_spare_is_said_at_once_and_gets_over_it(
    town: Town,
) -> None:
    """Scenario 12: every connection of the server is taken, and the service's own are cut."""
    environment = town.system.environment_of("documents")
    bodies = await town.bookings(town.free_week(), 6)
    async with AsyncExitStack() as stack:
        # A superuser's, made before: three are kept for them, and the checks need theirs.
        cutting = await stack.enter_async_context(opened(town.system.superuser_url, "bus"))
        await take_all(stack, environment["CLINICBUS_DOCUMENTS_APP_URL"])
        await cutting.fetch(_CUT)
        await take_all(stack, environment["CLINICBUS_DOCUMENTS_APP_URL"])
        since = time.monotonic()
        answers = await asyncio.gather(*(tried_once(town, body) for body in bodies))
        assert {answer.status_code for answer in answers} <= {201, 429, 503}
        assert 503 in {answer.status_code for answer in answers}
        assert time.monotonic() - since < 10
        alive = await town.http.get(town.system.urls["appointments"] + "/livez")
        assert alive.status_code == 200
    await booked(town, 6)
    await town.whole()


async def take_all(stack: AsyncExitStack, url: str) -> None:
    """Open connections until the server has none left."""
    while True:
        try:
            connection = await asyncpg.connect(url)
        except asyncpg.TooManyConnectionsError:
            return
        stack.push_async_callback(connection.close)


async def tried_once(town: Town, body: dict[str, Any], timeout: float = 30) -> httpx.Response:
    """Book once, whatever comes of it. A success is heard by the witness."""
    headers, flow = town.headers("front_desk")
    headers["Idempotency-Key"] = key = str(new_id())
    url = town.system.urls["appointments"] + "/v1/appointments"
    answer = await town.http.post(url, json=body, headers=headers, timeout=timeout)
    if answer.is_success:
        town.witness.hear(
            truth.Told(
                *("appointments", "/v1/appointments", flow, key),
                *(answer.status_code, answer.content, answer.json()["id"]),
            )
        )
    return answer


_SLEPT = """
DO $$
DECLARE
  today date = (clock_timestamp() AT TIME ZONE 'UTC')::date;
  old date = today - 10;
  child text;
BEGIN
  EXECUTE format('CREATE TABLE outbox_%s (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
    to_char(old, 'YYYYMMDD'));
  EXECUTE format('ALTER TABLE outbox_%s ENABLE ROW LEVEL SECURITY', to_char(old, 'YYYYMMDD'));
  EXECUTE format('ALTER TABLE outbox_%s FORCE ROW LEVEL SECURITY', to_char(old, 'YYYYMMDD'));
  EXECUTE format('ALTER TABLE outbox ATTACH PARTITION outbox_%s FOR VALUES FROM (%L) TO (%L)',
    to_char(old, 'YYYYMMDD'), old, old + 1);
  UPDATE outbox SET recorded_on = old;
  FOR n IN -1 .. 8 LOOP
    child = 'outbox_' || to_char(today + n, 'YYYYMMDD');
    EXECUTE format('DROP TABLE IF EXISTS %I', child);
  END LOOP;
END $$
"""


async def test_a_laptop_that_slept_for_ten_days_wakes_up_and_books(town: Town) -> None:
    """Scenario 13: all days of the outbox from yesterday on are gone, in every service."""
    await town.people()
    await town.settled()
    asleep = [town.freeze(name) for name in town.system.urls]
    try:
        for service in SERVICES:
            async with opened(town.system.superuser_url, service) as connection:
                await connection.execute(_SLEPT)
    finally:
        for pid in asleep:
            town.thaw(pid)
    visits = await booked(town, 12)
    await town.register(4, "Awake")
    await town.whole()
    await town.visits_are_everywhere(visits)


_BURN = """
DO $$ BEGIN
  FOR n IN 1 .. 5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
END $$
"""


async def test_a_system_restored_into_a_new_cluster_goes_on_where_it_was(
    town: Town,
    forking: Stable | None,
) -> None:
    """Scenario 24: all databases are dumped with events not yet sent, and restored into a cluster
    that counts transactions from lower on; a second system goes on from there."""
    await town.people()
    folder = Path(tempfile.mkdtemp(prefix="cb-moved-"))
    layout = Layout(folder / "data")
    layout.make()
    async with opened(town.system.superuser_url, "documents") as still_open:
        await still_open.execute(_BURN)
        await still_open.execute("BEGIN; SELECT pg_current_xact_id()")
        visits = await booked(town, 12)
        assert await unsent(town) >= len(visits)
        asleep = [town.freeze(name) for name in town.system.urls]
        try:
            for name in DATABASES:
                await client_program("pg_dump", town.system.superuser_url, name, folder, "-Fc")
            shutil.copytree(town.system.layout.objects, layout.objects, dirs_exist_ok=True)
            witness = town.witness
            known = truth.Witness(
                set(witness.networks), dict(witness.answers), set(witness.identifiers)
            )
        finally:
            for pid in asleep:
                town.thaw(pid)
        await still_open.execute("COMMIT")
    await restored(layout, folder)
    system = ForkingSystem(layout, Ports.free(), town.system.options)
    system.stable = forking
    await system.start()
    try:
        there = Town(system, town.http, town.network, town.facts)
        there.patients, there.weeks = [*town.patients], town.weeks
        there.witness = known
        await there.whole()
        await there.visits_are_everywhere(visits)
        later = await booked(there, 12)
        await there.whole()
        await there.visits_are_everywhere(later)
    finally:
        await system.stop()
        shutil.rmtree(folder, ignore_errors=True)
    await town.whole()


DATABASES = (*(f"clinicbus_{service}" for service in SERVICES), BUS_DATABASE)


async def restored(layout: Layout, folder: Path) -> None:
    """Restore the dumps into a new cluster, and see that its transaction ids are lower."""
    server = postgres.start(layout.postgres)
    try:
        await provision(server.superuser_url, dict.fromkeys(roles_of(), "to be set anew"))
        for name in DATABASES:
            await client_program(
                "pg_restore", server.superuser_url, name, folder, "--single-transaction"
            )
        async with opened(server.superuser_url, "appointments") as connection:
            higher = "SELECT max(xid) > pg_snapshot_xmax(pg_current_snapshot()) FROM outbox"
            assert await connection.fetchval(higher)
    finally:
        server.stop()


async def client_program(
    program: str, superuser_url: str, database: str, folder: Path, option: str
) -> None:
    """Dump a database into a file of the folder, or restore it from there."""
    url = urlsplit(superuser_url)._replace(path=f"/{database}").geturl()
    path = str(folder / database)
    where = ("-f", path) if program == "pg_dump" else (path,)
    process = await asyncio.create_subprocess_exec(
        *(postgres_account.installed_programs() / program, option, "-d", url, *where),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()[-600:]


# ── the link to the server ───────────────────────────────────────────────────────────────────────


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def link(town: Town, seed: int) -> AsyncIterator[Proxy]:
    """What the requests of appointments reach their database through, as long as these run."""
    port = town.system.ports.of["postgres"]
    with Proxy("127.0.0.1", port, seed=seed) as proxy:
        url = urlsplit(town.system.environment_of("appointments")["CLINICBUS_APPOINTMENTS_APP_URL"])
        login = url.netloc.rpartition("@")[0]
        through = url._replace(netloc=f"{login}@127.0.0.1:{proxy.port}", query="").geturl()
        await town.armed("appointments", CLINICBUS_APPOINTMENTS_APP_URL=through)
        yield proxy
        await town.armed("appointments")


async def test_a_commit_whose_answer_is_lost_has_one_effect(town: Town, link: Proxy) -> None:
    """F6: the connection is reset after COMMIT has arrived; the key tells what became of it."""
    bodies = await town.bookings(town.free_week(), 24)
    link.cut(Way.UP, b"COMMIT", Moment.REPLY_LOST, times=5)
    answers = await at_once(CLIENTS, [town.book(body) for body in bodies])
    assert link.seen["reply_lost"] == 5
    link.heal()
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    replayed = [a for a in answers if a.headers.get("idempotency-replayed") == "true"]
    assert len(replayed) == 5
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])


async def test_bytes_that_come_one_to_seven_at_a_time_are_still_read(
    town: Town, link: Proxy
) -> None:
    """F23."""
    link.slice(1, 7)
    await booked(town, 12)
    link.heal()
    await town.whole()


async def test_a_slow_link_slows_requests_and_fails_none(
    town: Town, link: Proxy, full: bool
) -> None:
    """F22: each answer comes 500 ms later, give or take 100; FULL=1: 60 visits instead of 4."""
    await booked(town, 12)  # to open a connection and to prepare its statements takes longer
    bodies = await town.bookings(town.free_week(), 60 if full else 4)
    before = Counter(town.lived_through)
    link.slow(0.25, jitter_s=0.05)
    since = time.monotonic()
    answers = await at_once(4, [town.book(body) for body in bodies])
    took = (time.monotonic() - since) / (len(bodies) / 4)
    link.heal()
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    # Whoever waits for a connection while the first ones are made may be told to come again.
    assert set(Counter(town.lived_through) - before) <= {"429"}
    assert 1 < took < 15
    await town.whole()


STALL_DEADLINE_SECONDS = 40.0
"""A statement is given up after 30 s, and 5 s are waited for a connection."""


@pytest.mark.parametrize(
    "ways",
    [pytest.param((Way.UP, Way.DOWN), marks=pytest.mark.full), (Way.DOWN,)],
    ids=["both ways", "one way"],
)
async def test_a_link_that_stalls_ends_every_request_in_time_and_leaks_no_connection(
    town: Town, link: Proxy, full: bool, ways: tuple[Way, ...]
) -> None:
    """F20, F21: for 8 s; FULL=1: for 60 s. Nobody storms the link meanwhile."""
    seconds = 60.0 if full else 8.0
    bodies = await town.bookings(town.free_week(), 12)
    connections = link.seen["connections"]
    link.stall(*ways)
    took: list[float] = []

    async def one(body: dict[str, Any]) -> int:
        since = time.monotonic()
        try:
            return (await tried_once(town, body, timeout=seconds + 60)).status_code
        finally:
            took.append(time.monotonic() - since)

    healing = asyncio.get_running_loop().call_later(seconds, link.heal)
    codes = await asyncio.gather(*(one(body) for body in bodies))
    healing.cancel()
    link.heal()
    assert set(codes) <= {201, 409, 429, 503}
    assert max(took) < STALL_DEADLINE_SECONDS
    # Twelve requests, three tries each at the most; a storm would be hundreds.
    assert link.seen["connections"] - connections <= 3 * len(bodies)
    # The pool has all of its connections to give: as many at once as it holds, and more.
    await booked(town, 12)
    sessions = "SELECT count(*) AS n FROM pg_stat_activity WHERE usename = 'appointments_app'"
    assert (await town.rows("appointments", sessions))[0]["n"] <= 8
    await town.whole()


async def test_a_transaction_whose_statement_got_no_answer_is_over_at_once(
    town: Town, link: Proxy
) -> None:
    """F20: no word more is waited for on a link that gave none; what was done is undone."""
    url = town.system.environment_of("appointments")["CLINICBUS_APPOINTMENTS_APP_URL"]
    login = urlsplit(url).netloc.rpartition("@")[0]
    through = f"postgresql://{login}@127.0.0.1:{link.port}{urlsplit(url).path}"
    database = Database.connect("appointments", through, None, app_pool=1)
    context = Context(town.network, Actor("person", "test"), utc(1, 17))
    since = time.monotonic()
    with pytest.raises(TimeoutError):
        async with database.work(context) as work:
            await work.raw.execute("SELECT pg_advisory_xact_lock(77)")
            link.stall(Way.UP, Way.DOWN)
            await work.raw.fetchval("SELECT 1", timeout=0.5)
    assert time.monotonic() - since < 5
    link.heal()
    held = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 77"
    await until(lambda: town.rows("appointments", held), lambda r: r[0]["n"] == 0, "its end")
    await database.close()
    await town.whole()


# ── starting ─────────────────────────────────────────────────────────────────────────────────────


async def test_two_that_migrate_at_once_leave_what_one_does(bus: str) -> None:
    """F12: one wins, the other waits; the databases are as one alone makes them."""
    folder = tempfile.mkdtemp(prefix="cb-migrate-")
    server = postgres.start(Path(folder), durable=False)
    try:
        passwords = {role: f"test-{role}" for role in roles_of()}
        given = json.dumps({"superuser_url": server.superuser_url, "passwords": passwords})
        codes = await asyncio.gather(*(prepared(given) for _ in range(2)))
        assert [code for code, _ in codes] == [0, 0], codes
        urls = service_environment(server.superuser_url, passwords)
        for service in SERVICES:
            url = urls[f"CLINICBUS_{service.upper()}_OWNER_URL"]
            connection = await asyncpg.connect(url)
            found = await connection.fetch("SELECT version_num FROM alembic_version")
            await connection.close()
            assert [row[0] for row in found] == [newest_revision(service)]
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def prepared(given: str) -> tuple[int | None, str]:
    """Bring the databases up to date in a process of its own; its exit code and last words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.prepare"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
        env={**os.environ, "CLINICBUS_PROFILE": "local"},
    )
    _, said = await process.communicate(given.encode())
    return process.returncode, said.decode()[-600:]


@pytest.mark.last
async def test_a_backlog_is_worked_off_from_a_cold_start_in_bounded_memory(
    town: Town, full: bool, figure: Any
) -> None:
    """F19: 4,000 events wait while all who hear them are down; FULL=1: 100,000."""
    count = 100_000 if full else 4_000
    listeners = ("appointments", "eligibility", "payments", "documents")
    await town.people()
    await town.settled()
    for name in listeners:
        await town.system.children[name].stop()
    known = "SELECT count(*) AS n FROM known_patients"
    before = (await town.rows("documents", known))[0]["n"]
    await said_registered(town, count)
    await until(lambda: waiting_at(town, "patients"), lambda n: n == 0, "the sending of it")
    since = time.monotonic()
    await asyncio.gather(*(town.armed(name) for name in listeners))
    peak = 0
    while True:
        running = [psutil.Process(town.pid(name)) for name in listeners]
        peak = max(peak, *(process.memory_info().rss for process in running))
        done = (await town.rows("documents", known))[0]["n"] - before
        if done >= count:
            break
        assert time.monotonic() - since < 300, f"{done} of {count}"
        await asyncio.sleep(0.2)
    took = time.monotonic() - since
    figure(f"{count} events in {took:.1f} s by each of {len(listeners)}, {peak >> 20} MB at most")
    assert peak < truth.RSS_BYTES_MAX
    await town.whole()


async def waiting_at(town: Town, service: str) -> int:
    """How many events of a service wait to be sent."""
    (row,) = await town.rows(service, _UNSENT)
    return int(row["n"])


class _Sequence:
    """Stands for the aggregate row whose first event is said."""

    event_seq = 0


async def said_registered(town: Town, count: int) -> None:
    """Let patients say that people registered: the events alone, a thousand a transaction."""
    environment = town.system.environment_of("patients")
    database = Database.connect(
        "patients",
        environment["CLINICBUS_PATIENTS_APP_URL"],
        environment["CLINICBUS_PATIENTS_WORKER_URL"],
    )
    at = utc(1, 16)
    context = Context(town.network, Actor("service", "patients"), at)
    try:
        for start in range(0, count, 1_000):
            async with database.work(context) as work:
                for _ in range(min(1_000, count - start)):
                    event = PatientRegistered(patient_id=new_id(), registered_at=at)
                    row: Any = _Sequence()
                    work.say(event, of=row)
    finally:
        await database.close()
