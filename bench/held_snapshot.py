"""A million events through the relay while a transaction holds an old snapshot.

A queue whose rows are updated or deleted fills with dead rows that nobody may remove before that
snapshot ends, and each look at it becomes slower. The outbox is only added to: it must have none.
"""

import asyncpg
import uvloop

from bench.bus_stage import SAYS, TOPIC, BusStage, bus_stage
from bench.report import Figure, at_most
from shared.bus.relay_machine import BATCH_ROWS

EVENTS = 1_000_000
AT_ONCE = 100_000

_FILL = """
INSERT INTO outbox (network_id, event_id, type, subject, subject_seq, correlation_id, occurred_at,
  topic, partition, key, headers, value)
SELECT network_id, gen_random_uuid(), type, 'appointment/' || k, 1, gen_random_uuid(), now(),
  topic, n % 12, k, headers, value
FROM (SELECT * FROM outbox LIMIT 1) o,
  LATERAL (SELECT n, gen_random_uuid()::text AS k FROM generate_series(1, $1) n) made
"""
# VACUUM counts what is dead, also where it may not remove it yet.
_DEAD = """
SELECT coalesce(sum(pg_stat_get_dead_tuples(relid)), 0)::bigint AS dead,
  coalesce(sum(pg_stat_get_live_tuples(relid)), 0)::bigint AS live
FROM pg_partition_tree('outbox') WHERE isleaf
"""
_OF_LEASE = "SELECT pg_stat_get_dead_tuples('relay_lease'::regclass)"


def held_snapshot(events: int = EVENTS) -> list[Figure]:
    """Measure on a server of its own. Raises CannotRun."""
    with bus_stage() as made:
        return [uvloop.run(_measured(made, events))]


async def _measured(made: BusStage, events: int) -> Figure:
    database, bus = made.database(SAYS), made.bus("postgres", SAYS)
    holder, watcher = await made.connect(SAYS), await made.connect(SAYS)
    rates = list[int]()
    try:
        await bus.create_topics([TOPIC])
        await made.say(made.events(BATCH_ROWS + 1))
        await made.relayed(database, bus, BATCH_ROWS + 1)
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        seen = await holder.fetchval("SELECT count(*) FROM outbox")
        wal = 0
        while (left := events - len(rates) * AT_ONCE) > 0:
            await watcher.execute(_FILL, min(AT_ONCE, left))
            before = await _wal(watcher)
            rates.append(round(await made.relayed(database, bus, min(AT_ONCE, left))))
            wal += await _wal(watcher) - before
        await watcher.execute("VACUUM outbox")
        await watcher.execute("VACUUM relay_lease")
        counted = await watcher.fetchrow(_DEAD)
        dead_leases = await watcher.fetchval(_OF_LEASE)
        if await holder.fetchval("SELECT count(*) FROM outbox") != seen:
            raise RuntimeError("the snapshot was not held")
    finally:
        for connection in (holder, watcher):
            await connection.close()
        await bus.close()
        await database.close()
    if counted["live"] < events:
        raise RuntimeError(f"only {counted['live']} rows were counted")
    return at_most(
        "dead tuples in the outbox", counted["dead"], 0, "",
        f"after {events:,} events, while a transaction holds an older snapshot",
        live_tuples=counted["live"],
        relayed_per_second=rates,
        wal_bytes_a_relayed_event=round(wal / events),
        dead_tuples_of_relay_lease=dead_leases,
    )  # fmt: skip


async def _wal(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
