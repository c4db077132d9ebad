"""What every service's database must look like, read from the catalogue."""

import asyncpg
import pytest

from shared.db.provision import SERVICES

WITHOUT_NETWORK = {"bus_offset", "relay_lease", "unreadable", "alembic_version"}


async def owner(environment: dict[str, str], service: str) -> asyncpg.Connection:
    return await asyncpg.connect(environment[f"CLINICBUS_{service.upper()}_OWNER_URL"])


TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
  (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies,
  EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'network_id'
    AND a.attnotnull) AS has_network
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') ORDER BY 1
"""


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_has_row_security_forced(
    environment: dict[str, str], service: str
) -> None:
    connection = await owner(environment, service)
    rows = [r for r in await connection.fetch(TABLES) if r["relname"] != "alembic_version"]
    await connection.close()
    assert len(rows) > 15
    open_tables = [
        r["relname"] for r in rows if not (r["relrowsecurity"] and r["relforcerowsecurity"])
    ]
    assert open_tables == []
    # A partition is reached through its parent alone: it has neither policy nor grant.
    assert [r["relname"] for r in rows if r["relispartition"] and r["policies"]] == []
    assert [r["relname"] for r in rows if not r["relispartition"] and not r["policies"]] == []
    assert [
        r["relname"] for r in rows if not r["has_network"] and r["relname"] not in WITHOUT_NETWORK
    ] == []


FOREIGN_KEYS = """
SELECT conrelid::regclass::text AS "table", conname,
  EXISTS (SELECT 1 FROM unnest(conkey) k JOIN pg_attribute a
    ON a.attrelid = conrelid AND a.attnum = k AND a.attname = 'network_id') AS composite
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""


@pytest.mark.parametrize("service", SERVICES)
async def test_every_foreign_key_names_the_network(
    environment: dict[str, str], service: str
) -> None:
    connection = await owner(environment, service)
    rows = await connection.fetch(FOREIGN_KEYS)
    await connection.close()
    assert rows
    assert [(r["table"], r["conname"]) for r in rows if not r["composite"]] == []


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


@pytest.mark.parametrize("service", SERVICES)
async def test_app_sees_nothing_without_a_network_and_nothing_is_raised(
    environment: dict[str, str], service: str
) -> None:
    connection = await asyncpg.connect(environment[f"CLINICBUS_{service.upper()}_APP_URL"])
    granted = await connection.fetch(
        "SELECT DISTINCT table_name FROM information_schema.role_table_grants"
        " WHERE grantee = $1 AND privilege_type = 'SELECT' AND table_name <> 'alembic_version'",
        f"{service}_app",
    )
    assert len(granted) > 8
    for setting in (None, "", "00000000-0000-0000-0000-000000000000"):
        if setting is not None:
            await connection.execute("SELECT set_config('app.network', $1, false)", setting)
        for row in granted:
            assert await connection.fetchval(f"SELECT count(*) FROM {row['table_name']}") == 0
    await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_worker_reads_no_clinic_row_without_becoming_app(
    environment: dict[str, str], service: str
) -> None:
    connection = await asyncpg.connect(environment[f"CLINICBUS_{service.upper()}_WORKER_URL"])
    await connection.execute(
        "SELECT set_config('app.network', '00000000-0000-0000-0000-000000000001', false)"
    )
    own = await connection.fetch(
        "SELECT table_name FROM information_schema.role_table_grants WHERE grantee = $1"
        " AND privilege_type = 'UPDATE'",
        f"{service}_worker",
    )
    clinic_tables = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relispartition"
        " AND has_table_privilege($1, c.oid, 'SELECT')"
        " AND NOT has_table_privilege($2, c.oid, 'SELECT')",
        f"{service}_app",
        f"{service}_worker",
    )
    assert {r["table_name"] for r in own} >= {"bus_offset", "relay_lease"}
    assert clinic_tables
    for row in clinic_tables:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval(f"SELECT count(*) FROM {row['relname']}")
    await connection.close()
