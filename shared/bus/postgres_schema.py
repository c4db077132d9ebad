"""The bus in a Postgres database of its own: its tables, its functions and who may do what.

Everything that writes is a function that runs as the bus's owner and asks the access list who the
session is. Reading goes through row security, so a service sees records of its topics alone.
"""

from collections.abc import Sequence

import asyncpg

from shared.bus.postgres_functions import FUNCTIONS

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS bus_identity (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  bus_id uuid NOT NULL DEFAULT gen_random_uuid())
""",
    """
CREATE TABLE IF NOT EXISTS topic (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE)
""",
    # Offsets are taken here, in the statement that appends: the row's lock is held until the
    # commit, so the order of offsets is the order of commits and a reader can never skip one.
    """
CREATE TABLE IF NOT EXISTS log_partition (
  topic_id int NOT NULL REFERENCES topic,
  partition int NOT NULL,
  log_start bigint NOT NULL DEFAULT 0,
  next_offset bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (topic_id, partition)) WITH (fillfactor = 25)
""",
    """
CREATE TABLE IF NOT EXISTS log_record (
  topic_id int NOT NULL,
  partition int NOT NULL,
  "offset" bigint NOT NULL,
  key text NOT NULL,
  headers text NOT NULL,
  value bytea NOT NULL,
  appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic_id, partition, "offset"))
""",
    "CREATE TABLE IF NOT EXISTS producer (name text PRIMARY KEY, epoch bigint NOT NULL)",
    """
CREATE TABLE IF NOT EXISTS bus_acl (
  role name NOT NULL,
  kind text NOT NULL CHECK (kind IN ('producer', 'group', 'append', 'read')),
  name text NOT NULL,
  PRIMARY KEY (role, kind, name))
""",
    """
CREATE TABLE IF NOT EXISTS member (
  grp text NOT NULL,
  member text NOT NULL,
  topics text[] NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (grp, member)) WITH (fillfactor = 25)
""",
    """
CREATE TABLE IF NOT EXISTS claim (
  grp text NOT NULL,
  topic_id int NOT NULL,
  partition int NOT NULL,
  member text NOT NULL,
  PRIMARY KEY (grp, topic_id, partition))
""",
    """
CREATE TABLE IF NOT EXISTS group_offset (
  grp text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (grp, topic, partition)) WITH (fillfactor = 25)
""",
)

_ALL = (
    "bus_identity",
    "topic",
    "log_partition",
    "log_record",
    "producer",
    "bus_acl",
    "member",
    "claim",
    "group_offset",
)
_READABLE = ("bus_identity", "topic", "log_partition", "log_record")

_CALLED = (
    "bus_readable()",
    "bus_create_topics(text[])",
    "bus_append(text, bigint, text[], int[], text[], text[], bytea[])",
    "bus_beat(text, text, text[], float8)",
    "bus_release(text, text, int[], int[])",
    "bus_leave(text, text)",
    "bus_stands(text, text[], int[], bigint[])",
)


async def install(bus_owner_url: str) -> None:
    """Make the bus in the database of `bus_owner_url`, or bring its functions up to date."""
    connection = await asyncpg.connect(bus_owner_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('bus_install'))")
            for text in _TABLES:
                await connection.execute(text)
            for text in FUNCTIONS:
                await connection.execute(text)
            await _protect(connection)
            made = "INSERT INTO bus_identity DEFAULT VALUES ON CONFLICT DO NOTHING"
            await connection.execute(made)
    finally:
        await connection.close()


async def _protect(connection: asyncpg.Connection) -> None:
    statements: list[str] = []
    for table in _ALL:
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS own ON {table}",
            f"CREATE POLICY own ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        ]
    for table in _READABLE:
        mine = "topic_id = ANY ((SELECT bus_readable())::int[])"
        seen = mine if table.startswith("log_") else "true"
        statements += [
            f"DROP POLICY IF EXISTS see ON {table}",
            f"CREATE POLICY see ON {table} FOR SELECT USING ({seen})",
        ]
    for function in _CALLED:
        statements.append(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    statements.append("REVOKE ALL ON FUNCTION bus_check(text, text[]) FROM PUBLIC")
    for statement in statements:
        await connection.execute(statement)


async def grant(
    bus_owner_url: str, role: str, *, service: str, appends: Sequence[str], reads: Sequence[str]
) -> None:
    """Let a service's worker role append to and read these topics, and no others.

    Its producer and its group are called as the service. The topics are made where missing.
    """
    rows = [(role, "producer", service), (role, "group", service)]
    rows += [(role, "append", topic) for topic in appends]
    rows += [(role, "read", topic) for topic in reads]
    connection = await asyncpg.connect(bus_owner_url)
    try:
        async with connection.transaction():
            topics = sorted({*appends, *reads})
            # Of two that grant at once, each would delete nothing of the other's and insert it too.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('bus_install'))")
            await connection.execute("SELECT bus_create_topics($1)", topics)
            await connection.execute("DELETE FROM bus_acl WHERE role = $1", role)
            text = "INSERT INTO bus_acl VALUES ($1, $2, $3)"
            await connection.executemany(text, sorted(set(rows)))
            quoted = await connection.fetchval("SELECT quote_ident($1)", role)
            await connection.execute(f"GRANT USAGE ON SCHEMA public TO {quoted}")
            await connection.execute(f"GRANT SELECT ON {', '.join(_READABLE)} TO {quoted}")
            await connection.execute(f"GRANT EXECUTE ON FUNCTION {', '.join(_CALLED)} TO {quoted}")
    finally:
        await connection.close()


async def trim(bus_owner_url: str, topic: str, partition: int, before: int) -> None:
    """Delete the records of a partition below an offset and move the log's start there."""
    connection = await asyncpg.connect(bus_owner_url)
    try:
        async with connection.transaction():
            topic_id = await connection.fetchval(
                "UPDATE log_partition c SET log_start = $3 FROM topic t WHERE t.id = c.topic_id"
                " AND t.name = $1 AND c.partition = $2 AND $3 BETWEEN c.log_start AND c.next_offset"
                " RETURNING c.topic_id",
                topic,
                partition,
                before,
            )
            await connection.execute(
                'DELETE FROM log_record WHERE topic_id = $1 AND partition = $2 AND "offset" < $3',
                topic_id,
                partition,
                before,
            )
    finally:
        await connection.close()
