"""Databases made ready: twice the same, and on a Postgres of one's own."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ops import environment, postgres, secrets_kept
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from ops.postgres import Server
from ops.programs import Plan, run_to_end, usual_plan
from ops.tests.systems import standins
from shared.db import provision

SUPERUSERS = "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname <> 'postgres'"
DATABASES = "SELECT array_agg(datname ORDER BY datname) FROM pg_database WHERE NOT datistemplate"


@pytest.fixture(name="server", scope="module")
def postgres_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("own") / "pg"
    server = postgres.start(folder, Ports.free().of["postgres"], durable=False)
    yield server
    server.stop()


async def ask(url: str, text: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(text)
    finally:
        await connection.close()


async def test_roles_lose_what_power_they_were_given(server: Server) -> None:
    own = server.tcp_url("postgres", server.cluster.password, "postgres")
    passwords = dict.fromkeys(provision.roles_of(), "given")
    held = (
        "SELECT string_agg(rolname, ' ' ORDER BY 1) FROM pg_roles"
        " WHERE rolname !~ '^pg_'"
        " AND rolname ~ '_(app|worker|owner)$' AND ({})"
    )
    powers = " OR ".join(
        "rolsuper" if power == "SUPERUSER" else f"rol{power.lower()}" for power in provision.POWERS
    )
    await provision.provision(own, passwords)
    assert await ask(own, held.format(powers)) is None
    large = "SELECT has_function_privilege('patients_app', 'lo_get(oid)', 'EXECUTE')"
    inside = server.tcp_url("postgres", server.cluster.password, "clinicbus_patients")
    await ask(own, f"ALTER ROLE patients_app {' '.join(provision.POWERS)}")
    await ask(inside, "GRANT EXECUTE ON FUNCTION lo_get(oid) TO PUBLIC")
    assert await ask(own, held.format(powers)) == "patients_app"
    assert await ask(inside, large)
    await provision.provision(own, passwords)
    assert await ask(own, held.format(powers)) is None
    assert not await ask(inside, large)


async def test_a_postgres_of_ones_own_is_prepared_and_not_kept(
    server: Server, tmp_path: Path
) -> None:
    own = server.tcp_url("postgres", server.cluster.password, "postgres")
    layout, ports = Layout(tmp_path / "d"), Ports.free()
    plan = standins(layout, ports)
    plan = Plan(plan.first, usual_plan(ports, layout).prepare, plan.services)
    async with LocalSystem(layout, ports, Options(postgres_url=own), plan=plan) as system:
        assert "postgres" not in [process.name for process in system.state().processes]
        expected = sorted(
            ["clinicbus_bus", "postgres", *map("clinicbus_{}".format, provision.SERVICES)]
        )
        assert await ask(own, DATABASES) == expected
        assert await ask(own, SUPERUSERS) == 0
        urls = environment.of_operator(layout)
        for service in provision.SERVICES:
            found = await ask(
                urls[f"CLINICBUS_{service.upper()}_APP_URL"],
                "SELECT version_num FROM alembic_version",
            )
            assert found
        # A second time, over the first.
        given = {
            "superuser_url": own,
            "passwords": secrets_kept.kept(
                layout.secrets, provision.roles_of(), provision.SERVICES
            ).passwords,
        }
        await run_to_end("ops.prepare", given, layout, system.environment_of("prepare"))
        assert await ask(own, DATABASES) == expected
