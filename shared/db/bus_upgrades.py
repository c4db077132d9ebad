"""What came to the bus's tables after `bus_tables`: a function a revision, for all services."""

from collections.abc import Callable

Execute = Callable[[str], object]

# The cursor is the lease's. A day goes only when everything in it is on the bus and its time as an
# archive is over. A child's row security is lifted to look into it, and forced again where it
# stays; the lock that DROP wants of the parent is not waited for long, as writers wait behind it.
_DROP_DAYS = """
CREATE FUNCTION outbox_drop_days(keep int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
  today date = (clock_timestamp() AT TIME ZONE 'UTC')::date;
  child text;
  waits boolean;
  at_xid xid8;
  at_id bigint;
  dropped int = 0;
BEGIN
  IF keep < 1 THEN
    RAISE EXCEPTION 'at least one day is kept';
  END IF;
  SELECT cursor_xid, cursor_id INTO at_xid, at_id FROM relay_lease;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  FOR child IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'outbox'::regclass
      AND c.relname < 'outbox_' || to_char(today - keep, 'YYYYMMDD')
    ORDER BY 1
  LOOP
    EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', child);
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE (xid, id) > ($1, $2))', child)
      INTO waits USING at_xid, at_id;
    IF waits THEN
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', child);
    ELSE
      EXECUTE format('DROP TABLE %I', child);
      dropped = dropped + 1;
    END IF;
  END LOOP;
  RETURN dropped;
END $$
"""

# A database that was restored into a cluster with lower transaction ids has rows that would never
# pass the relay's gate, and a cursor that new rows would never reach. The ids of rows go on from
# where they were, so those up to the highest one that can only have come with the restore did come
# with it: what was sent of them gets transaction id 0, what was not gets 1, in the order of ids,
# which within a subject is the order of its events. Real ones begin at 3. A row whose origin cannot
# be told is sent again, which subscribers know by its number.
_REBASE = """
CREATE FUNCTION outbox_rebase() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  top xid8;
  at_xid xid8;
  at_id bigint;
  restored bigint;
  changed bigint = 0;
BEGIN
  LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE;
  ALTER TABLE outbox NO FORCE ROW LEVEL SECURITY;
  top = pg_snapshot_xmax(pg_current_snapshot());
  SELECT cursor_xid, cursor_id INTO at_xid, at_id FROM relay_lease;
  SELECT greatest(coalesce(max(id), 0), CASE WHEN at_xid >= top THEN at_id ELSE 0 END)
    INTO restored FROM outbox WHERE xid >= top;
  IF restored > 0 THEN
    UPDATE outbox SET xid = CASE WHEN (xid, id) <= (at_xid, at_id) THEN '0' ELSE '1' END::xid8
      WHERE id <= restored;
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE relay_lease SET cursor_xid = '0', cursor_id = 9223372036854775807;
  END IF;
  ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
  RETURN changed;
END $$
"""

_BOTH = "outbox_drop_days(int)", "outbox_rebase()"


def upgrade_bus_0002(execute: Execute, service: str) -> None:
    """Parked keys that try again by themselves, edits and drops by operators, days that go, and
    restored outboxes."""
    app, worker = f"{service}_app", f"{service}_worker"
    for text in (
        "ALTER TABLE parked_key DROP CONSTRAINT parked_key_kind_check",
        "ALTER TABLE parked_key ADD CONSTRAINT parked_key_kind_check"
        " CHECK (kind IN ('hole', 'poison', 'retry'))",
        "ALTER TABLE parked_key ADD COLUMN retry_at timestamptz",
        "ALTER TABLE operator_action DROP CONSTRAINT operator_action_verb_check",
        "ALTER TABLE operator_action ADD CONSTRAINT operator_action_verb_check"
        " CHECK (verb IN ('retry', 'skip', 'edit', 'look'))",
        "ALTER TABLE operator_action ADD COLUMN edited bytea,"
        " ADD COLUMN before_headers text[], ADD COLUMN before_value bytea",
        f"GRANT UPDATE (before_headers, before_value) ON operator_action TO {app}",
        f"GRANT UPDATE (headers, value) ON parked_event TO {app}",
        "ALTER TABLE unreadable ADD COLUMN dropped_at timestamptz,"
        " ADD COLUMN dropped_by text, ADD COLUMN dropped_why text",
        f"GRANT UPDATE (value, dropped_at, dropped_by, dropped_why) ON unreadable TO {worker}",
        "CREATE POLICY own ON relay_lease TO CURRENT_USER USING (true) WITH CHECK (true)",
        _DROP_DAYS,
        _REBASE,
    ):
        execute(text)
    for function in _BOTH:
        execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        execute(f"GRANT EXECUTE ON FUNCTION {function} TO {worker}")
