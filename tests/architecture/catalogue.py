"""What a database's catalogue says against the rules of tenancy, each fault as a sentence.

It looks at everything that is in the schema and at no list of what should be there: what somebody
adds is judged the moment it is there. What is let through stands in `Rules`, with its reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from shared.db.provision import POWERS

OF_THE_NETWORK = "(network_id = current_network())"


@dataclass(frozen=True, slots=True)
class Rules:
    """What one database may have; every exception by name, with why it is one."""

    owner: str
    app: str
    worker: str
    without_network: Mapping[str, str]
    """Tables that are of no network. App may write none of them, nor read any but these:"""
    read_by_app: Mapping[str, str]
    """… tables and columns (`table.column`) that say nothing of anybody."""
    across_networks: Mapping[str, str]
    """Tables of networks in which worker may see the rows of all."""
    definers: Mapping[str, str]
    """Functions that run as their owner, by signature."""
    unique_without_network: Mapping[str, str] = field(default_factory=dict)
    """Indexes that let one network notice another's rows. An index on a row's `id` alone needs no
    word: ids are random, and whoever knows one was told."""
    owners_policies: Mapping[str, str] = field(default_factory=dict)
    """Tables that their owner may see, for functions that run as the owner."""


_RELATIONS = """
SELECT c.oid, c.oid::regclass::text AS name, c.relkind::text AS kind, c.relispartition AS part,
  c.relrowsecurity AS on, c.relforcerowsecurity AS forced, c.relowner::regrole::text AS owner,
  coalesce(c.reloptions @> '{security_invoker=true}', false) AS invoker,
  EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'network_id'
    AND a.attnotnull AND a.atttypid = 'uuid'::regtype) AS network
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 2
"""
_POLICIES = """
SELECT p.polrelid AS oid, p.polname AS name, p.polcmd::text AS command,
  p.polpermissive AS permissive, pg_get_expr(p.polqual, p.polrelid) AS using,
  pg_get_expr(p.polwithcheck, p.polrelid) AS checked,
  ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END
    FROM unnest(p.polroles) r) AS roles
FROM pg_policy p ORDER BY 2
"""
_GRANTS = """
SELECT c.oid, a.privilege_type AS verb, a.is_grantable AS on, a.attname AS column,
  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role
FROM pg_class c, LATERAL (
  SELECT NULL AS attname, e.* FROM aclexplode(c.relacl) e UNION ALL
  SELECT t.attname, e.* FROM pg_attribute t, aclexplode(t.attacl) e WHERE t.attrelid = c.oid) a
WHERE a.grantee <> c.relowner
"""
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text || '.' || conname AS name FROM pg_constraint k
WHERE contype = 'f' AND NOT EXISTS (
  SELECT 1 FROM generate_subscripts(k.conkey, 1) i
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[i]
  JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[i]
  WHERE a.attname = 'network_id' AND b.attname = 'network_id') ORDER BY 1
"""
_UNIQUES = """
SELECT c.oid, i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS text,
  i.indisunique AND i.indnkeyatts = 1 AND i.indexprs IS NULL AND EXISTS (SELECT 1
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]
    AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype) AS of_id
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE (i.indisunique OR i.indisexclusion) ORDER BY 2
"""
_FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, p.proowner::regrole::text AS owner,
  p.prosecdef AS definer,
  EXISTS (SELECT 1 FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%') AS path,
  EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    WHERE a.grantee = 0) AS public
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
"""
_OWNED = """
SELECT r.rolname AS role, CASE s.classid
  WHEN 'pg_class'::regclass THEN (SELECT relname FROM pg_class WHERE oid = s.objid)
  ELSE s.classid::regclass::text || ' ' || s.objid END AS name
FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o' AND r.rolname = ANY ($1)
  AND s.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1, 2
