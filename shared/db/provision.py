"""Roles and databases in a Postgres: three roles and a database a service, and one for the bus."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import structlog

from shared.db.quiet import SERVER_LOG

log = structlog.get_logger(__name__)

SERVICES: tuple[str, ...] = ("appointments", "patients", "eligibility", "payments", "documents")
BUS_DATABASE = "clinicbus_bus"
POWERS = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS", "INHERIT")
"""What no role of ours has. Without INHERIT a role that is granted another has to say so each time
(`SET ROLE`) before it sees what the other sees."""
_COLUMNS = ", ".join("rolsuper" if p == "SUPERUSER" else f"rol{p.lower()}" for p in POWERS)
# Large objects have no row security: one is read by whoever knows or guesses its number. What is
# written to the log of writes by hand is read by whoever reads that.
_SIDE_DOORS = """
SELECT p.oid::regprocedure::text FROM pg_proc p, aclexplode(coalesce(p.proacl,
  acldefault('f', p.proowner))) a
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 0
  AND p.proname ~ '^(lo_|lo(read|write)$|pg_logical_emit_message$)'
"""


def roles_of(services: Sequence[str] = SERVICES) -> tuple[str, ...]:
    """Every role that needs a password."""
    named = [f"{s}_{part}" for s in services for part in ("owner", "app", "worker")]
    return (*named, "bus_owner")


def url_for(superuser_url: str, role: str, password: str, database: str) -> str:
    """The URL of a role in a database on the server that `superuser_url` names."""
    parts = urlsplit(superuser_url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{role}:{quote(password, safe='')}@{host}"
    return urlunsplit(("postgresql", netloc, f"/{database}", parts.query, ""))


def service_environment(
    superuser_url: str,
    passwords: Mapping[str, str],
    services: Sequence[str] = SERVICES,
    *,
    suffix: str = "",
) -> dict[str, str]:
    """The URL variables of every service, for the roles and databases that `provision` makes."""
    found = {
        "CLINICBUS_BUS_OWNER_URL": url_for(
            superuser_url, "bus_owner", passwords["bus_owner"], BUS_DATABASE + suffix
        )
    }
    for service in services:
        for part in ("owner", "app", "worker"):
            role = f"{service}_{part}"
            found[f"CLINICBUS_{service.upper()}_{part.upper()}_URL"] = url_for(
                superuser_url, role, passwords[role], f"clinicbus_{service}{suffix}"
            )
        worker = f"{service}_worker"
        found[f"CLINICBUS_{service.upper()}_BUS_URL"] = url_for(
            superuser_url, worker, passwords[worker], BUS_DATABASE + suffix
        )
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def provision(
    superuser_url: str,
    passwords: Mapping[str, str],
    services: Sequence[str] = SERVICES,
    *,
    suffix: str = "",
) -> None:
    """Create what is missing of roles and databases; running it again changes nothing else.

    Of several that do it at once, one does and the others wait.
    `GRANT app TO worker WITH INHERIT FALSE, SET TRUE`: with inheritance the worker would see and
    write a service's own rows without switching to app. Needs Postgres 16 or later.
    """
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('clinicbus-provision'))")
        await _create_roles(connection, passwords, services)
        await keep_quiet(connection, services)
        databases = {f"clinicbus_{s}{suffix}": f"{s}_owner" for s in services}
        databases[BUS_DATABASE + suffix] = "bus_owner"
        for database, owner in databases.items():
            if not await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname=$1", database
            ):
                await connection.execute(f"CREATE DATABASE {database} OWNER {owner}")
            await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            members = _may_connect(owner, services)
            await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {members}")
            await _close_side_doors(superuser_url, database)
    finally:
        await connection.close()


def _may_connect(owner: str, services: Sequence[str]) -> str:
    if owner == "bus_owner":
        return ", ".join(f"{s}_worker" for s in services)
    service = owner.removesuffix("_owner")
    return f"{service}_app, {service}_worker"


async def _create_roles(
    connection: asyncpg.Connection,
    passwords: Mapping[str, str],
    services: Sequence[str],
) -> None:
    for role in roles_of(services):
        held = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM pg_roles WHERE rolname = $1", role
        )
        # Only who has a power may speak of it in ALTER ROLE, which not every host gives.
        taken = [p for n, p in enumerate(POWERS) if held is None or held[n]]
        verb, without = "CREATE" if held is None else "ALTER", " ".join(f"NO{p}" for p in taken)
        await connection.execute(
            f"{verb} ROLE {role} LOGIN {without} PASSWORD {_quoted(passwords[role])}"
        )
    for service in services:
        await connection.execute(
            f"GRANT {service}_app TO {service}_worker WITH INHERIT FALSE, SET TRUE, ADMIN FALSE"
        )


async def _close_side_doors(superuser_url: str, database: str) -> None:
    """Take from everybody what reaches past row security. Only a real superuser may."""
    connection = await asyncpg.connect(
        urlsplit(superuser_url)._replace(path=f"/{database}").geturl()
    )
    try:
        for row in await connection.fetch(_SIDE_DOORS):
            await connection.execute(f"REVOKE EXECUTE ON FUNCTION {row[0]} FROM PUBLIC")
    except asyncpg.InsufficientPrivilegeError:
        log.warning("provision.side_doors_open")
    finally:
        await connection.close()


async def keep_quiet(connection: asyncpg.Connection, services: Sequence[str]) -> None:
    """Let the server write down nothing of our sessions that holds a value, whatever it does else.

    Only a real superuser may; where a host gives none, the server as a whole must be set like this.
    """
    try:
        for role in roles_of(services):
            for name, value in SERVER_LOG.items():
                await connection.execute(f"ALTER ROLE {role} SET {name} = {_quoted(value)}")
    except asyncpg.InsufficientPrivilegeError:
        log.warning("provision.server_log_open")
