"""The tables that stand in every service's database and hold no clinic word.

Audit, idempotency, timers and intents are here; the bus's are in `bus_tables`. A service's first
migration calls `create_mechanism`; later changes get functions of their own, never an edit here.
"""

from collections.abc import Callable

from shared.db.bus_tables import create_bus_tables

Execute = Callable[[str], object]

NETWORK_FUNCTION = """
CREATE FUNCTION current_network() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('app.network', true), '')::uuid $$
"""

OPENING_FUNCTIONS = (
    """
CREATE FUNCTION take_idempotency_key(k bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(k);
EXCEPTION WHEN lock_not_available THEN
  RAISE EXCEPTION 'the key is in use' USING ERRCODE = 'CB001';
END $$
""",
    """
CREATE FUNCTION take_locks(numbers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  number bigint;
BEGIN
  FOREACH number IN ARRAY numbers LOOP
    PERFORM pg_advisory_xact_lock(number);
  END LOOP;
END $$
""",
    """
CREATE FUNCTION begin_work(network text, lock_wait text, k bigint, numbers bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.network', network, true), set_config('lock_timeout', lock_wait, true);
  IF k IS NOT NULL THEN
    PERFORM take_idempotency_key(k);
  END IF;
  PERFORM take_locks(numbers);
END $$
""",
)
"""How every transaction begins. In functions, which keep their plans: as texts of their own, five
of them would be parsed and planned at each beginning."""

TABLES = {
    "audit": """
CREATE TABLE audit (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  recorded_at timestamptz NOT NULL DEFAULT now(),
  at timestamptz NOT NULL,
  actor text NOT NULL,
  roles text[] NOT NULL,
  on_behalf_of text,
  action text NOT NULL,
  resource text NOT NULL,
  patient_ids uuid[] NOT NULL,
  outcome text NOT NULL,
  correlation_id uuid NOT NULL,
  detail jsonb NOT NULL,
  PRIMARY KEY (network_id, id))
""",
    "idempotency": """
CREATE TABLE idempotency (
  network_id uuid NOT NULL,
  caller text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  key text NOT NULL,
  id uuid NOT NULL,
  fingerprint bytea NOT NULL,
  status int NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (network_id, caller, method, path, key),
  UNIQUE (network_id, id))
""",
    "timer": """
CREATE TABLE timer (
  network_id uuid NOT NULL,
  kind text NOT NULL,
  subject_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  due_at timestamptz NOT NULL,
  ended_at timestamptz,
  attempts int NOT NULL DEFAULT 0,
  problem text,
  PRIMARY KEY (network_id, kind, subject_id),
  UNIQUE (network_id, id))
""",
    "intent": """
CREATE TABLE intent (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  subject_id uuid NOT NULL,
  body jsonb NOT NULL,
  actor text NOT NULL,
  correlation_id uuid NOT NULL,
  causation_id uuid,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'calling', 'done', 'given_up')),
  attempts int NOT NULL DEFAULT 0,
  next_try_at timestamptz NOT NULL DEFAULT now(),
  problem text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (network_id, id))
""",
}

INDEXES = (
    "CREATE INDEX timer_due ON timer (due_at) WHERE ended_at IS NULL",
    "CREATE INDEX intent_next ON intent (next_try_at) WHERE state IN ('waiting', 'calling')",
    "CREATE INDEX audit_at ON audit (network_id, at)",
    "CREATE INDEX idempotency_age ON idempotency (created_at)",
)

APP_GRANTS = {
    "audit": "SELECT, INSERT",
    "idempotency": "SELECT, INSERT",
    "timer": "SELECT, INSERT, UPDATE",
    "intent": "SELECT, INSERT, UPDATE",
}
WORKER_GRANTS = {
    "audit": "SELECT",
    "idempotency": "SELECT, DELETE",
    "timer": "SELECT, UPDATE",
    "intent": "SELECT, UPDATE",
}


def protect(execute: Execute, table: str, app_role: str) -> None:
    """Row security with FORCE on a table: app sees and writes rows of the set network only."""
    execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    execute(
        f"CREATE POLICY net ON {table} TO {app_role}"
        " USING (network_id = current_network()) WITH CHECK (network_id = current_network())"
    )


def protect_clinic_table(
    execute: Execute, table: str, app_role: str, *, delete: bool = False
) -> None:
    """Row security and grants of a table that is a service's own: app's alone, never worker's."""
    protect(execute, table, app_role)
    verbs = "SELECT, INSERT, UPDATE" + (", DELETE" if delete else "")
    execute(f"GRANT {verbs} ON {table} TO {app_role}")


def create_mechanism(execute: Execute, service: str) -> None:
    """Create the mechanism tables of a service, with their policies and grants."""
    app_role, worker_role = f"{service}_app", f"{service}_worker"
    execute(f"GRANT USAGE ON SCHEMA public TO {app_role}, {worker_role}")
    # Readiness compares the revision with the code's.
    execute(f"GRANT SELECT ON alembic_version TO {app_role}, {worker_role}")
    execute(NETWORK_FUNCTION)
    for text in OPENING_FUNCTIONS:
        execute(text)
    for table, text in TABLES.items():
        execute(text)
        protect(execute, table, app_role)
        execute(f"CREATE POLICY wrk ON {table} TO {worker_role} USING (true) WITH CHECK (true)")
        execute(f"GRANT {APP_GRANTS[table]} ON {table} TO {app_role}")
        execute(f"GRANT {WORKER_GRANTS[table]} ON {table} TO {worker_role}")
    for text in INDEXES:
        execute(text)
    create_bus_tables(execute, app_role, worker_role)
