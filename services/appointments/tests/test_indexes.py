"""What is read to book a visit stays the same however much else is booked."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.appointments.queries.booking_facts import FACTS
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
