"""What every service's database must look like, read from the catalogue; and that faults show."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.db.provision import SERVICES
from tests.architecture.catalogue import (
    ACROSS_NETWORKS,
    DEFINERS,
    UNIQUE_WITHOUT_NETWORK,
    WITHOUT_NETWORK,
    findings,
    findings_of_roles,
    rules_of,
)

BUS = frozenset({"clinicbus_bus"})


async def owner(environment: dict[str, str], service: str) -> asyncpg.Connection:
    return await asyncpg.connect(environment[f"CLINICBUS_{service.upper()}_OWNER_URL"])


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_in_a_database_is_open_to_another_network(
    environment: dict[str, str], service: str
) -> None:
    connection = await owner(environment, service)
    try:
        assert await findings(connection, rules_of(service)) == []
        assert await findings_of_roles(connection, rules_of(service), BUS) == []
        tables = {
            row[0]
            for row in await connection.fetch(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind IN ('r', 'p') AND NOT relispartition"
            )
        }
        assert len(tables) > 15
        # No exception outlives what it was made for.
        assert tables >= {*WITHOUT_NETWORK, *ACROSS_NETWORKS}
        functions = await connection.fetch(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef"
            " AND pronamespace = 'public'::regnamespace"
        )
        assert {row[0] for row in functions} == set(DEFINERS)
    finally:
        await connection.close()


async def test_each_index_that_is_let_through_is_there(environment: dict[str, str]) -> None:
    found = set()
    for service in SERVICES:
        connection = await owner(environment, service)
        found |= {
            row[0]
            for row in await connection.fetch("SELECT relname FROM pg_class WHERE relkind = 'i'")
        }
        await connection.close()
    assert found >= set(UNIQUE_WITHOUT_NETWORK)


UNIQUES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relispartition
AND c.relname <> ALL ($1)
AND NOT EXISTS (
  SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = c.oid AND i.indisunique AND a.attname = 'network_id')
"""


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_has_a_key_led_by_the_network(
    environment: dict[str, str], service: str
) -> None:
    connection = await owner(environment, service)
    rows = await connection.fetch(UNIQUES, sorted(WITHOUT_NETWORK))
    await connection.close()
    assert [r["relname"] for r in rows] == []


