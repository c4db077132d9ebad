"""Gauges of one service's bus, read on a timer and never while somebody scrapes.

Two parts are read apart: what stands in the service's database, and where the subscriber stands on
the bus. A part that could not be read is absent until it can be read again;
`clinicbus_watch_read_at_seconds` says when it was last. Every worker of a service reports the same
database, so take the greatest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.bus.consumer import Consumer
from shared.bus.port import Bus, TopicPartition
from shared.bus.relay import Relay
from shared.contracts.envelope import recorded_at
from shared.db.database import Database
from shared.db.timers import ATTEMPTS_MAX

log = structlog.get_logger(__name__)

WATCH_SECONDS = 5.0
STATEMENT_SECONDS = 2.0
READ_SECONDS = 1.0
VERIFY_ROUNDS = 6
"""A consumer that found nothing to apply is believed, but in every sixth round asked the bus of."""
READS, READ_RECORDS = 4, 20
"""Looks at the heads of partitions: Kafka may answer with many records of few partitions first."""
PARKED_KINDS = ("hole", "poison", "retry")

Part = Literal["database", "bus"]
Sample: TypeAlias = tuple[str, tuple[str, ...], float]
"""(gauge, its labels after the service, value)."""

GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "clinicbus_outbox_oldest_unsent_seconds": ("Age of the oldest event not on the bus yet", ()),
    "clinicbus_outbox_dead_tuples": ("Dead rows of the outbox", ()),
    "clinicbus_outbox_partitions": ("Days of the outbox that are kept or made ahead", ()),
    "clinicbus_relay_leads": ("1 where this process holds the relay's lease", ()),
    "clinicbus_relay_epoch": ("How often the lease has changed hands", ()),
    "clinicbus_relay_gate_lag_seconds": (
        "For how long an open transaction of the server has held back what the relay may read",
        (),
    ),
    "clinicbus_parked_keys": ("Keys that wait", ("kind",)),
    "clinicbus_parked_oldest_seconds": ("For how long the oldest has waited", ("kind",)),
    "clinicbus_parked_events": ("Events that wait in parked keys", ()),
    "clinicbus_parked_deepest": ("Events of the key that holds most", ()),
    "clinicbus_unreadable_records": ("Records kept that name no subject", ()),
    "clinicbus_timers_given_up": ("Timers that failed so often that nobody fires them", ()),
    "clinicbus_consumer_oldest_unapplied_seconds": (
        "For how long the oldest event that is not applied has been on the bus; 0 where all are",
        ("topic",),
    ),
    "clinicbus_watch_read_at_seconds": ("When a part was last read, Unix time", ("part",)),
}

_PARKED = ",\n".join(
    f"""  count(*) FILTER (WHERE kind = '{kind}'), coalesce(extract(epoch FROM
    clock_timestamp() - min(since) FILTER (WHERE kind = '{kind}')), 0)::float8"""
    for kind in PARKED_KINDS
)
_STANDS = f"""
SELECT l.epoch, l.cursor_xid::text, l.cursor_id, l.expires_at > clock_timestamp() AS led,
  pg_snapshot_xmin(s.now)::text AS gate, pg_snapshot_xmax(s.now)::text AS following,
  o.days, o.dead, e.held, e.deepest, u.unreadable, t.given_up, k.*
FROM (SELECT pg_current_snapshot() AS now) s
LEFT JOIN relay_lease l ON l.producer = $1,
  (SELECT count(*) AS days, coalesce(sum(pg_stat_get_dead_tuples(inhrelid)), 0)::bigint AS dead
   FROM pg_inherits WHERE inhparent = 'outbox'::regclass) o,
  (SELECT coalesce(sum(n), 0)::bigint AS held, coalesce(max(n), 0) AS deepest FROM (
     SELECT count(*) AS n FROM parked_event GROUP BY network_id, topic, subject) d) e,
  (SELECT count(*) AS unreadable FROM unreadable WHERE dropped_at IS NULL) u,
  (SELECT count(*) AS given_up FROM timer WHERE ended_at IS NULL
     AND due_at <= clock_timestamp() AND attempts >= {ATTEMPTS_MAX}) t,
  (SELECT {_PARKED} FROM parked_key) k
"""
# As the relay reads, but also what its gate still holds back: that is unsent as well.
_UNSENT = """
SELECT headers FROM outbox WHERE {days}(xid, id) > ($1::text::xid8, $2) ORDER BY xid, id LIMIT 1
"""
_OFFSETS = "SELECT topic, partition, next_offset FROM bus_offset WHERE bus_id = $1"


class Readings(Collector):
    """What was read last, of every service in this process."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, Part], Sequence[Sample]] = {}
        self._read_at: dict[tuple[str, Part], float] = {}

    def keep(self, service: str, part: Part, samples: Iterable[Sample], at: datetime) -> None:
        """Take a part's values, in place of those before."""
        self._samples[service, part] = tuple(samples)
        self._read_at[service, part] = at.timestamp()

    def drop(self, service: str, part: Part) -> None:
        """A part could not be read: its values are not shown any more."""
        self._samples.pop((service, part), None)

    def forget(self, service: str) -> None:
        """The process of a service ends."""
        for held in (self._samples, self._read_at):
            for key in [key for key in held if key[0] == service]:
                held.pop(key, None)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """For the registry."""
        families = {
            name: GaugeMetricFamily(name, text, labels=("service", *labels))
            for name, (text, labels) in GAUGES.items()
        }
        for (service, part), at in self._read_at.items():
            families["clinicbus_watch_read_at_seconds"].add_metric((service, part), at)
            for name, labels, value in self._samples.get((service, part), ()):
                families[name].add_metric((service, *labels), value)
        return families.values()


