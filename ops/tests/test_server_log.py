"""What Postgres writes down of what goes wrong: no value of a row, a statement or an argument."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from ops import postgres
from ops.postgres import Server
from shared.db.provision import SERVICES, keep_quiet, provision, roles_of, url_for
from shared.db.quiet import SERVER_LOG

LOUD = {
    "log_min_messages": "debug1",
    "log_error_verbosity": "verbose",
    "log_min_error_statement": "info",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_transaction_sample_rate": "1",
    "log_duration": "on",
    "log_temp_files": "0",
    "debug_print_parse": "on",
    "debug_print_plan": "on",
}
"""A server as somebody else may have set it: it tells everything."""
CANARY = "Qzcanary-{}-Ödegård"
PASSWORDS = {role: f"word-of-{role}" for role in roles_of()}
TABLE = """
CREATE TABLE person (family text PRIMARY KEY, born date NOT NULL CHECK (born > '1900-01-01'));
CREATE TABLE visit (family text REFERENCES person);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE WARNING 'odd: %', NEW.family;
  RAISE EXCEPTION 'not %', NEW.family USING DETAIL = NEW.family, HINT = NEW.family;
END $$;
CREATE TABLE refusing (family text);
CREATE TRIGGER refuse BEFORE INSERT ON refusing FOR EACH ROW EXECUTE FUNCTION refuse();
"""
FAILING = (
    ("INSERT INTO person VALUES ($1, NULL)", True),
    ("INSERT INTO person VALUES ($1, '1850-01-01')", True),
    ("INSERT INTO visit VALUES ($1::text || '?')", True),
    ("INSERT INTO refusing VALUES ($1)", True),
    ("SELECT $1::text::date", True),
    ("SELECT $1::text::uuid", True),
    ("SELECT $1::text::jsonb", True),
    ("SELECT 1 / length(substr($1, 1000))", True),
    ("SELECT * FROM person WHERE family = '{}' AND", False),
    ("SELECT '{}'::integer", False),
    ('SELECT "{}" FROM person', False),
    ("DO $$ BEGIN RAISE EXCEPTION '{}'; END $$", False),
)
"""Statements that fail, and whether the value is their argument; else it stands in the text."""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as we start it."""
    server = postgres.start(tmp_path_factory.mktemp("quiet"), durable=False)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tells everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "SETTINGS", postgres.SETTINGS | LOUD)
        server = postgres.start(tmp_path_factory.mktemp("loud"), durable=False)
    yield server
    server.stop()


async def suffer(url: str, tag: str) -> int:
    """Let all of it go wrong, in a schema of its own; how much did."""
    connection = await asyncpg.connect(url)
    value, failed = CANARY.format(tag), 0
    try:
        await connection.execute(f"CREATE SCHEMA s_{tag}; SET search_path TO s_{tag}; {TABLE}")
        await connection.execute("INSERT INTO person VALUES ($1, '1990-01-01')", value)
        for statement, argued in (*FAILING, ("INSERT INTO person VALUES ($1, now())", True)):
            try:
                if argued:
                    await connection.execute(statement, value)
                else:
                    await connection.execute(statement.format(value))
            except asyncpg.PostgresError:
                failed += 1
            else:
                raise AssertionError(statement)
        # A notice and a sort that does not fit into memory are no failures.
        await connection.execute(f"DO $$ BEGIN RAISE NOTICE '{value}'; END $$")
        await connection.execute("SET work_mem = '64kB'")
        many = "SELECT $1 || n FROM generate_series(1, 20000) n ORDER BY 1 DESC"
        assert len(await connection.fetch(many, value)) == 20_000
    finally:
        await connection.close()
    return failed


def hits(server: Server, tag: str) -> int:
    """How often the value of a run stands in the server's log."""
    text = server.cluster.log.read_text(errors="replace")
    return text.count(CANARY.format(tag)) + text.count(f"Qzcanary-{tag}")


async def test_the_server_we_start_writes_down_no_value(quiet: Server) -> None:
    assert await suffer(quiet.superuser_url, "own") == len(FAILING) + 1
    assert hits(quiet, "own") == 0
    # It does tell of files in which rows have lain, by name and size.
    assert "temporary file: path" in quiet.cluster.log.read_text()


async def test_on_a_server_that_tells_everything_our_roles_stay_unheard(loud: Server) -> None:
    await provision(loud.superuser_url, PASSWORDS)
    for role, database in (
        ("patients_owner", "clinicbus_patients"),
        ("bus_owner", "clinicbus_bus"),
    ):
        url = url_for(loud.superuser_url, role, PASSWORDS[role], database)
        assert await suffer(url, role) == len(FAILING) + 1
        assert hits(loud, role) == 0


async def test_without_the_settings_each_of_these_would_be_told(loud: Server) -> None:
    assert await suffer(loud.superuser_url, "loud") == len(FAILING) + 1
    assert hits(loud, "loud") > 3 * len(FAILING)


async def test_every_role_of_ours_is_set_like_this(loud: Server) -> None:
    await provision(loud.superuser_url, PASSWORDS)
    connection = await asyncpg.connect(loud.superuser_url)
    try:
        rows = await connection.fetch("SELECT rolname, rolconfig FROM pg_roles")
    finally:
        await connection.close()
    found = {row["rolname"]: set(row["rolconfig"] or ()) for row in rows}
    wanted = {f"{name}={value}" for name, value in SERVER_LOG.items()}
    assert {role for role in roles_of() if not wanted <= found[role]} == set()


async def test_an_administrator_who_may_not_set_it_is_told_and_goes_on(loud: Server) -> None:
    connection = await asyncpg.connect(loud.superuser_url)
    try:
        await connection.execute("CREATE ROLE half LOGIN CREATEROLE CREATEDB PASSWORD 'half'")
        url = url_for(loud.superuser_url, "half", "half", "postgres")
        half = await asyncpg.connect(url)
        try:
            with capture_logs() as told:
                await keep_quiet(half, SERVICES)
        finally:
            await half.close()
    finally:
        await connection.close()
    assert [line["event"] for line in told] == ["provision.server_log_open"]


def test_a_process_leaves_no_image_of_its_memory(tmp_path: Path) -> None:
    """What `ops.launch` starts may not write a core file, whatever the shell allows."""
    from ops import processes

    with (tmp_path / "out").open("wb") as output:
        command = processes.tied(["/bin/sh", "-c", "ulimit -c; ulimit -H -c"], 9)  # type: ignore[arg-type]
        process = processes.start(command, output=output)
        assert process.wait(10) == 0
    assert (tmp_path / "out").read_text().split() == ["0", "0"]
