"""What a relay asks of its database: the lease, the cursor, and the rows behind the gate."""

from shared.bus.relay_machine import BATCH_BYTES, LEASE_SECONDS

_TODAY = """(clock_timestamp() AT TIME ZONE 'UTC')::date AS today,
  pg_snapshot_xmin(pg_current_snapshot())::text AS gate,
  pg_current_xact_id()::text AS following"""
_UNTIL = f"clock_timestamp() + interval '{LEASE_SECONDS} seconds'"
ACQUIRE = f"""
INSERT INTO relay_lease (producer, owner, epoch, expires_at) VALUES ($1, $2, 1, {_UNTIL})
ON CONFLICT (producer) DO UPDATE
  SET owner = excluded.owner, epoch = relay_lease.epoch + 1, expires_at = excluded.expires_at
  WHERE relay_lease.expires_at < clock_timestamp() OR relay_lease.owner = excluded.owner
RETURNING epoch, cursor_xid, cursor_id, {_TODAY}
"""
# No row can be of a transaction that has not begun, unless it was restored from another cluster.
RESTORED = """
SELECT $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot())
  OR EXISTS (SELECT 1 FROM outbox WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
"""
RENEW = f"""
UPDATE relay_lease SET expires_at = {_UNTIL} WHERE producer = $1 AND owner = $2 AND epoch = $3
RETURNING {_TODAY}
"""
# Nobody waits for the flush of a cursor: a server that loses it has an earlier one, from which rows
# are sent again. An epoch is always flushed.
SAVE = f"""
UPDATE relay_lease SET expires_at = {_UNTIL}, cursor_xid = $4::text::xid8, cursor_id = $5
WHERE producer = $1 AND owner = $2 AND epoch = $3
RETURNING {_TODAY}, set_config('synchronous_commit', 'off', true)
"""
RELEASE = """
UPDATE relay_lease SET expires_at = clock_timestamp() - interval '1 second'
WHERE producer = $1 AND owner = $2 AND epoch = $3
"""
# Days are literals: as a parameter the bound would lock every partition. Not `xid > a OR (xid = a
# AND id > b)`: that one sorts. Behind xmin, since rows of open transactions may come in between.
READ = f"""
SELECT xid::text AS at_xid, id, topic, partition, key, array_to_json(headers)::text, value
FROM (
  SELECT xid, id, topic, partition, key, headers, value, sum(octet_length(value))
    OVER (ORDER BY xid, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
  FROM outbox
  WHERE {{days}}(xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
  ORDER BY xid, id LIMIT $3
) AS following
WHERE before IS NULL OR before < {BATCH_BYTES}
ORDER BY xid, id
"""
DAYS = "recorded_on BETWEEN date '{since}' - 1 AND date '{today}' + 1 AND "
