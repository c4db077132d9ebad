"""The seal of the audit: its tables, and the statements of the sealer.

Who writes an audit row waits for nothing. Afterwards, one sealer a service takes what is committed,
in the order of transactions, and chains it per network: a seal holds the digest of each row, and
its head is the digest of the head before it and of all that. Nobody may change or delete a row or
a seal; whoever does it all the same is found by `ops.audit.verify`, which needs an export alone.
"""

from collections.abc import Callable

from shared.db.mechanism import protect

Execute = Callable[[str], object]

INSTANT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
"""An instant as text, whatever the session's time zone."""
CANONICAL = f"""jsonb_build_array(id, {INSTANT.format("recorded_at")}, {INSTANT.format("at")},
  actor, to_jsonb(roles), on_behalf_of, action, resource, to_jsonb(patient_ids), outcome,
  correlation_id, detail)::text"""
"""A row of the audit as the text that is digested and exported, letter by letter. Its transaction
is not in it: that is another one in a database that was restored."""
GENESIS = "sha256(convert_to('clinicbus.audit.v1 ' || {} || ' ' || {}::text, 'UTF8'))"
"""The head before the first seal, of a service (a literal) and a network."""
LEAF_BYTES = 16 + 32
"""A row in a seal: its id and its digest."""

TABLES = {
    "audit_seal": f"""
CREATE TABLE audit_seal (
  network_id uuid NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  rows int NOT NULL CHECK (rows > 0),
  leaves bytea NOT NULL CHECK (octet_length(leaves) = {LEAF_BYTES} * rows),
  previous bytea NOT NULL CHECK (octet_length(previous) = 32),
  head bytea NOT NULL CHECK (octet_length(head) = 32),
  sealed_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, seq))
""",
    "audit_patient": """
CREATE TABLE audit_patient (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  at timestamptz NOT NULL,
  audit_id uuid NOT NULL,
  PRIMARY KEY (network_id, patient_id, at, audit_id))
""",
}
SEALER = """
CREATE TABLE audit_sealer (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  cursor_xid xid8 NOT NULL DEFAULT '0',
  cursor_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  anchors bigint NOT NULL DEFAULT 0,
  last_anchor bytea NOT NULL DEFAULT sha256('clinicbus.anchors.v1'),
  anchored_at timestamptz)
"""
# A database that was restored into a cluster with lower transaction ids has rows that would never
# pass the gate, and a cursor that new rows would never reach. No row can be of a transaction that
# has not begun: such rows get transaction id 0, and the sealer asks the seals which rows they have.
# The lock waits for everybody who has written a row and not committed.
REBASE = """
CREATE FUNCTION audit_rebase() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  changed bigint;
BEGIN
  LOCK TABLE audit IN ACCESS EXCLUSIVE MODE;
  ALTER TABLE audit NO FORCE ROW LEVEL SECURITY;
  UPDATE audit SET xid = '0' WHERE xid >= pg_snapshot_xmax(pg_current_snapshot());
  GET DIAGNOSTICS changed = ROW_COUNT;
  ALTER TABLE audit FORCE ROW LEVEL SECURITY;
  RETURN changed;
END $$
"""
INDEXES = (
    # The one by network and time found nothing that anybody asked for.
    "DROP INDEX audit_at",
    "CREATE INDEX audit_in_order ON audit (xid, id)",
    "CREATE INDEX audit_seal_by_time ON audit_seal (sealed_at)",
)


def create_audit_seals(execute: Execute, service: str) -> None:
    """The tables of the seal, for a service's migration. App reads them; worker alone writes."""
    app, worker = f"{service}_app", f"{service}_worker"
    for table, text in TABLES.items():
        execute(text)
        protect(execute, table, app)
        execute(f"CREATE POLICY wrk ON {table} TO {worker} USING (true) WITH CHECK (true)")
        execute(f"GRANT SELECT ON {table} TO {app}")
        execute(f"GRANT SELECT, INSERT ON {table} TO {worker}")
    execute(SEALER)
    execute("ALTER TABLE audit_sealer ENABLE ROW LEVEL SECURITY")
    execute("ALTER TABLE audit_sealer FORCE ROW LEVEL SECURITY")
    execute(f"CREATE POLICY wrk ON audit_sealer TO {worker} USING (true) WITH CHECK (true)")
    execute(f"CREATE POLICY net ON audit_sealer FOR SELECT TO {app} USING (true)")
    execute(f"GRANT SELECT, INSERT, UPDATE ON audit_sealer TO {worker}")
    # Where the sealed rows end: those behind it are looked through by whoever asks.
    execute(f"GRANT SELECT (cursor_xid) ON audit_sealer TO {app}")
    # Whose data a stored reply holds: who is given it again has seen them again.
    execute("ALTER TABLE idempotency ADD COLUMN patient_ids uuid[] NOT NULL DEFAULT '{}'")
    for text in INDEXES:
        execute(text)
    execute(REBASE)
    execute("REVOKE ALL ON FUNCTION audit_rebase() FROM PUBLIC")
    execute(f"GRANT EXECUTE ON FUNCTION audit_rebase() TO {worker}")