async def test_the_bus_forces_row_security_and_trusts_no_path(
    environment: dict[str, str], postgres_superuser_url: str
) -> None:
    connection = await asyncpg.connect(environment["CLINICBUS_BUS_OWNER_URL"])
    tables = await connection.fetch(
        "SELECT relname, relrowsecurity AND relforcerowsecurity AND relowner = 'bus_owner'::regrole"
        " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert len(tables) > 5
    assert [row[0] for row in tables if not row[1]] == []
    functions = await connection.fetch(
        "SELECT proname, proconfig::text, has_function_privilege('public', oid, 'EXECUTE')"
        " FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    assert len(functions) > 5
    assert [row[0] for row in functions if "search_path=public, pg_temp" not in row[1]] == []
    assert [row[0] for row in functions if row[2]] == []
    for service in SERVICES:
        elsewhere = frozenset({f"clinicbus_{service}"})
        assert await findings_of_roles(connection, rules_of(service), elsewhere) == [
            f"{service}_app may connect to clinicbus_{service}."
        ]
    await connection.close()


# ── faults that are made on purpose, each of which has to be named ───────────────────────────────


@pytest.fixture
async def scratch(
    environment: dict[str, str], postgres_superuser_url: str
) -> AsyncIterator[asyncpg.Connection]:
    """A copy of a service's database as its superuser, gone with the test."""
    copy = "scratch_of_patients"
    keeper = await asyncpg.connect(postgres_superuser_url)
    await keeper.execute(f"CREATE DATABASE {copy} TEMPLATE clinicbus_patients OWNER patients_owner")
    url = urlsplit(postgres_superuser_url)._replace(path=f"/{copy}").geturl()
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
        await keeper.execute(f"DROP DATABASE {copy}")
        await keeper.close()


GOOD = """
CREATE TABLE planted (network_id uuid NOT NULL, id uuid PRIMARY KEY, patient_id uuid,
  UNIQUE (network_id, id));
ALTER TABLE planted ENABLE ROW LEVEL SECURITY;
ALTER TABLE planted FORCE ROW LEVEL SECURITY;
CREATE POLICY net ON planted TO patients_app USING (network_id = current_network())
  WITH CHECK (network_id = current_network());
GRANT SELECT, INSERT, UPDATE ON planted TO patients_app;
"""
POLICY = "DROP POLICY net ON planted; CREATE POLICY net ON planted"
MINE = "(network_id = current_network())"
FUNCTION = "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
PEEK = "AS 'SELECT count(*) FROM patients'; REVOKE ALL ON FUNCTION peek() FROM PUBLIC"
FAULTS = {
    "no-row-security": (
        "ALTER TABLE planted DISABLE ROW LEVEL SECURITY",
        ["planted has no row security."],
    ),
    "not-forced": (
        "ALTER TABLE planted NO FORCE ROW LEVEL SECURITY",
        ["planted does not force its row security."],
    ),
    "no-policy": ("DROP POLICY net ON planted", ["planted has no policy."]),
    "a-bare-table": (
        "CREATE TABLE bare (id uuid PRIMARY KEY)",
        [
            "bare has no row security.",
            "bare has no policy.",
            "bare has no network_id that is a uuid and never null.",
        ],
    ),
    "a-network-that-may-be-null": (
        "ALTER TABLE planted ALTER COLUMN network_id DROP NOT NULL",
        ["planted has no network_id that is a uuid and never null."],
    ),
    "using-true": (
        f"{POLICY} TO patients_app USING (true) WITH CHECK {MINE}",
        ["The policy net on planted has USING true."],
    ),
    "checking-true": (
        f"{POLICY} TO patients_app USING {MINE} WITH CHECK (true)",
        ["The policy net on planted has WITH CHECK true."],
    ),
    "no-check": (
        f"{POLICY} TO patients_app USING {MINE}",
        ["The policy net on planted has no WITH CHECK."],
    ),
    "of-everybody": (
        f"{POLICY} USING {MINE} WITH CHECK {MINE}",
        ["The policy net on planted is for PUBLIC."],
    ),
    "a-second-policy-that-opens": (
        "CREATE POLICY more ON planted FOR SELECT TO patients_app USING (patient_id IS NULL)",
        ["The policy more on planted has USING (patient_id IS NULL)."],
    ),
    "worker-sees-clinic-rows": (
        "CREATE POLICY wrk ON planted TO patients_worker USING (true) WITH CHECK (true);"
        " GRANT SELECT ON planted TO patients_worker",
        [
            "The policy wrk on planted is for patients_worker.",
            "The policy wrk on planted has USING true.",
            "The policy wrk on planted has WITH CHECK true.",
            "patients_worker has SELECT on planted.",
        ],
    ),
    "a-key-without-the-network": (
        "ALTER TABLE planted ADD CONSTRAINT loose FOREIGN KEY (patient_id) REFERENCES patients",
        ["The foreign key planted.loose does not hold network_id to network_id."],
    ),
    "a-key-that-crosses-the-network": (
        "ALTER TABLE planted ADD CONSTRAINT crossed FOREIGN KEY (patient_id, network_id)"
        " REFERENCES patients (network_id, id)",
        ["The foreign key planted.crossed does not hold network_id to network_id."],
    ),
    "unique-across-networks": (
        "CREATE UNIQUE INDEX one_patient ON planted (patient_id)",
        ["one_patient holds rows of different networks apart from each other."],
    ),
    "a-view": (
        "CREATE VIEW seen AS SELECT * FROM patients",
        ["The view seen is without security_invoker."],
    ),
    "a-kept-view": (
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM patients",
        ["kept is a materialized view, which row security cannot protect."],
    ),
    "a-function-as-its-owner": (
        f"{FUNCTION} SET search_path = public, pg_temp {PEEK};"
        " ALTER FUNCTION peek() OWNER TO patients_owner",
        ["The function peek() runs as its owner and is not on the list."],
    ),
    "a-path-of-the-callers": (
        "ALTER FUNCTION outbox_rebase() RESET search_path",
        ["The function outbox_rebase() runs as its owner and takes its caller's search_path."],
    ),
    "a-function-for-everybody": (
        "GRANT EXECUTE ON FUNCTION outbox_rebase() TO PUBLIC",
        ["The function outbox_rebase() runs as its owner for everybody."],
    ),
    "a-function-of-a-superuser": (
        "ALTER FUNCTION outbox_rebase() OWNER TO postgres",
        ["The function outbox_rebase() runs as postgres."],
    ),
    "owned-by-app": (
        "ALTER TABLE planted OWNER TO patients_app",
        ["planted is owned by patients_app."],
    ),
    "granted-to-everybody": (
        "GRANT SELECT ON planted TO PUBLIC",
        ["PUBLIC has SELECT on planted."],
    ),
    "may-be-emptied": (
        "GRANT TRUNCATE ON planted TO patients_app",
        ["patients_app has TRUNCATE on planted."],
    ),
    "may-be-given-on": (
        "GRANT SELECT ON planted TO patients_app WITH GRANT OPTION",
        ["patients_app has SELECT on planted and may give it on."],
    ),
    "a-column-of-what-has-no-network": (
        "GRANT SELECT (value) ON unreadable TO patients_app",
        ["patients_app has SELECT on unreadable, which has no network."],
    ),
    "all-of-what-a-column-may-be-read-of": (
        "GRANT SELECT ON audit_sealer TO patients_app",
        ["patients_app has SELECT on audit_sealer, which has no network."],
    ),
    "in-another-schema": (
        "CREATE SCHEMA aside; CREATE TABLE aside.bare (network_id uuid NOT NULL)",
        ["aside.bare has no row security.", "aside.bare has no policy."],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_named(scratch: asyncpg.Connection, fault: str) -> None:
    statements, sentences = FAULTS[fault]
    await scratch.execute(GOOD)
    await scratch.execute("ALTER TABLE planted OWNER TO patients_owner")
    assert await findings(scratch, rules_of("patients")) == []
    await scratch.execute(statements)
    assert sorted(await findings(scratch, rules_of("patients"))) == sorted(sentences)


async def test_a_fault_of_a_partition_is_named(scratch: asyncpg.Connection) -> None:
    child = await scratch.fetchval(
        "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'outbox'::regclass"
    )
    await scratch.execute(f"GRANT SELECT ON {child} TO patients_app")
    await scratch.execute(f"CREATE POLICY net ON {child} TO patients_app USING (true)")
    await scratch.execute(f"ALTER TABLE {child} NO FORCE ROW LEVEL SECURITY")
    assert await findings(scratch, rules_of("patients")) == [
        f"{child} does not force its row security.",
        f"The partition {child} has the policy net.",
        f"patients_app has SELECT on {child}.",
    ]


ROLE_FAULTS = {
    "CREATE ROLE helper; GRANT helper TO patients_app": "patients_app may become helper.",
    "ALTER ROLE patients_app BYPASSRLS": "patients_app has BYPASSRLS.",
    "ALTER ROLE patients_worker INHERIT": "patients_worker has INHERIT.",
    "GRANT TEMP ON DATABASE scratch_of_patients TO PUBLIC": (
        "patients_app may make temporary tables."
    ),
    "GRANT CREATE ON SCHEMA public TO patients_app": "patients_app may make tables.",
    "GRANT EXECUTE ON FUNCTION lo_get(oid) TO PUBLIC": "patients_app may call lo_get(oid).",
    "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO patients_app": (
        "patients_app may call pg_read_file(text)."
    ),
    "GRANT CONNECT ON DATABASE clinicbus_payments TO patients_app": (
        "patients_app may connect to clinicbus_payments."
    ),
}


async def test_a_fault_of_a_role_is_named(scratch: asyncpg.Connection) -> None:
    await scratch.execute("REVOKE ALL ON DATABASE scratch_of_patients FROM PUBLIC")
    for statements, sentence in ROLE_FAULTS.items():
        elsewhere = BUS | {"clinicbus_patients"}
        before = await findings_of_roles(scratch, rules_of("patients"), elsewhere)
        # Roles are the whole server's: what is changed of them is never kept.
        change = scratch.transaction()
        await change.start()
        await scratch.execute(statements)
        after = await findings_of_roles(scratch, rules_of("patients"), elsewhere)
        await change.rollback()
        assert sentence not in before, sentence
        assert sentence in after, statements