READINGS = Readings()
REGISTRY.register(READINGS)


class Watch:
    """Reads the gauges of one service while its relay and consumer run."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        relay: Relay,
        consumer: Consumer,
        topics: Sequence[str],
    ) -> None:
        self._database, self._bus, self._name = database, bus, database.name
        self._relay, self._consumer, self._topics = relay, consumer, topics
        self._gate: tuple[str, datetime] | None = None
        self._rounds, self._behind = 0, False

    async def run(self, seconds: float = WATCH_SECONDS) -> None:
        """Read both parts every so many seconds, until cancelled."""
        try:
            await asyncio.gather(
                self._again("database", self.database, seconds),
                self._again("bus", self.bus, seconds),
            )
        finally:
            READINGS.forget(self._name)

    async def _again(
        self, part: Part, read: Callable[[datetime], Awaitable[list[Sample]]], seconds: float
    ) -> None:
        while True:
            now = datetime.now(UTC)  # noqa: TID251 - ages are of real time
            try:
                READINGS.keep(self._name, part, await read(now), now)
            except Exception as error:  # noqa: BLE001 - it must not end what it watches
                READINGS.drop(self._name, part)
                log.info("watch.unread", service=self._name, kind=part, reason=type(error).__name__)
            await asyncio.sleep(seconds)

    async def database(self, now: datetime) -> list[Sample]:
        """What stands in the service's database."""
        leads = self._relay.state()["leads"]
        async with self._database.raw("worker") as raw:
            row = await raw.fetchrow(_STANDS, self._name, timeout=STATEMENT_SECONDS)
            unsent = None
            # Of several workers the one that leads looks; where none does, any.
            if leads or not row["led"]:
                after = row["cursor_xid"] or "0", row["cursor_id"] or 0
                text = _UNSENT.format(days=self._relay.days if leads else "")
                unsent = await raw.fetchrow(text, *after, timeout=STATEMENT_SECONDS)
        samples: list[Sample] = [
            ("clinicbus_outbox_dead_tuples", (), row["dead"]),
            ("clinicbus_outbox_partitions", (), row["days"]),
            ("clinicbus_relay_leads", (), leads),
            ("clinicbus_relay_epoch", (), row["epoch"] or 0),
            ("clinicbus_relay_gate_lag_seconds", (), self._gate_lag(row, now)),
            ("clinicbus_parked_events", (), row["held"]),
            ("clinicbus_parked_deepest", (), row["deepest"]),
            ("clinicbus_unreadable_records", (), row["unreadable"]),
            ("clinicbus_timers_given_up", (), row["given_up"]),
        ]
        if leads or not row["led"]:
            age = 0.0 if unsent is None else _age(_recorded(unsent["headers"]), now)
            samples.append(("clinicbus_outbox_oldest_unsent_seconds", (), age))
        counts = list(row.values())[-2 * len(PARKED_KINDS) :]
        for index, kind in enumerate(PARKED_KINDS):
            samples.append(("clinicbus_parked_keys", (kind,), counts[2 * index]))
            samples.append(("clinicbus_parked_oldest_seconds", (kind,), counts[2 * index + 1]))
        return samples

    def _gate_lag(self, row: Any, now: datetime) -> float:
        # Other roles' transactions hide their start, so it is as old as it has been seen here.
        held = row["gate"] != row["following"]
        if not held or self._gate is None or self._gate[0] != row["gate"]:
            self._gate = (row["gate"], now)
        return _age(self._gate[1], now)

    async def bus(self, now: datetime) -> list[Sample]:
        """Where the subscriber stands, by its stored offsets and the ends of the log."""
        oldest = dict.fromkeys(self._topics, 0.0)
        self._rounds += 1
        due = self._behind or self._rounds % VERIFY_ROUNDS == 0 or not self._consumer.idle()
        if self._topics and due:
            waiting = await self._waiting(now)
            for (topic, _), moment in waiting.items():
                oldest[topic] = max(oldest[topic], _age(moment, now))
            self._behind = bool(waiting)
        name = "clinicbus_consumer_oldest_unapplied_seconds"
        return [(name, (topic,), age) for topic, age in oldest.items()]

    async def _waiting(self, now: datetime) -> dict[TopicPartition, datetime]:
        """Since when the first record that is not applied has been in each partition behind."""
        bus_id = await self._bus.bus_id()
        async with self._database.raw("worker") as raw:
            rows = await raw.fetch(_OFFSETS, bus_id, timeout=STATEMENT_SECONDS)
        stands = {(row[0], row[1]): row[2] for row in rows}
        starts = await self._bus.log_starts(self._topics)
        ends = await self._bus.log_ends(self._topics)
        behind: dict[TopicPartition, int] = {}
        for key, end in ends.items():
            at = stands.get(key, starts[key])
            # Out of range: what it should hear next is gone, so nothing of the log was heard.
            at = at if starts[key] <= at <= end else starts[key]
            if at < end:
                behind[key] = at
        found: dict[TopicPartition, datetime] = {}
        for _ in range(READS):
            left = {key: at for key, at in behind.items() if key not in found}
            if not left:
                break
            for record in await self._bus.read(left, READ_RECORDS * len(left), READ_SECONDS):
                since = record.appended_at or recorded_at(dict(record.headers)) or now
                found.setdefault((record.topic, record.partition), since)
        return found


def _recorded(flat: Sequence[str]) -> datetime | None:
    return recorded_at(dict(zip(flat[::2], flat[1::2], strict=True)))


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
