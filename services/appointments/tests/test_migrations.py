"""What a migration does to rows that were there before it."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from shared.testing.older import Older, older_database
from shared.values.ids import new_id

NETWORK = new_id()
PLACE = """
WITH place AS (
 INSERT INTO clinics (id, network_id, name, time_zone, currency, hours, holidays, version,
  event_seq) VALUES ($1, $2, 'C', $3, 'USD', '[]', '[]', 1, 1)),
who AS (
 INSERT INTO providers (id, network_id, family_name, capacity, overbook_quota, version)
 VALUES ($1, $2, 'P', 1, 1, 1)),
kind AS (
 INSERT INTO appointment_types (id, network_id, name, minutes_new, minutes_known,
  buffer_before_minutes, buffer_after_minutes, needs_room, lead_time_minutes, horizon_days,
  modalities, service_code_new, service_code_known, providers, version, event_seq)
 VALUES ($1, $2, 'V', 20, 20, 0, 0, false, 0, 366, '["in_person"]', 'V', 'V', 1, 1, 1))
SELECT 1
"""
VISIT = """
INSERT INTO appointments (id, network_id, patient_id, clinic_id, provider_id, appointment_type_id,
  starts_at, ends_at, lifecycle, confirmation, flow, readiness, new_patient, walk_in, overbooked,
  moves, booked_at, late_cancel, keeps_time, version, event_seq)
VALUES (gen_random_uuid(), $2, $1, $1, $1, $1, $3::timestamptz, $3::timestamptz + interval '1 h',
  'booked', 'unsent', 'expected', 'unknown', false, false, false, 0, now(), false, false, 1, 1)
"""
SESSION = """
INSERT INTO sessions (id, network_id, clinic_id, provider_id, appointment_type_id, starts_at,
  ends_at, seats, state, moves, opened_at, version, event_seq)
VALUES ($1, $2, $1, $1, $1, $3::timestamptz, $3::timestamptz + interval '1 h', 4, 'open', 0, now(),
  1, 1)
"""
BLOCK = """
INSERT INTO blocks (id, network_id, clinic_id, kind, starts_at, ends_at, created_at, created_by,
  version, event_seq)
VALUES ($1, $2, $1, 'time_off', $3::timestamptz, $3::timestamptz + interval '1 day', now(), 'p', 1,
  1)
"""
SHIFT = """
INSERT INTO on_call_shifts (id, network_id, role, rank, scope_id, provider_id, starts_at, ends_at,
  time_zone, version)
VALUES ($1, $2, 'triage', 'primary', $1, $1, $3::timestamptz, $3::timestamptz + interval '1 day',
  'Europe/Berlin', 1)
"""


@pytest.fixture
def older(postgres_superuser_url: str) -> Iterator[Older]:
    """A database of appointments in which nothing is yet."""
    with older_database(postgres_superuser_url, "appointments") as found:
        yield found


def place(older: Older, zone: str) -> UUID:
    made = new_id()
    older.rows(PLACE, made, NETWORK, zone)
    return made


def test_0014_gives_what_is_booked_the_offset_of_its_clinic_then(older: Older) -> None:
    older.upgrade("0013")
    denver, howe = place(older, "America/Denver"), place(older, "Australia/Lord_Howe")
    for clinic, moment in (
        (denver, "2026-11-01T07:30Z"),
        (denver, "2026-11-01T08:00Z"),
        (denver, "2027-03-14T08:59Z"),
        (denver, "2027-03-14T09:00Z"),
        (howe, "2026-10-03T15:00Z"),
        (howe, "2026-10-03T15:30Z"),
    ):
        older.rows(VISIT.replace("$3", f"'{moment}'"), clinic, NETWORK)
    for text in (SESSION, BLOCK, SHIFT):
        older.rows(text.replace("$3", "'2027-03-27T18:00Z'"), denver, NETWORK)
    older.upgrade("0014")
    found = older.rows("SELECT clinic_id, utc_offset_minutes FROM appointments ORDER BY starts_at")
    assert [row[1] for row in found if row[0] == denver] == [-360, -420, -420, -360]
    assert [row[1] for row in found if row[0] == howe] == [630, 660]
    assert [row[0] for row in older.rows("SELECT utc_offset_minutes FROM sessions")] == [-360]
    both = "SELECT utc_offset_minutes, end_utc_offset_minutes FROM "
    assert [tuple(row) for row in older.rows(both + "blocks")] == [(-360, -360)]
    assert [tuple(row) for row in older.rows(both + "on_call_shifts")] == [(60, 120)]
    forced = older.rows("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    tables = {"clinics", "appointments", "sessions", "blocks", "on_call_shifts"}
    assert tables <= {row["relname"] for row in forced}
