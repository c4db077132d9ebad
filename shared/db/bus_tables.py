"""The bus's tables in every service's database: what it says, what it heard, and what is held up.

Statements and their reasons: the outbox is append-only and partitioned by the database's UTC day;
nothing refers to it, and it is never updated. `applied` is how far each subject has been heard.
"""

from collections.abc import Callable

import asyncpg

Execute = Callable[[str], object]

DAYS_AHEAD = 7

OUTBOX = """
CREATE TABLE outbox (
  recorded_on date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id bigint NOT NULL DEFAULT nextval('outbox_id'),
  network_id uuid NOT NULL,
  event_id uuid NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  subject_seq bigint NOT NULL CHECK (subject_seq > 0),
  clinic_id uuid,
  correlation_id uuid NOT NULL,
  occurred_at timestamptz NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL CHECK (partition BETWEEN 0 AND 11),
  key text NOT NULL,
  headers text[] NOT NULL CHECK (octet_length(headers::text) <= 16384),
  value bytea NOT NULL CHECK (octet_length(value) <= 65536)
) PARTITION BY RANGE (recorded_on)
"""

# LIKE and ATTACH wait for nobody, unlike CREATE TABLE ... PARTITION OF. There is no DEFAULT
# partition: with one, ATTACH would wait for every reader. A child has row security forced and
# neither policy nor grant, so it can be reached through its parent alone.
MAKE_DAYS = """
CREATE FUNCTION outbox_make_days(ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  today date = (clock_timestamp() AT TIME ZONE 'UTC')::date;
  first date;
  child text;
  made int = 0;
BEGIN
  IF ahead NOT BETWEEN 0 AND 60 THEN
    RAISE EXCEPTION 'between 0 and 60 days ahead';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('outbox_make_days'));
  FOR n IN -1 .. ahead LOOP
    first = today + n;
    child = 'outbox_' || to_char(first, 'YYYYMMDD');
    CONTINUE WHEN to_regclass('public.' || child) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', child);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', child);
    EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      child, first, first + 1);
    made = made + 1;
  END LOOP;
  RETURN made;
END $$
"""

OF_NETWORKS = {
    # One row a subject for ever: an event of any age is known as a repeat by its number alone.
    "applied": """
CREATE TABLE applied (
  network_id uuid NOT NULL,
  topic text NOT NULL,
  subject text NOT NULL,
  seq bigint NOT NULL,
  event_id uuid,
  PRIMARY KEY (network_id, topic, subject)) WITH (fillfactor = 80)
""",
    # A key that waits: `hole` for an event that has not come, `poison` for one that fails.
    "parked_key": """
CREATE TABLE parked_key (
  network_id uuid NOT NULL,
  topic text NOT NULL,
  subject text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('hole', 'poison')),
  problem text NOT NULL,
  tries int NOT NULL DEFAULT 0,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (network_id, topic, subject))
""",
    "parked_event": """
CREATE TABLE parked_event (
  network_id uuid NOT NULL,
  topic text NOT NULL,
  subject text NOT NULL,
  seq bigint NOT NULL,
  partition int NOT NULL,
  "offset" bigint NOT NULL,
  key text,
  headers text[] NOT NULL,
  value bytea NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (network_id, topic, subject, seq),
  FOREIGN KEY (network_id, topic, subject) REFERENCES parked_key)
""",
    "operator_action": """
CREATE TABLE operator_action (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  topic text NOT NULL,
  subject text NOT NULL,
  verb text NOT NULL CHECK (verb IN ('retry', 'skip')),
  who text NOT NULL CHECK (who <> ''),
  why text NOT NULL CHECK (why <> ''),
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  done_at timestamptz,
  outcome text,
  PRIMARY KEY (network_id, id))
""",
}

WITHOUT_NETWORK = {
    "relay_lease": """
CREATE TABLE relay_lease (
  producer text PRIMARY KEY,
  owner text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  cursor_xid xid8 NOT NULL DEFAULT '0',
  cursor_id bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)
""",
    "bus_offset": """
CREATE TABLE bus_offset (
  bus_id text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (bus_id, topic, partition)) WITH (fillfactor = 50)
""",
    "unreadable": """
CREATE TABLE unreadable (
  bus_id text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  "offset" bigint NOT NULL,
  key text,
  headers text[] NOT NULL,
  value bytea NOT NULL,
  reason text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (bus_id, topic, partition, "offset"))
""",
}

