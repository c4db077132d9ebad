"""SQL by hand as the roles of the services, against a network in which a visit was played.

Every table is asked that the catalogue shows, with no network, an empty one, one that cannot be
read, and another's. No row comes and nothing is raised; and with the own network rows do come.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
import pytest_asyncio

from shared.db.provision import SERVICES
from shared.values.ids import new_id
from tests.architecture.catalogue import (
    ACROSS_NETWORKS,
    UNIQUE_WITHOUT_NETWORK,
    WITHOUT_NETWORK,
)
from tests.journeys.clinic import Clinic, denver
from tests.journeys.conftest import Ground
from tests.journeys.house import House
from tests.journeys.played import played

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.312(a)(1)")]

EMPTY = {
    "appointments": {
        "appointment_moves",
        "channel_stops",
        "known_authorizations",
        "known_forms",
        "known_preferences",
        "reminder_settings",
        "requirement_checks",
        "visit_policies",
    },
    "patients": {"intent", "message_preferences", "passed_over", "proxy_policies", "timer"},
    "eligibility": {"self_pay_marks", "timer"},
    "payments": {"business_days", "no_charges", "timer"},
    "documents": set[str](),
}
"""Tables in which a played visit leaves nothing, besides those for what has gone wrong."""
OF_TROUBLE = {"parked_key", "parked_event", "operator_action"}
UNSET = "unset"
MALFORMED = (
    "x",
    "null",
    " ",
    "*",
    "' OR true --",
    "00000000",
    "1" * 2000,
    "{}",
    "{ours}x",
    "{ours} ",
)
DENIED = asyncpg.InsufficientPrivilegeError


@dataclass(slots=True)
class Stage:
    """Two networks of one house; in ours a visit was played."""

    house: House
    environment: dict[str, str]
    clinics: tuple[Clinic, Clinic]
    patient: str

    @property
    def ours(self) -> UUID:
        """The network in which a visit was played."""
        return self.clinics[0].network_id

    @property
    def theirs(self) -> UUID:
        """The other."""
        return self.clinics[1].network_id

    def settings(self) -> list[str]:
        """What `app.network` may be of one who is not ours."""
        malformed = [text.replace("{ours}", str(self.ours)) for text in MALFORMED]
        return [UNSET, "", *malformed, str(self.theirs), str(new_id())]

    @asynccontextmanager
    async def session(
        self, service: str, setting: str, role: str = "app"
    ) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own as a role; `worker_as_app` is worker that has become app."""
        url = self.environment[f"CLINICBUS_{service.upper()}_{role.partition('_')[0].upper()}_URL"]
        connection = await asyncpg.connect(url)
        try:
            if role == "worker_as_app":
                await connection.execute(f"SET ROLE {service}_app")
            if setting != UNSET:
                await connection.execute("SELECT set_config('app.network', $1, false)", setting)
            yield connection
        finally:
            await connection.close()

    async def tables(self, service: str, *, partitions: bool = False) -> list[str]:
        """Every table there is, or every partition of one."""
        rows = await self.house.rows(
            service,
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
            " AND c.relkind IN ('r', 'p') AND c.relispartition = $1 ORDER BY 1",
            partitions,
        )
        assert len(rows) > 5
        return [row["relname"] for row in rows]

    async def of_networks(self, service: str) -> list[str]:
        """The tables whose rows are of networks."""
        return [t for t in await self.tables(service) if t not in WITHOUT_NETWORK]

    async def a_row(self, service: str, table: str) -> dict[str, Any] | None:
        """A row of ours, as what can be inserted."""
        (columns,) = await self.house.rows(
            service,
            "SELECT array_agg(attname::text) AS names FROM pg_attribute"
            " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = ''",
            table,
        )
        rows = await self.house.rows(
            service,
            f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE network_id = $1 LIMIT 1",
            self.ours,
        )
        if not rows:
            return None
        found = orjson.loads(rows[0]["row"])
        return {name: found[name] for name in columns["names"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(house: House, ground: Ground) -> AsyncIterator[Stage]:
    """The networks. A visit is booked, moved, paid and ended in ours; theirs has a clinic."""
    ours, theirs = await Clinic(house).open(), await Clinic(house).open()
    ids = await played(ours)
    await theirs.register("Okonkwo", "Ife")
    for clinic in (ours, theirs):
        await house.settled(clinic.network_id)
    yield Stage(house, ground.environment, (ours, theirs), ids["patient_id"])


async def outcome(connection: asyncpg.Connection, statement: str, *arguments: Any) -> str:
    """What a statement comes to, which is never kept: its tag, or state and place of the error."""
    change = connection.transaction()
    await change.start()
    try:
        tag: str = await connection.execute(statement, *arguments)
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        return tag
    except asyncpg.PostgresError as error:
        return f"{error.sqlstate} {getattr(error, 'constraint_name', None) or error}"
    finally:
        await change.rollback()


def insert(table: str, row: dict[str, Any], more: str = "") -> tuple[str, str]:
    """A statement that inserts such a row, and its argument."""
    columns = ", ".join(f'"{name}"' for name in row)
    text = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record"
    return f"{text}(NULL::{table}, $1::text::jsonb) {more}", orjson.dumps(row).decode()


LOOKS = (
    "SELECT count(*) FROM {table} WHERE network_id = '{ours}'",
    "SELECT count(*) FROM {table} TABLESAMPLE SYSTEM (100) WHERE network_id = '{ours}'",
    "SELECT count(*) FROM {table} TABLESAMPLE BERNOULLI (100) WHERE network_id = '{ours}'",
    "SELECT count(*) FROM {table} a JOIN {table} b USING (network_id) WHERE network_id = '{ours}'",
    "SELECT count(b) FROM (SELECT '{ours}'::uuid AS network_id) a"
    " LEFT JOIN {table} b USING (network_id)",
    "SELECT count(*) FROM (SELECT t::text FROM {table} t) x WHERE t LIKE '%{ours}%'",
    "SELECT CASE WHEN EXISTS (SELECT FROM {table} WHERE network_id = '{ours}') THEN 1 ELSE 0 END",
    "SELECT count(*) FROM {table} WHERE network_id <> coalesce(current_network(), '{nobody}')",
)
LEAKY = (
    "SELECT count(*) FROM {table} WHERE 1 / (CASE network_id WHEN '{ours}' THEN 0 ELSE 1 END) > 2"
)
"""It fails on each of our rows that it is shown, whatever else the condition is."""


@pytest.mark.parametrize("role", ["app", "worker_as_app"])
@pytest.mark.parametrize("service", SERVICES)
async def test_who_is_not_of_the_network_sees_no_row_and_no_error(
    stage: Stage, service: str, role: str
) -> None:
    tables = await stage.of_networks(service)
    for setting in stage.settings():
        async with stage.session(service, setting, role) as connection:
            for table in tables:
                names = {"table": table, "ours": stage.ours, "nobody": new_id()}
                for look in LOOKS:
                    seen = await connection.fetchval(look.format(**names))
                    assert seen == 0, (table, setting, look)
                await connection.fetchval(LEAKY.format(**names))
                if setting != str(stage.theirs):
                    assert await connection.fetch(f"SELECT * FROM {table}") == [], (table, setting)
                copied = bytearray()

                async def keep(data: bytes, into: bytearray = copied) -> None:
                    into += data

                await connection.copy_from_table(table, output=keep)
                assert str(stage.ours).encode() not in copied, (table, setting)


@pytest.mark.parametrize("service", SERVICES)
async def test_who_is_of_the_network_sees_what_was_played(stage: Stage, service: str) -> None:
    empty, raised = set(), set()
    async with stage.session(service, str(stage.ours)) as connection:
        for table in await stage.of_networks(service):
            names = {"table": table, "ours": stage.ours, "nobody": new_id()}
            seen = [await connection.fetchval(look.format(**names)) for look in LOOKS[:-1]]
            assert all(seen) or not any(seen), (table, seen)
            if not any(seen):
                empty.add(table)
                continue
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval(LEAKY.format(**names))
            raised.add(table)
    assert empty - OF_TROUBLE == EMPTY[service]
    assert len(raised) > 8


@pytest.mark.parametrize("service", SERVICES)
async def test_who_is_not_of_the_network_changes_nothing(stage: Stage, service: str) -> None:
    tried = set()
    for setting in stage.settings():
        async with stage.session(service, setting) as connection:
            for table in await stage.of_networks(service):
                ours = f"WHERE network_id = '{stage.ours}'"
                for statement in (
                    f"UPDATE {table} SET network_id = network_id {ours}",
                    f"UPDATE {table} SET network_id = current_network() {ours} RETURNING *",
                    f"DELETE FROM {table} {ours}",
                    f"DELETE FROM {table} {ours} RETURNING *",
                    f"TRUNCATE {table} CASCADE",
                ):
                    found = await outcome(connection, statement)
                    tried.add(found)
                    assert found in ("UPDATE 0", "DELETE 0") or found.startswith("42501"), (
                        table,
                        setting,
                        found,
                    )
    assert {"UPDATE 0", "DELETE 0"} <= tried


@pytest.mark.parametrize("service", SERVICES)
async def test_a_row_of_another_network_is_refused_and_tells_of_none(
    stage: Stage, service: str
) -> None:
    """The refusal is the same whether such a row is there or not."""
    policy = set()
    for table in await stage.of_networks(service):
        row = await stage.a_row(service, table)
        if row is None:
            continue
        unlike = _all_new(row) | {"network_id": str(stage.ours)}
        for setting in stage.settings():
            async with stage.session(service, setting) as connection:
                for more in ("", "ON CONFLICT DO NOTHING", "RETURNING *"):
                    there = await outcome(connection, *insert(table, row, more))
                    nowhere = await outcome(connection, *insert(table, unlike, more))
                    assert there == nowhere, (table, setting, more)
                    assert there.startswith("42501"), (table, setting, there)
                    policy |= {table} if "row-level security policy" in there else set()
                columns = list(row)
                with pytest.raises((DENIED, asyncpg.FeatureNotSupportedError)):
                    await connection.copy_records_to_table(table, records=[], columns=columns)
    assert len(policy) > 8


@pytest.mark.parametrize("service", SERVICES)
async def test_what_is_unique_is_so_within_a_network(stage: Stage, service: str) -> None:
    """Our rows, as rows of a network that has none: only an id that is random is in the way."""
    ids = {
        row["name"]
        for row in await stage.house.rows(
            service,
            "SELECT i.indexrelid::regclass::text AS name FROM pg_index i JOIN pg_attribute a"
            " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = 'id'"
            " WHERE i.indisunique AND i.indnkeyatts = 1",
        )
    }
    done, blank = [], str(new_id())
    async with stage.session(service, blank) as connection:
        for table in await stage.of_networks(service):
            row = await stage.a_row(service, table)
            if row is None:
                continue
            row["network_id"] = blank
            found = await outcome(connection, *insert(table, row))
            if found.startswith("23505"):
                assert found.removeprefix("23505 ") in ids, (table, found)
                found = await outcome(connection, *insert(table, row | {"id": str(new_id())}))
            state, _, named = found.partition(" ")
            assert state != "23505", (table, found)
            assert state != "23P01" or named in UNIQUE_WITHOUT_NETWORK, (table, found)
            done.append(state)
    assert {"INSERT", "23503"} >= set(done) - {"42501", "23P01", "P0001", "23514"}, set(done)
    assert "INSERT" in done


@pytest.mark.parametrize("service", SERVICES)
async def test_ones_own_row_is_not_given_to_another_network(stage: Stage, service: str) -> None:
    refused = 0
    async with stage.session(service, str(stage.ours)) as connection:
        for table in await stage.of_networks(service):
            if await stage.a_row(service, table) is None:
                continue
            found = await outcome(connection, f"UPDATE {table} SET network_id = '{stage.theirs}'")
            assert found.startswith("42501"), (table, found)
            refused += "row-level security policy" in found
    assert refused > 3


@pytest.mark.parametrize("service", SERVICES)
async def test_app_gets_around_row_security_by_no_word(stage: Stage, service: str) -> None:
    async with stage.session(service, str(stage.theirs)) as connection:
        for table in WITHOUT_NETWORK:
            if table != "alembic_version":
                with pytest.raises(DENIED):
                    await connection.fetch(f"SELECT * FROM {table}")
        for role in (f"{service}_owner", f"{service}_worker", "bus_owner", "postgres"):
            with pytest.raises(DENIED):
                await connection.execute(f"SET ROLE {role}")
        for statement in (
            "CREATE TABLE mine (x int)",
            "CREATE TEMP TABLE mine (x int)",
            "CREATE SCHEMA mine",
            "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE VIEW mine AS SELECT * FROM audit",
            "ALTER TABLE audit DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE audit NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY net ON audit",
            "CREATE POLICY more ON audit USING (true)",
            "COMMENT ON TABLE audit IS ''",
            "SELECT lo_from_bytea(0, 'x')",
            "SELECT pg_read_file('PG_VERSION')",
            "COPY audit TO PROGRAM 'true'",
        ):
            found = await outcome(connection, statement)
            assert found.startswith("42501"), (statement, found)
        # The server takes the words of a grant, says that nothing was granted, and is right.
        await connection.execute("GRANT SELECT ON audit TO PUBLIC")
        given = "SELECT relacl::text LIKE '%{=%' OR relacl::text LIKE '%,=%' FROM pg_class"
        assert not await connection.fetchval(f"{given} WHERE oid = 'audit'::regclass")
        await connection.execute("SET row_security = off")
        for table in await stage.of_networks(service):
            with pytest.raises(DENIED):
                await connection.fetch(f"SELECT * FROM {table}")


@pytest.mark.parametrize("service", SERVICES)
async def test_what_the_planner_knows_of_values_is_not_told(stage: Stage, service: str) -> None:
    await stage.house.eyes[service].execute("ANALYZE")
    known = "SELECT count(*) FROM pg_stats WHERE schemaname = 'public'"
    assert (await stage.house.rows(service, known))[0]["count"] > 100
    async with stage.session(service, str(stage.ours)) as connection:
        # Which revision there is may be known.
        told = f"{known} AND tablename <> 'alembic_version'"
        assert await connection.fetchval(told) == 0


@pytest.mark.parametrize("service", SERVICES)
async def test_worker_sees_of_clinics_nothing_and_of_the_mechanism_what_it_must(
    stage: Stage, service: str
) -> None:
    tables = await stage.of_networks(service)
    for setting in (UNSET, "", "x", str(stage.theirs), str(stage.ours)):
        async with stage.session(service, setting, "worker") as connection:
            for table in tables:
                look = f"SELECT count(*) FROM {table}"
                if table in ACROSS_NETWORKS:
                    await connection.fetchval(look)
                    continue
                row = await stage.a_row(service, table) or {"network_id": str(stage.ours)}
                for statement, *arguments in (
                    (look,),
                    (f"UPDATE {table} SET network_id = network_id",),
                    (f"DELETE FROM {table}",),
                    insert(table, row),
                ):
                    found = await outcome(connection, statement, *arguments)
                    assert found.startswith("42501 permission denied"), (table, found)
    assert len(set(tables) - set(ACROSS_NETWORKS)) > 3


@pytest.mark.parametrize("service", SERVICES)
async def test_a_partition_is_reached_through_its_parent_alone(stage: Stage, service: str) -> None:
    partitions = await stage.tables(service, partitions=True)
    eye, filled = stage.house.eyes[service], []
    for partition in partitions:
        for role in ("app", "worker"):
            async with stage.session(service, str(stage.ours), role) as connection:
                for statement in (
                    f"SELECT * FROM {partition}",
                    f"INSERT INTO {partition} DEFAULT VALUES",
                    f"UPDATE {partition} SET type = type",
                    f"DELETE FROM {partition}",
                    f"TRUNCATE {partition}",
                    f"COPY {partition} TO STDOUT",
                ):
                    found = await outcome(connection, statement)
                    assert found.startswith("42501"), (partition, role, found)
        rows = await stage.house.rows(service, f"SELECT count(*) AS n FROM {partition}")
        filled += [partition] if rows[0]["n"] else []
        # Somebody who grants it by mistake grants nothing: there is no policy. Nor has its owner.
        async with asyncpg.create_pool(
            stage.environment[f"CLINICBUS_{service.upper()}_OWNER_URL"], min_size=1, max_size=1
        ) as pool:
            assert await pool.fetchval(f"SELECT count(*) FROM {partition}") == 0
        mistake = eye.transaction()
        await mistake.start()
        await eye.execute(f"GRANT SELECT, INSERT ON {partition} TO {service}_app")
        await eye.execute("SELECT set_config('app.network', $1, true)", str(stage.ours))
        await eye.execute(f"SET LOCAL ROLE {service}_app")
        assert await eye.fetchval(f"SELECT count(*) FROM {partition}") == 0
        await mistake.rollback()
    assert filled


@pytest.mark.parametrize("service", SERVICES)
async def test_a_policy_that_opens_a_table_is_seen_by_the_looks(stage: Stage, service: str) -> None:
    eye = stage.house.eyes[service]
    table = {"appointments": "appointments", "patients": "patients"}.get(service, "known_visits")
    names = {"table": table, "ours": stage.ours, "nobody": new_id()}
    await eye.execute(f"CREATE POLICY open ON {table} TO {service}_app USING (true)")
    try:
        async with stage.session(service, str(stage.theirs)) as connection:
            for look in LOOKS:
                assert await connection.fetchval(look.format(**names)) > 0, look
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval(LEAKY.format(**names))
    finally:
        await eye.execute(f"DROP POLICY open ON {table}")


async def test_no_route_takes_a_resource_of_another_network(stage: Stage) -> None:
    """What `occupancies_never_twice` is let through for."""
    theirs, codes = stage.clinics[1], []
    for patient in (stage.patient, str(new_id())):
        body = theirs.booking(patient, denver(5, 10))
        answer = await theirs.person("dana", "appointments").post("/v1/appointments", body)
        codes.append((answer.status_code, answer.text))
    assert codes[0] == codes[1]
    assert codes[0][0] == 404
    elsewhere = {"provider_id": stage.clinics[0].provider_id}
    body = theirs.booking(stage.patient, denver(5, 10)) | elsewhere
    answer = await theirs.person("dana", "appointments").post("/v1/appointments", body)
    assert (answer.status_code, answer.json()["code"]) == (404, "provider.not_found")


def _all_new(row: dict[str, Any]) -> dict[str, Any]:
    """The row with another id wherever it has one."""
    return {name: str(new_id()) if _is_id(value) else value for name, value in row.items()}


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 36 and value.count("-") == 4
