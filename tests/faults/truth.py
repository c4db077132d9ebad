"""What must hold after every fault, read from the databases, the topics and the files alone.

Nothing here believes a service: a checker reads as a superuser, and what clients were told (the
witness) is what the stores have to bear out. Everything is looked at anew each time.
"""

import asyncio
import base64
import importlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

import asyncpg
import httpx
import psutil  # type: ignore[import-untyped]

from ops.day import checks
from ops.day.check import Check
from ops.day.databases import opened
from ops.local_system import LocalSystem
from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus, Record, TopicPartition
from shared.bus.postgres import PostgresBus
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
    VisitEvent,
)
from shared.contracts.catalogue import EVENTS, all_topics
from shared.contracts.eligibility import EligibilityFailed, EligibilityVerified
from shared.contracts.envelope import Event
from shared.contracts.patients import ConsentGranted, PatientRegistered
from shared.contracts.payments import AccountEvent
from shared.db.provision import BUS_DATABASE, SERVICES, url_for

PATIENCE_SECONDS = 30.0
BEGINNING = 6
PAUSE_SECONDS = 0.2
RSS_BYTES_MAX = 400 * 1024 * 1024
FILES_MAX = 256
CONNECTIONS_MAX = 60
SILENT_SECONDS = 3.0
READ_RECORDS = 5_000

ROWS_MADE = {
    ("appointments", "/v1/appointments"): "appointments",
    ("patients", "/v1/patients"): "patients",
    ("payments", "/v1/payments"): "payments",
}
"""The row that an acknowledged POST promises."""


# ── what clients know ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Told:
    """A request that was answered with success. flow: the trace that it belonged to."""

    service: str
    path: str
    flow: UUID
    key: str | None = None
    status: int = 200
    body: bytes = b""
    id: str | None = None


@dataclass(slots=True)
class Witness:
    """What the clients of a system know for certain. identifiers: names, birth dates, phones."""

    networks: set[UUID]
    answers: dict[tuple[str, str], Told] = field(default_factory=dict)
    identifiers: set[str] = field(default_factory=set)

    def hear(self, told: Told) -> None:
        """Remember an answer; one that was given again under its key is the one heard first."""
        self.answers.setdefault((told.path, told.key or str(told.flow)), told)

    @property
    def told(self) -> list[Told]:
        """Every answer of its own."""
        return list(self.answers.values())


# ── what there is ────────────────────────────────────────────────────────────────────────────────

_OUTBOX = """
SELECT network_id, event_id, type, topic, partition, key, subject, subject_seq, headers, value
FROM outbox ORDER BY topic, subject, subject_seq
"""
_UNSENT = """
SELECT count(*) FROM outbox o WHERE NOT EXISTS (
  SELECT 1 FROM relay_lease l WHERE (o.xid, o.id) <= (l.cursor_xid, l.cursor_id))
"""
_APPLIED = "SELECT topic, subject, seq, event_id FROM applied"
_HELD = """
SELECT key, headers::text AS headers, value FROM parked_event
UNION ALL SELECT key, headers::text, value FROM unreadable
"""
_OFFSETS = "SELECT topic, partition, next_offset FROM bus_offset WHERE bus_id = $1"
_KEYS = "SELECT path, key, status, body FROM idempotency"
# Who asks again under a key is given the reply again: an access of its own, and no second deed.
_AUDIT = """
SELECT correlation_id, resource, outcome FROM audit WHERE NOT detail @> '{"replayed": true}'
"""
_OF_NETWORKS = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attname = 'network_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""


@dataclass(slots=True)
class Inside:
    """One service's database."""

    outbox: list[asyncpg.Record]
    unsent: int
    applied: dict[tuple[str, str], tuple[int, UUID | None]]
    held: list[asyncpg.Record]
    offsets: dict[TopicPartition, int]
    keys: dict[tuple[str, str], list[asyncpg.Record]]
    audit: dict[tuple[UUID, str], int]
    networks: dict[str, set[UUID]]


@dataclass(slots=True)
class Ground:
    """The databases and the topics of a system, as they are now."""

    inside: dict[str, Inside]
    records: list[Record]
    ends: dict[TopicPartition, int]
    folds: "Folds"


async def ground_of(url: str, bus: Bus) -> Ground:
    """Read everything. url: a superuser's. Topics are read last: what was sent is in an outbox."""
    bus_id = await bus.bus_id()
    found = await asyncio.gather(*(_inside(url, service, bus_id) for service in SERVICES))
    records, ends = await read_topics(bus)
    return Ground(dict(zip(SERVICES, found, strict=True)), records, ends, Folds.of(records))


