"""What is read to book a visit stays the same however much else is booked."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.appointments.queries.availability import BUSY
from services.appointments.queries.booking_facts import FACTS, LONGEST
from services.appointments.queries.rules import LATEST_VERDICT, OF_A_DAY, OF_MANY
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.work import Context
from shared.values.ids import new_id

NOW = datetime(2026, 11, 2, 15, tzinfo=UTC)
CLINICS, ROOMS_EACH, HOURS = 20, 3, 50

_ROOMS = """
INSERT INTO rooms (id, network_id, clinic_id, name, capacity, position, version)
SELECT gen_random_uuid(), $1, clinic.id, 'Room ' || n, 1, n, 1
FROM clinics AS clinic, generate_series(1, $2::int) AS n WHERE clinic.network_id = $1
"""
_CLINICS = """
INSERT INTO clinics (id, network_id, name, time_zone, currency, version, event_seq)
SELECT gen_random_uuid(), $1, 'Clinic ' || n, 'UTC', 'USD', 1, 1
FROM generate_series(1, $2::int) AS n
"""
_TAKEN = """
INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane, starts_at, ends_at,
  active)
SELECT gen_random_uuid(), $1, 'room', room.id, 1, $2::timestamptz + n * interval '1 h',
  $2::timestamptz + (n + 1) * interval '1 h', true
FROM rooms AS room, generate_series(1, $3::int) AS n WHERE room.network_id = $1
"""


@pytest.fixture(scope="module")
def busy(environment: dict[str, str]) -> tuple[UUID, UUID]:
    """A network with sixty rooms that are taken for days; it, and one of its clinics."""
    return asyncio.run(_fill(environment))


async def _fill(environment: dict[str, str]) -> tuple[UUID, UUID]:
    network_id = new_id()
    database = Database.connect("appointments", environment["CLINICBUS_APPOINTMENTS_APP_URL"], None)
    async with database.work(Context(network_id, Actor("person", "test"), NOW)) as work:
        await work.raw.execute(_CLINICS, network_id, CLINICS)
        await work.raw.execute(_ROOMS, network_id, ROOMS_EACH)
        await work.raw.execute(_TAKEN, network_id, NOW, HOURS)
        clinic_id = await work.raw.fetchval("SELECT id FROM clinics LIMIT 1")
    await database.close()
    owner = await asyncpg.connect(environment["CLINICBUS_APPOINTMENTS_OWNER_URL"])
    for table in ("clinics", "rooms", "occupancies", "appointment_types"):
        await owner.execute(f"ANALYZE {table}")
    await owner.close()
    return network_id, clinic_id


def _scans(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for part in node:
            yield from _scans(part)
    elif isinstance(node, dict):
        if node.get("Relation Name") == "occupancies" or "occupancies" in node.get(
            "Index Name", ""
        ):
            yield node
        yield from _scans(list(node.values()))


async def test_a_booking_reads_what_could_touch_it_and_nothing_else(
    environment: dict[str, str], busy: tuple[UUID, UUID]
) -> None:
    network_id, clinic_id = busy
    database = Database.connect("appointments", environment["CLINICBUS_APPOINTMENTS_APP_URL"], None)
    async with database.work(Context(network_id, Actor("person", "test"), NOW)) as work:
        ids = [new_id() for _ in range(3)]
        arguments = (network_id, clinic_id, *ids, NOW, NOW)
        plan = await work.raw.fetchval(f"EXPLAIN (FORMAT JSON) {FACTS}", *arguments)
    await database.close()
    scans = list(_scans(plan))
    assert len(scans) == 3, json.dumps(plan)
    for scan in scans:
        assert scan["Node Type"] == "Index Scan"
        condition = scan["Index Cond"]
        for part in ("resource_id = ", "starts_at > ", "starts_at < "):
            assert part in condition


# ── availability, and what rules must know ───────────────────────────────────────────────────────

VISITS = 12_000
_VISITS = """
WITH people AS (
 INSERT INTO providers (id, network_id, family_name, capacity, overbook_quota, version)
 SELECT md5($1::uuid::text || n)::uuid, $1, 'P', 1, 1, 1 FROM generate_series(1, 60) AS n
 RETURNING id),
kind AS (
 INSERT INTO appointment_types (id, network_id, name, minutes_new, minutes_known,
  buffer_before_minutes, buffer_after_minutes, needs_room, lead_time_minutes, horizon_days,
  service_code_new, service_code_known, providers, version, event_seq)
 SELECT md5($1::uuid::text || 'kind' || n)::uuid, $1, 'Visit', 20, 20, 0, 0, true, 0, 366, 'V', 'V',
  1, 1, 1
 FROM generate_series(1, 5) AS n RETURNING id)
SELECT (SELECT array_agg(id) FROM people) AS people, (SELECT array_agg(id) FROM kind) AS kinds
"""
_BOOKED = """
WITH made AS (
 INSERT INTO appointments (id, network_id, patient_id, clinic_id, provider_id,
  appointment_type_id, starts_at, ends_at, utc_offset_minutes, lifecycle, confirmation, flow,
  readiness, new_patient, walk_in, overbooked, moves, booked_at, late_cancel, keeps_time, version,
  event_seq)
 SELECT gen_random_uuid(), $1, md5($1::uuid::text || 'pat' || n % 900)::uuid,
  ($2::uuid[])[1 + n % cardinality($2::uuid[])], ($3::uuid[])[1 + n % cardinality($3::uuid[])],
  ($4::uuid[])[1 + n % cardinality($4::uuid[])], at, at + interval '20 min', -420, 'booked',
  'unsent', 'expected', 'unknown', false, false, false, 0, at, false, false, 1, 1
 FROM generate_series(0, $6::int - 1) AS n, LATERAL (
  SELECT $5::timestamptz + (n / cardinality($3::uuid[])) * interval '4 h' AS at) AS times
 RETURNING id, provider_id, patient_id, starts_at, ends_at),