"""
_KINDS = {"m": "a materialized view", "f": "a foreign table"}
_Row = Mapping[str, Any]


async def findings(connection: asyncpg.Connection, rules: Rules) -> list[str]:
    """Every fault of the database that a connection is to, as a sentence; none where it is right.

    The connection's role must see the whole catalogue, as every role does.
    """
    relations = await connection.fetch(_RELATIONS)
    policies, grants = await connection.fetch(_POLICIES), await connection.fetch(_GRANTS)
    found: list[str] = []
    for relation in relations:
        kind, name = relation["kind"], relation["name"]
        mine = [p for p in policies if p["oid"] == relation["oid"]]
        given = [g for g in grants if g["oid"] == relation["oid"]]
        if kind in _KINDS:
            found.append(f"{name} is {_KINDS[kind]}, which row security cannot protect.")
        if kind == "v" and not relation["invoker"]:
            found.append(f"The view {name} is without security_invoker.")
        if kind in "rp":
            found += _of_table(relation, mine, rules)
        found += _of_grants(relation, given, rules)
    found += await _of_keys(connection, relations, rules)
    found += await _of_functions(connection, rules)
    for row in await connection.fetch(_OWNED, [rules.app, rules.worker]):
        found.append(f"{row['name']} is owned by {row['role']}.")
    return found


def _of_table(table: _Row, policies: list[_Row], rules: Rules) -> list[str]:
    name, found = table["name"], []
    if name in rules.without_network and name == "alembic_version":
        return []
    if not table["on"]:
        found.append(f"{name} has no row security.")
    elif not table["forced"]:
        found.append(f"{name} does not force its row security.")
    if table["part"]:
        # Reached through its parent alone; directly it has nothing for anybody.
        return found + [f"The partition {name} has the policy {p['name']}." for p in policies]
    if not policies:
        found.append(f"{name} has no policy.")
    if not table["network"] and name not in rules.without_network:
        found.append(f"{name} has no network_id that is a uuid and never null.")
    for policy in policies:
        found += _of_policy(name, policy, rules)
    return found


def _of_policy(table: str, policy: _Row, rules: Rules) -> list[str]:
    named, roles = f"The policy {policy['name']} on {table}", set(policy["roles"])
    readable = {what.partition(".")[0] for what in rules.read_by_app}
    if not policy["permissive"]:
        return []  # it can only take away
    if roles == {rules.worker} and table in {**rules.across_networks, **rules.without_network}:
        return []
    if roles == {rules.owner} and table in rules.owners_policies:
        return []
    if roles == {rules.app} and policy["command"] == "r" and table in readable:
        return []
    found = []
    if roles != {rules.app} or table in rules.without_network:
        found.append(f"{named} is for {', '.join(sorted(roles))}.")
    command = policy["command"]
    wanted = {"using": command in "*rwd", "checked": command in "*aw"}
    for part, says in (("using", "USING"), ("checked", "WITH CHECK")):
        if wanted[part] and policy[part] is None:
            found.append(f"{named} has no {says}.")
        elif policy[part] is not None and policy[part] != OF_THE_NETWORK:
            found.append(f"{named} has {says} {policy[part]}.")
    return found


def _of_grants(relation: _Row, grants: list[_Row], rules: Rules) -> list[str]:
    name, found = relation["name"], []
    of_worker = {**rules.across_networks, **rules.without_network}
    for grant in grants:
        role, verb = grant["role"], grant["verb"]
        what = f"{name}.{grant['column']}" if grant["column"] else name
        named = f"{role} has {verb} on {name}"
        if relation["part"] or role not in (rules.app, rules.worker) or grant["on"]:
            found.append(named + ("." if not grant["on"] else " and may give it on."))
        elif verb not in ("SELECT", "INSERT", "UPDATE", "DELETE", "USAGE"):
            found.append(f"{named}.")
        elif verb == "SELECT" and role == rules.app and what in rules.read_by_app:
            pass
        elif name == "alembic_version":
            found += [f"{named}."] if verb != "SELECT" else []
        elif role == rules.app and name in rules.without_network:
            found.append(f"{named}, which has no network.")
        elif role == rules.worker and relation["kind"] in "rp" and name not in of_worker:
            found.append(f"{named}.")
    return found


async def _of_keys(
    connection: asyncpg.Connection, relations: list[_Row], rules: Rules
) -> list[str]:
    found = []
    for row in await connection.fetch(_FOREIGN_KEYS):
        found.append(f"The foreign key {row['name']} does not hold network_id to network_id.")
    names = {r["oid"]: r["name"] for r in relations if r["kind"] in "rp"}
    for row in await connection.fetch(_UNIQUES):
        table = names.get(row["oid"])
        if table is None or table in rules.without_network or row["of_id"]:
            continue
        if "network_id" not in row["text"] and row["name"] not in rules.unique_without_network:
            found.append(f"{row['name']} holds rows of different networks apart from each other.")
    return found


async def _of_functions(connection: asyncpg.Connection, rules: Rules) -> list[str]:
    found = []
    for row in await connection.fetch(_FUNCTIONS):
        if not row["definer"]:
            continue
        named = f"The function {row['name']}"
        if row["name"] not in rules.definers:
            found.append(f"{named} runs as its owner and is not on the list.")
        if row["owner"] != rules.owner:
            found.append(f"{named} runs as {row['owner']}.")
        if not row["path"]:
            found.append(f"{named} runs as its owner and takes its caller's search_path.")
        if row["public"]:
            found.append(f"{named} runs as its owner for everybody.")
    return found


_ROLES = """
SELECT rolname AS name, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
  rolinherit,
  has_database_privilege(oid, current_database(), 'TEMP') AS temp,
  has_database_privilege(oid, current_database(), 'CREATE') AS create_schema,
  has_schema_privilege(oid, 'public', 'CREATE') AS create_public,
  ARRAY(SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = r.oid) AS member_of,
  ARRAY(SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege(r.oid, p.oid,
      'EXECUTE') AND p.proname ~ $2 ORDER BY 1) AS dangerous,
  ARRAY(SELECT d.datname FROM pg_database d WHERE d.datname <> current_database()
    AND d.datname ~ '^clinicbus_' AND has_database_privilege(r.oid, d.oid, 'CONNECT')) AS elsewhere