# ── what the sealer says ─────────────────────────────────────────────────────────────────────────

LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('clinicbus-audit-sealer'))"
"""One sealer at a time, in whichever process. Held until the transaction ends."""
CURSOR = """
SELECT cursor_xid::text AS xid, cursor_id AS id,
  cursor_xid >= pg_snapshot_xmax(pg_current_snapshot())
  OR EXISTS (SELECT 1 FROM audit WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())) AS restored
FROM audit_sealer
"""
BEGIN_SEALING = "INSERT INTO audit_sealer DEFAULT VALUES ON CONFLICT DO NOTHING"
_IN_ORDER = """(xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT $3"""
_UNSEALED = """
xid < pg_snapshot_xmin(pg_current_snapshot()) AND NOT EXISTS (
  SELECT 1 FROM sealed_before b WHERE b.network_id = audit.network_id AND b.id = audit.id)
  AND ($1::text, $2::uuid, $3::int) IS NOT NULL
ORDER BY xid, id"""
_SEALED_BEFORE = f"""
sealed_before AS MATERIALIZED (
  SELECT network_id,
    encode(substring(leaves FROM {LEAF_BYTES} * n + 1 FOR 16), 'hex')::uuid AS id
  FROM audit_seal, generate_series(0, rows - 1) n),"""


def seal_statement(service: str, *, restored: bool = False) -> str:
    """Seal the rows after a position ($1 xid as text, $2 id), $3 at most: how many they were, and
    the position of the last one.

    restored: seal all that no seal has, instead; the next position is before the gate.
    """
    return f"""
WITH {_SEALED_BEFORE if restored else ""}
picked AS MATERIALIZED (
  SELECT network_id, id, xid, at, patient_ids, sha256(convert_to({CANONICAL}, 'UTF8')) AS digest
  FROM audit WHERE {_UNSEALED if restored else _IN_ORDER}),
batch AS (
  SELECT network_id, count(*)::int AS rows,
    string_agg(uuid_send(id) || digest, ''::bytea ORDER BY xid, id) AS leaves
  FROM picked GROUP BY network_id),
linked AS (
  SELECT b.*, coalesce(l.seq, 0) + 1 AS seq,
    coalesce(l.head, {GENESIS.format(f"'{service}'", "b.network_id")}) AS previous
  FROM batch b LEFT JOIN LATERAL (
    SELECT seq, head FROM audit_seal s WHERE s.network_id = b.network_id
    ORDER BY seq DESC LIMIT 1) l ON true),
sealed AS (
  INSERT INTO audit_seal (network_id, seq, rows, leaves, previous, head, sealed_at)
  SELECT network_id, seq, rows, leaves, previous, sha256(previous || int8send(seq)
    || convert_to({INSTANT.format("now()")}, 'UTF8') || leaves), now() FROM linked),
found AS (
  INSERT INTO audit_patient (network_id, patient_id, at, audit_id)
  SELECT DISTINCT network_id, patient, at, id FROM picked, unnest(patient_ids) patient),
last AS (SELECT xid, id FROM picked ORDER BY xid DESC, id DESC LIMIT 1)
SELECT (SELECT count(*) FROM picked) AS rows, (SELECT xid::text FROM last) AS xid,
  (SELECT id FROM last) AS id, (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text
  AS before_gate
"""


WAITING = """
SELECT s.cursor_xid >= pg_snapshot_xmax(pg_current_snapshot())
  OR (SELECT id FROM audit WHERE (xid, id) > (s.cursor_xid, s.cursor_id)
    ORDER BY xid, id LIMIT 1) IS NOT NULL AS rows,
  (SELECT seq FROM audit_seal WHERE sealed_at >= coalesce(s.anchored_at, '-infinity')
    ORDER BY sealed_at LIMIT 1) IS NOT NULL AS heads,
  s.anchored_at
FROM audit_sealer s
"""
"""Whether there may be rows to seal and heads to anchor: most looks end here. In the order of an
index: for EXISTS a third of the rows is taken to be behind the place, and all are looked through
where none is."""
MOVE = "UPDATE audit_sealer SET cursor_xid = $1::text::xid8, cursor_id = $2"
AGES = """
SELECT
  (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0) FROM audit
   WHERE (xid, id) > (s.cursor_xid, s.cursor_id))::float8 AS unsealed,
  (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(sealed_at)), 0) FROM audit_seal
   WHERE sealed_at > coalesce(s.anchored_at, '-infinity'))::float8 AS unanchored
FROM audit_sealer s
"""
ANCHORED = "SELECT anchors, last_anchor, anchored_at FROM audit_sealer"
HEADS = """
SELECT DISTINCT ON (network_id) network_id::text AS network, seq, encode(head, 'hex') AS head
FROM audit_seal WHERE sealed_at >= $1 ORDER BY network_id, seq DESC
"""
ANCHOR = "UPDATE audit_sealer SET anchors = $1, last_anchor = $2, anchored_at = now()"