covers AS (
 INSERT INTO visit_covers (network_id, appointment_id, verdict, reason, decided_at)
 SELECT $1, id, 'active', 'payer.active', starts_at FROM made)
INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane, starts_at, ends_at,
 appointment_id, active)
SELECT gen_random_uuid(), $1, 'provider', provider_id, 1, starts_at, ends_at, id, true FROM made
"""


@dataclass(frozen=True, slots=True)
class Many:
    """A network with thousands of visits: its clinics, providers, kinds, and one patient."""

    network_id: UUID
    clinics: list[UUID]
    people: list[UUID]
    kinds: list[UUID]
    patient_id: UUID


@pytest.fixture(scope="module")
def many(environment: dict[str, str], busy: tuple[UUID, UUID]) -> Many:
    return asyncio.run(_visit(environment, busy[0]))


async def _visit(environment: dict[str, str], network_id: UUID) -> Many:
    database = Database.connect("appointments", environment["CLINICBUS_APPOINTMENTS_APP_URL"], None)
    async with database.work(Context(network_id, Actor("person", "test"), NOW)) as work:
        clinics = [row["id"] for row in await work.raw.fetch("SELECT id FROM clinics ORDER BY id")]
        made = await work.raw.fetchrow(_VISITS, network_id)
        people, kinds = made["people"], made["kinds"]
        await work.raw.execute(_BOOKED, network_id, clinics, people, kinds, NOW, VISITS)
        patient = await work.raw.fetchval("SELECT patient_id FROM appointments LIMIT 1")
    await database.close()
    owner = await asyncpg.connect(environment["CLINICBUS_APPOINTMENTS_OWNER_URL"])
    for table in ("appointments", "occupancies", "visit_covers", "providers"):
        await owner.execute(f"ANALYZE {table}")
    await owner.close()
    return Many(network_id, clinics, people, kinds, patient)


async def _plan(
    environment: dict[str, str], of: UUID, text: str, *arguments: Any
) -> list[dict[str, Any]]:
    """The scans of a statement's plan, as the role app, under row security."""
    database = Database.connect("appointments", environment["CLINICBUS_APPOINTMENTS_APP_URL"], None)
    async with database.work(Context(of, Actor("person", "test"), NOW)) as work:
        plan = await work.raw.fetchval(f"EXPLAIN (FORMAT JSON) {text}", of, *arguments)
    await database.close()
    return list(_every_scan(plan))


def _every_scan(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for part in node:
            yield from _every_scan(part)
    elif isinstance(node, dict):
        if "Scan" in str(node.get("Node Type")):
            yield node
        yield from _every_scan([v for v in node.values() if isinstance(v, list | dict)])


def _by_index(scans: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Which index is asked by which columns; a scan of a whole table has none."""
    found = set()
    for scan in scans:
        # A bitmap's table is read by what its index found.
        if scan["Node Type"] not in ("Bitmap Heap Scan", "Subquery Scan"):
            condition = scan.get("Index Cond", "none")
            columns = [c for c in COLUMNS if f"({c} " in condition]
            found.add((scan.get("Index Name", scan["Node Type"]), " ".join(columns)))
    return found


COLUMNS = (
    "network_id", "clinic_id", "provider_id", "patient_id", "resource_kind", "resource_id",
    "starts_at", "appointment_id",
)  # fmt: skip


async def test_availability_reads_the_days_it_looks_at_and_nothing_else(
    environment: dict[str, str], many: Many
) -> None:
    day = NOW + timedelta(days=1)
    rooms, items = [new_id() for _ in range(10)], [new_id() for _ in range(5)]
    scans = await _plan(
        environment, many.network_id, BUSY,
        day + timedelta(days=1), day - LONGEST, day, many.people[:50], rooms, items,
        many.patient_id, NOW, many.kinds[0],
    )  # fmt: skip
    assert _by_index(scans) == {
        ("occupancies_of", "network_id resource_kind resource_id starts_at")
    }


async def test_what_caps_count_is_found_by_the_day(environment: dict[str, str], many: Many) -> None:
    day = NOW + timedelta(days=1)
    window = (day, day + timedelta(days=1))
    of = (many.clinics[0], many.kinds[0])
    wanted = {
        ("appointments_by_clinic", "network_id clinic_id starts_at"),
        ("appointments_by_provider", "network_id provider_id starts_at"),
        ("appointments_by_patient", "network_id patient_id starts_at"),
    }
    one = await _plan(
        environment, many.network_id, OF_A_DAY, *window, *of, many.people[0], many.patient_id
    )
    assert _by_index(one) == wanted
    several = await _plan(
        environment, many.network_id, OF_MANY, *window, *of, many.people[:5], many.patient_id
    )
    assert _by_index(several) == wanted


async def test_the_latest_verdict_of_a_patient_is_found_by_their_visits(
    environment: dict[str, str], many: Many
) -> None:
    scans = await _plan(environment, many.network_id, LATEST_VERDICT, many.patient_id)
    assert _by_index(scans) == {
        ("appointments_by_patient", "network_id patient_id"),
        ("visit_covers_pkey", "network_id appointment_id"),
    }