FROM pg_roles r WHERE rolname = ANY ($1) ORDER BY 1
"""
REACHES_OUT = r"^(lo_|lo(read|write)$|pg_(read_|write_|ls_|stat_file|file_|logical_emit_|reload_))"
"""Functions that reach files, settings, the log of writes, or what has no row security."""


async def findings_of_roles(
    connection: asyncpg.Connection, rules: Rules, databases: frozenset[str]
) -> list[str]:
    """Every fault of the app and worker roles in the database that a connection is to.

    databases: others that worker may connect to; app may to none.
    """
    found = []
    for role in await connection.fetch(_ROLES, [rules.app, rules.worker], REACHES_OUT):
        name = role["name"]
        for power in POWERS:
            column = "rolsuper" if power == "SUPERUSER" else f"rol{power.lower()}"
            if role[column]:
                found.append(f"{name} has {power}.")
        for column, says in (
            ("temp", "make temporary tables"),
            ("create_schema", "make schemas"),
            ("create_public", "make tables"),
        ):
            if role[column]:
                found.append(f"{name} may {says}.")
        found += [f"{name} may call {function}." for function in role["dangerous"]]
        others = set(role["elsewhere"]) - (databases if name == rules.worker else frozenset())
        found += [f"{name} may connect to {other}." for other in sorted(others)]
        may_become = {rules.app} if name == rules.worker else set()
        found += [f"{name} may become {r}." for r in sorted(set(role["member_of"]) - may_become)]
    return found


ACROSS_NETWORKS = {
    "applied": "How far each subject was heard is compared before app takes over.",
    "audit": "The sealer takes the rows of all networks in order; it writes none.",
    "audit_patient": "The sealer writes whom the rows it seals are about.",
    "audit_seal": "The sealer chains each network's rows; nobody changes a seal.",
    "idempotency": "Housekeeping forgets what is older than 72 hours, of everybody.",
    "intent": "The runner of errands looks for what is next, of everybody.",
    "operator_action": "An operator asks, and the consumer of the process does it.",
    "outbox": "The relay sends the rows of all networks in the order of commits.",
    "parked_event": "An operator looks at what is held up.",
    "parked_key": "The consumer asks first whether a key waits.",
    "timer": "The runner of timers looks for what is due, of everybody.",
}
WITHOUT_NETWORK = {
    "alembic_version": "Which revision the database has; made by Alembic, and read by readiness.",
    "audit_sealer": "How far the sealer of a service is, and its anchors: one row.",
    "bus_offset": "Where a service stands in the bus, whose partitions are of all networks.",
    "relay_lease": "Who sends, and how far: one row a service.",
    "unreadable": "A record whose network could not be read, or not be believed.",
}
READ_BY_APP = {
    "alembic_version": "Readiness compares the revision with the code's.",
    "audit_sealer.cursor_xid": "Where the sealed rows end: who asks looks through those behind it.",
}
DEFINERS = {
    "audit_rebase()": "Rows of the audit are numbered anew by nobody but after a restore.",
    "outbox_drop_days(integer)": "A day is dropped by the owner of the table alone.",
    "outbox_make_days(integer)": "A day is made by the owner of the table alone.",
    "outbox_rebase()": "Rows of an outbox are changed by nobody but after a restore.",
}
UNIQUE_WITHOUT_NETWORK = {
    "occupancies_never_twice": (
        "What cannot be in two places is a resource, by an id that is random and that no route"
        " takes from another network; a further column would be paid for by every booking."
    ),
}


def rules_of(service: str) -> Rules:
    """The rules of a service's database."""
    return Rules(
        owner=f"{service}_owner",
        app=f"{service}_app",
        worker=f"{service}_worker",
        without_network=WITHOUT_NETWORK,
        read_by_app=READ_BY_APP,
        across_networks=ACROSS_NETWORKS,
        definers=DEFINERS,
        unique_without_network=UNIQUE_WITHOUT_NETWORK,
        owners_policies={"relay_lease": "outbox_drop_days and outbox_rebase read the cursor."},
    )