async def _inside(url: str, service: str, bus_id: str) -> Inside:
    async with (
        opened(url, service) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        keys: dict[tuple[str, str], list[asyncpg.Record]] = defaultdict(list)
        for row in await connection.fetch(_KEYS):
            keys[row["path"], row["key"]].append(row)
        audit: dict[tuple[UUID, str], int] = defaultdict(int)
        for row in await connection.fetch(_AUDIT):
            audit[row["correlation_id"], row["resource"]] += row["outcome"] == "ok"
        tables = [row[0] for row in await connection.fetch(_OF_NETWORKS)]
        each = (f"SELECT DISTINCT '{table}' AS name, network_id FROM {table}" for table in tables)
        networks: dict[str, set[UUID]] = defaultdict(set)
        for row in await connection.fetch(" UNION ALL ".join(each)):
            networks[row["name"]].add(row["network_id"])
        applied = await connection.fetch(_APPLIED)
        offsets = await connection.fetch(_OFFSETS, bus_id)
        return Inside(
            outbox=await connection.fetch(_OUTBOX),
            unsent=await connection.fetchval(_UNSENT),
            applied={(r["topic"], r["subject"]): (r["seq"], r["event_id"]) for r in applied},
            held=await connection.fetch(_HELD),
            offsets={(r["topic"], r["partition"]): r["next_offset"] for r in offsets},
            keys=keys,
            audit=audit,
            networks=networks,
        )


async def read_topics(bus: Bus) -> tuple[list[Record], dict[TopicPartition, int]]:
    """Every record of every topic, and the end of each partition when it was begun."""
    topics = all_topics()
    at, ends = await bus.log_starts(topics), await bus.log_ends(topics)
    records: list[Record] = []
    end = time.monotonic() + PATIENCE_SECONDS
    while missing := {key: at[key] for key in at if at[key] < ends[key]}:
        found = await bus.read(missing, READ_RECORDS, 1.0)
        for record in found:
            records.append(record)
            at[record.topic, record.partition] = record.offset + 1
        assert time.monotonic() < end, f"the topics could not be read to the end: {missing}"
    return records, ends


# ── what the log says, folded ────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Folds:
    """What the events on the topics add up to, each subject's in the order of its sequence."""

    visits: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    patients: set[UUID] = field(default_factory=set)
    consents: set[UUID] = field(default_factory=set)
    balances: dict[UUID, int] = field(default_factory=dict)
    covers: dict[UUID, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Folds":
        """Fold the records; each event once, whatever was sent twice."""
        firsts: dict[tuple[str, str, int], Record] = {}
        for record in records:
            names = dict(record.headers)
            at = record.topic, names["ce_subject"], int(names["ce_subjectseq"])
            firsts.setdefault(at, record)
        found = cls()
        for at in sorted(firsts):
            record = firsts[at]
            known = EVENTS.get(dict(record.headers)["ce_type"])
            if known is not None:
                found._take(known.model_validate_json(record.value))
        return found

    def _take(self, event: Event) -> None:
        match event:
            case AppointmentBooked():
                self.visits[event.appointment_id] = {
                    "patient_id": event.patient_id,
                    "clinic_id": event.clinic_id,
                    "starts_at": event.starts_at,
                    "off": None,
                }
            case AppointmentRescheduled():
                moved = {"clinic_id": event.clinic_id, "starts_at": event.starts_at}
                self._visit(event).update(moved)
            case AppointmentCancelled():
                self._visit(event)["off"] = "cancelled"
            case AppointmentNoShow():
                self._visit(event)["off"] = "no_show"
            case PatientRegistered():
                self.patients.add(event.patient_id)
            case ConsentGranted():
                self.consents.add(event.consent_id)
            case AccountEvent():
                self.balances[event.patient_id] = event.balance_cents
            case EligibilityVerified() | EligibilityFailed():
                self.covers[event.appointment_id] = event.verdict, event.reason

    def _visit(self, event: VisitEvent) -> dict[str, Any]:
        # Where the booking is lost, that is another check's to say.
        return self.visits.setdefault(event.appointment_id, {})


# ── the checks ───────────────────────────────────────────────────────────────────────────────────


def acknowledged_is_durable(
    ground: Ground, witness: Witness, rows: Mapping[str, set[str]]
) -> Check:
    """What a client was told is kept word for word under its key, once, and so is its row."""
    problems = []
    writes = [told for told in witness.told if told.key is not None]
    for told in writes:
        kept = ground.inside[told.service].keys.get((told.path, str(told.key)), [])
        if [(row["status"], row["body"]) for row in kept] != [(told.status, told.body)]:
            problems.append(f"{told.service} {told.path}: {len(kept)} kept of what was told")
        table = ROWS_MADE.get((told.service, told.path))
        if table is not None and told.id not in rows[table]:
            problems.append(f"{told.service}: the row of {told.path} {told.id} is gone")
    return Check("what was acknowledged is kept", len(writes), "writes", problems)


def outbox_is_topic(ground: Ground) -> Check:
    """Every row of an outbox is on its topic, byte for byte and first in its subject's order, and
    nothing else is."""
    problems: list[str] = []
    on_topics: dict[tuple[str, str], list[Record]] = defaultdict(list)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for record in ground.records:
        names = dict(record.headers)
        on_topics[record.topic, names["ce_id"]].append(record)
        subject, seq = (record.topic, names["ce_subject"]), int(names["ce_subjectseq"])
        if seq > seen[subject] + 1:
            problems.append(f"{subject[1]}: {seq} was sent after {seen[subject]}")
        seen[subject] = max(seq, seen[subject])
    said = [row for inside in ground.inside.values() for row in inside.outbox]
    for row in said:
        sent = on_topics.pop((row["topic"], str(row["event_id"])), [])
        if not sent:
            problems.append(f"{row['subject']} {row['subject_seq']} is on no topic")
        want = row["partition"], row["key"], list(row["headers"]), row["value"]
        for record in sent:
            flat = [text for pair in record.headers for text in pair]
            if (record.partition, record.key, flat, record.value) != want:
                problems.append(f"{row['subject']} {row['subject_seq']} was sent otherwise")
    problems += [f"{topic} has {key}, which nobody said" for topic, key in on_topics]
    return Check("outbox and topics are one", len(said), "events", problems)


def applied_is_said(ground: Ground) -> Check:
    """Whoever heard of a subject last heard the very event that was said under that number."""
    said = {
        (row["topic"], row["subject"], row["subject_seq"]): row["event_id"]
        for inside in ground.inside.values()
        for row in inside.outbox
    }
    problems, counted = [], 0
    for service, inside in ground.inside.items():
        for (topic, subject), (seq, event_id) in inside.applied.items():
            counted += 1
            if (topic, subject, seq) not in said:
                problems.append(f"{service} applied {subject} {seq}, which was never said")
            elif event_id is not None and said[topic, subject, seq] != event_id:
                problems.append(f"{service} applied another event as {subject} {seq}")
    return Check("what was applied was said", counted, "subjects heard", problems)


_VISITS = {
    "appointments": (
        "SELECT id, patient_id, clinic_id, starts_at, lifecycle AS st FROM appointments"
    ),
    "eligibility": "SELECT appointment_id AS id, patient_id, clinic_id, starts_at, state AS st"
    " FROM known_visits",
    "patients": "SELECT appointment_id AS id, patient_id, clinic_id, starts_at, status AS st"
    " FROM known_visits",
}
_VISITS["payments"] = _VISITS["documents"] = _VISITS["eligibility"]
_COVERS = "SELECT appointment_id AS id, verdict, reason FROM visit_covers"
_CONSENTS = "SELECT consent_id AS id FROM known_consents"
_BALANCES = "SELECT patient_id AS id, balance_cents FROM known_patients WHERE balance_cents <> 0"
_PATIENTS = "SELECT patient_id AS id FROM known_patients"


async def projections_are_folds(url: str, folds: Folds) -> Check:
    """What each service keeps of the others is what the events add up to, row by row."""
    problems: list[str] = []
    owed = {key: (cents,) for key, cents in folds.balances.items() if cents}
    patients = dict.fromkeys(folds.patients, ())
    consents = dict.fromkeys(folds.consents, ())
    wanted: list[tuple[str, str, Mapping[UUID, tuple[Any, ...]]]] = [
        ("appointments", _PATIENTS + " WHERE registered", patients),
        ("documents", _PATIENTS + " WHERE registered", patients),
        ("eligibility", _PATIENTS, patients),
        ("payments", _PATIENTS, patients),
        ("appointments", _CONSENTS, consents),
        ("documents", _CONSENTS, consents),
        ("appointments", _BALANCES, owed),
        ("documents", _BALANCES, owed),
        (
            "payments",
            "SELECT patient_id, balance_cents FROM accounts WHERE balance_cents <> 0",
            owed,
        ),
        *(
            (service, _COVERS, folds.covers)
            for service in ("eligibility", "appointments", "documents")
        ),
    ]
    for service, statement, want in wanted:
        kept = {row[0]: tuple(row)[1:] for row in await _rows(url, service, statement)}
        problems += [f"{service}: {text}" for text in _differences(statement, kept, want)]
    for service, statement in _VISITS.items():
        visits = {row["id"]: _visit(row) for row in await _rows(url, service, statement)}
        problems += [f"{service}: {text}" for text in _differences("visits", visits, folds.visits)]
    counted = len(folds.visits) + len(folds.patients) + len(folds.covers) + len(folds.balances)
    return Check("projections are the fold of the log", counted, "rows", problems)


def _visit(row: asyncpg.Record) -> dict[str, Any]:
    off = row["st"] if row["st"] in {"cancelled", "no_show"} else None
    return {key: row[key] for key in ("patient_id", "clinic_id", "starts_at")} | {"off": off}


def _differences(
    what: str, kept: Mapping[UUID, object], want: Mapping[UUID, object]
) -> Iterator[str]:
    table = what.partition(" FROM ")[2] or what
    for key in kept.keys() | want.keys():
        if key not in kept or key not in want:
            yield f"{table}: {key} is {'kept' if key in kept else 'said'} alone"
        elif kept[key] != want[key]:
            yield f"{table}: {key} is not as it was said"


async def _rows(url: str, service: str, statement: str) -> list[asyncpg.Record]:
    async with opened(url, service) as connection:
        found: list[asyncpg.Record] = await connection.fetch(statement)
        return found


def nothing_across_networks(ground: Ground, witness: Witness) -> Check:
    """No row and no event is any other network's than those of the clients."""
    problems, counted = [], 0
    for service, inside in ground.inside.items():
        for table, found in inside.networks.items():
            counted += 1
            strange = found - witness.networks
            problems += [f"{service}.{table} has rows of {network}" for network in strange]
    for record in ground.records:
        counted += 1
        network = dict(record.headers)["ce_tenant"]
        if UUID(network) not in witness.networks:
            problems.append(f"{record.topic} has an event of {network}")
    return Check("nothing is across networks", counted, "tables and events", problems)


def audit_is_complete(ground: Ground, witness: Witness) -> Check:
    """Each read that was answered and each write that was acknowledged left one audit row."""
    problems = []
    for told in witness.told:
        rows = ground.inside[told.service].audit.get((told.flow, told.path), 0)
        if rows != 1:
            problems.append(f"{told.service} {told.path}: {rows} audit rows of one answer")
    return Check("the audit is complete", len(witness.told), "answers", problems)


def lag_is_zero(ground: Ground) -> Check:
    """No outbox has anything unsent, and every subscriber stands at the end of all it hears."""
    problems, counted = [], 0
    for service, inside in ground.inside.items():
        if inside.unsent:
            problems.append(f"{service}: {inside.unsent} events are not sent")
        heard = importlib.import_module(f"services.{service}.handlers").SUBSCRIPTIONS.topics
        for (topic, partition), end in ground.ends.items():
            if topic not in heard or not end:
                continue
            counted += 1
            stands = inside.offsets.get((topic, partition))
            if stands != end:
                problems.append(f"{service}: {topic}/{partition} stands at {stands} of {end}")
    return Check("lag is zero", counted, "partitions", problems)


def no_identifier_outside(witness: Witness, places: Mapping[str, str]) -> Check:
    """No name, birth date or phone is in any of these texts, plain or encoded."""
    # Ten thousands of names have a few beginnings, and the texts hardly ever have one of these.
    beginning: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, wanted in enumerate(sorted(witness.identifiers)):
        for form in _forms(wanted):
            beginning[form[:BEGINNING]].append((number, form))
    problems = [
        f"{name} has an identifier ({number})"
        for name, text in places.items()
        for number in sorted(
            {
                n
                for begins, forms in beginning.items()
                if begins in text
                for n, f in forms
                if f in text
            }
        )
    ]
    return Check("no identifier is outside the stores", len(places), "places", problems)


def _forms(text: str) -> set[str]:
    encoded = base64.b64encode(text.encode()).decode().rstrip("=")
    # The last letter of base64 says something of what follows, too.
    return {text, quote(text, safe=""), encoded[: len(text) * 4 // 3], text.encode().hex()}


async def places_outside(system: LocalSystem, ground: Ground) -> dict[str, str]:
    """Where no identifier belongs: topics, what is held back, logs, metrics."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in ground.records:
        names = " ".join(text for pair in record.headers for text in pair)
        found[record.topic] += [record.key or "", names, record.value.decode(errors="replace")]
    for service, inside in ground.inside.items():
        for row in inside.held:
            value = row["value"].decode(errors="replace")
            found[f"{service}: held events"] += [row["key"] or "", row["headers"], value]
    for path in (*system.layout.log.glob("*.log"), *system.layout.postgres.glob("*.log")):
        found[f"log {path.name}"].append(path.read_text(errors="replace"))
    async with httpx.AsyncClient(timeout=10) as http:
        for service, url in system.urls.items():
            found[f"metrics of {service}"].append((await http.get(f"{url}/metrics")).text)
    return {name: "\n".join(texts) for name, texts in found.items()}


_SESSIONS = """
SELECT count(*) FILTER (WHERE usename LIKE '%\\_%') AS ours,
  count(*) FILTER (WHERE state LIKE 'idle in transaction%'
    AND clock_timestamp() - state_change > make_interval(secs => $1)) AS silent,
  count(*) FILTER (WHERE state = 'idle' AND EXISTS (SELECT 1 FROM pg_locks l
    WHERE l.pid = a.pid AND l.locktype = 'advisory')) AS holding,
  (SELECT count(*) FROM pg_prepared_xacts) AS prepared
FROM pg_stat_activity a WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


async def bounded(system: LocalSystem) -> Check:
    """Memory, open files and server connections are within their bounds, and none was forgotten."""
    problems, counted = [], 0
    for process in system.state().processes:
        if process.pid is None or process.name == "postgres":
            continue
        counted += 1
        running = psutil.Process(process.pid)
        if (bytes_used := running.memory_info().rss) > RSS_BYTES_MAX and process.name != "kafka":
            problems.append(f"{process.name} takes {bytes_used >> 20} MB")
        if (files := running.num_fds()) > FILES_MAX and process.name != "kafka":
            problems.append(f"{process.name} has {files} files open")
    async with opened(system.superuser_url, "bus") as connection:
        row = await connection.fetchrow(_SESSIONS, SILENT_SECONDS)
    if row["ours"] > CONNECTIONS_MAX:
        problems.append(f"{row['ours']} connections to the server")
    for name in ("silent", "holding", "prepared"):
        if row[name]:
            problems.append(f"{row[name]} sessions are left {name}")
    return Check("memory and connections are bounded", counted, "processes", problems)


# ── all of them ──────────────────────────────────────────────────────────────────────────────────


def bus_of(system: LocalSystem) -> Bus:
    """The system's bus, for one who may read everything."""
    environment = system.environment_of("appointments")
    if system.options.bus == "kafka":
        return KafkaBus(environment["CLINICBUS_KAFKA"])
    login = system.superuser_url.partition("//")[2].partition("@")[0].split(":")
    return PostgresBus(url_for(system.superuser_url, login[0], login[1], BUS_DATABASE))


async def look(system: LocalSystem, witness: Witness) -> list[Check]:
    """Every check, now."""
    url = system.superuser_url
    bus = bus_of(system)
    try:
        ground = await ground_of(url, bus)
    finally:
        await bus.close()
    rows = {
        table: {str(row[0]) for row in await _rows(url, service, f"SELECT id FROM {table}")}
        for (service, _), table in ROWS_MADE.items()
    }
    return [
        await checks.nothing_twice(url),
        await checks.ledger_balances(url),
        await checks.events_applied(url),
        await checks.effects_once(url, every=False),
        acknowledged_is_durable(ground, witness, rows),
        outbox_is_topic(ground),
        applied_is_said(ground),
        await projections_are_folds(url, ground.folds),
        nothing_across_networks(ground, witness),
        audit_is_complete(ground, witness),
        lag_is_zero(ground),
        no_identifier_outside(witness, await places_outside(system, ground)),
        await bounded(system),
    ]


async def holds(
    system: LocalSystem,
    witness: Witness,
    *,
    patience: float = PATIENCE_SECONDS,
) -> list[Check]:
    """Every check, once all hold; AssertionError with what is wrong where they do not in time.

    A look that falls into what is still on its way is wrong for a moment; what a fault has broken
    stays wrong.
    """
    end = time.monotonic() + patience
    while True:
        found = await look(system, witness)
        problems = problems_of(found)
        if not problems:
            return found
        assert time.monotonic() < end, "\n".join(problems)
        await asyncio.sleep(PAUSE_SECONDS)


def problems_of(found: Sequence[Check]) -> list[str]:
    """What is wrong, the first few of each check."""
    return [f"{check.name}: {text}" for check in found for text in check.problems[:5]]