INDEXES = (
    "CREATE INDEX outbox_order ON outbox (xid, id)",
    "CREATE UNIQUE INDEX outbox_sequence ON outbox (network_id, subject, subject_seq, recorded_on)",
    "CREATE INDEX outbox_flow ON outbox (network_id, correlation_id)",
    "CREATE INDEX operator_action_open ON operator_action (asked_at) WHERE done_at IS NULL",
)

APP_GRANTS = {
    "outbox": "SELECT, INSERT",
    "applied": "SELECT, INSERT, UPDATE",
    "parked_key": "SELECT, INSERT, UPDATE, DELETE",
    "parked_event": "SELECT, INSERT, DELETE",
    "operator_action": "SELECT, UPDATE (done_at, outcome)",
}
WORKER_GRANTS = {
    "outbox": "SELECT",
    "applied": "SELECT",
    "parked_key": "SELECT",
    "parked_event": "SELECT",
    "operator_action": "SELECT, INSERT",
    "relay_lease": "SELECT, INSERT, UPDATE",
    "bus_offset": "SELECT, INSERT, UPDATE",
    "unreadable": "SELECT, INSERT",
}


def create_bus_tables(execute: Execute, app_role: str, worker_role: str) -> None:
    """Create the bus's tables, their policies and grants, and the first days of the outbox.

    Each call of `execute` is one statement. `current_network()` exists already.
    """
    execute("CREATE SEQUENCE outbox_id")
    execute(OUTBOX)
    for text in (*OF_NETWORKS.values(), *WITHOUT_NETWORK.values(), *INDEXES):
        execute(text)
    _protect_outbox(execute, app_role, worker_role)
    own = "network_id = current_network()"
    for table in OF_NETWORKS:
        _force(execute, table)
        execute(f"CREATE POLICY net ON {table} TO {app_role} USING ({own}) WITH CHECK ({own})")
        execute(f"CREATE POLICY wrk ON {table} TO {worker_role} USING (true) WITH CHECK (true)")
    for table in WITHOUT_NETWORK:
        _force(execute, table)
        execute(f"CREATE POLICY wrk ON {table} TO {worker_role} USING (true) WITH CHECK (true)")
    for role, grants in ((app_role, APP_GRANTS), (worker_role, WORKER_GRANTS)):
        for table, verbs in grants.items():
            execute(f"GRANT {verbs} ON {table} TO {role}")
    execute(f"GRANT USAGE ON SEQUENCE outbox_id TO {app_role}")
    execute(MAKE_DAYS)
    execute("REVOKE ALL ON FUNCTION outbox_make_days(int) FROM PUBLIC")
    execute(f"GRANT EXECUTE ON FUNCTION outbox_make_days(int) TO {app_role}, {worker_role}")
    execute(f"SELECT outbox_make_days({DAYS_AHEAD})")


def _force(execute: Execute, table: str) -> None:
    execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _protect_outbox(execute: Execute, app_role: str, worker_role: str) -> None:
    own = "network_id = current_network()"
    _force(execute, "outbox")
    execute(f"CREATE POLICY ins ON outbox FOR INSERT TO {app_role} WITH CHECK ({own})")
    execute(f"CREATE POLICY sel ON outbox FOR SELECT TO {app_role} USING ({own})")
    execute(f"CREATE POLICY rel ON outbox FOR SELECT TO {worker_role} USING (true)")


async def make_outbox_days(connection: asyncpg.Connection, ahead: int = DAYS_AHEAD) -> int:
    """Make the outbox's partitions up to `ahead` days from today (UTC). How many were missing.

    A missing day shows as SQLSTATE 23514 on the table `outbox`; after this call the transaction
    that met it is run again. Needs no role in particular: the function runs as its owner.
    """
    made: int = await connection.fetchval("SELECT outbox_make_days($1)", ahead)
    return made
