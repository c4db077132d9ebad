"""Many bookings in a stage's tables, made in SQL: the same rows every time.

`bookings_before` fills the past of other providers; `full_clinic` is a clinic with 50 providers
whose days ahead are nearly full.
"""

from datetime import time, timedelta
from typing import Any
from uuid import UUID

from bench.stage import CLINIC, NOW, PROVIDER, ROOM, Stage, numbered, numbered_prefix

BENCH = 50
OTHERS = 500
"""Providers of the rows that are only there."""
CLINIC_PROVIDERS = 50
FULL_CLINIC = numbered(CLINIC, 900)
PER_DAY = 27
"""Slots of 20 minutes from 8 to 17."""
FREE_OF_100 = 6
"""So many of a hundred slots ahead are free."""

_PEOPLE = """
INSERT INTO providers (id, network_id, family_name, capacity, overbook_quota, version)
SELECT md5('other' || p)::uuid, $1, 'O', 1, 1, 1 FROM generate_series(0, $2::int - 1) p
ON CONFLICT DO NOTHING
"""

# One after the other, as UUIDv7 are: random ones would scatter over every index.
_ID = f"('{numbered_prefix(BENCH)}' || lpad(nextval('bench_rows')::text, 12, '0'))::uuid"

_WITH_OCCUPANCIES = f"""
WITH made AS (
 INSERT INTO appointments (id, network_id, patient_id, clinic_id, provider_id,
  appointment_type_id, starts_at, ends_at, utc_offset_minutes, lifecycle, confirmation, flow,
  readiness, new_patient, walk_in, overbooked, moves, booked_at, late_cancel, keeps_time, version,
  event_seq)
 SELECT {_ID}, $1, patient_id, clinic_id, provider_id, $2, starts_at,
  starts_at + interval '20 min', 0, 'booked', 'unsent', 'expected', 'unknown', false, false,
  false, 0, starts_at - interval '7 days', false, false, 1, 1
 FROM wanted RETURNING id, provider_id, patient_id, starts_at, ends_at)
INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane, starts_at, ends_at,
 appointment_id, active)
SELECT {_ID}, $1, kind, resource, 1, starts_at, ends_at, made.id, true FROM made,
 LATERAL (VALUES ('provider', provider_id), ('patient', patient_id)) AS taken (kind, resource)
"""

# One of a patient's visits is 80 slots from the next, so none of theirs overlap either.
_BEFORE = f"""
WITH wanted AS (
 SELECT md5('patient' || n % 40000)::uuid AS patient_id,
  ('{str(numbered(CLINIC, 100))[:-3]}' || 100 + n % 16)::uuid AS clinic_id,
  md5('other' || n % {OTHERS})::uuid AS provider_id,
  $3::timestamptz - (1 + n / {OTHERS}) * interval '20 min' AS starts_at
 FROM generate_series($4::int, $5::int - 1) AS n),
{_WITH_OCCUPANCIES.replace("WITH made", "made", 1).strip()}
"""

# Slots are taken or free by a hash of provider and slot: nearly full everywhere, and no pattern.
_AHEAD = f"""
WITH wanted AS (
 SELECT md5('guest' || p || '/' || d || '/' || s)::uuid AS patient_id, $3::uuid AS clinic_id,
  ('{str(numbered(PROVIDER, 0))[:-3]}' || 900 + p)::uuid AS provider_id,
  date_trunc('day', $4::timestamptz) + d * interval '1 day' + interval '8 h'
   + s * interval '20 min' AS starts_at
 FROM generate_series($5::int, $6::int) AS d, generate_series(0, {CLINIC_PROVIDERS - 1}) AS p,
  generate_series(0, {PER_DAY - 1}) AS s
 WHERE abs(hashtext('taken' || p || '/' || d || '/' || s)) % 100 >= {FREE_OF_100}),
{_WITH_OCCUPANCIES.replace("WITH made", "made", 1).strip()}
"""


def bookings_before(made: Stage, first: int, last: int) -> None:
    """Bookings number `first` to `last` - 1 of other providers, before the stage's now."""
    made.ask(_PEOPLE, made.network_id, OTHERS)
    made.ask("CREATE SEQUENCE IF NOT EXISTS bench_rows")
    # The constraint is built once at the end: two million rows one by one take ten times as long.
    (row,) = made.ask(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint"
        " WHERE conname = 'occupancies_never_twice'"
    )
    large = last - first > 100_000
    if large:
        made.ask("ALTER TABLE occupancies DROP CONSTRAINT occupancies_never_twice")
    step = 200_000
    for at in range(first, last, step):
        until = min(last, at + step)
        made.ask(_BEFORE, made.network_id, made.type_id, NOW, at, until)
    if large:
        made.ask(f"ALTER TABLE occupancies ADD CONSTRAINT occupancies_never_twice {row['text']}")


def full_clinic(made: Stage, first_day: int, last_day: int) -> None:
    """Bookings of the clinic's 50 providers, on days ahead of the stage's now."""
    made.ask(_AHEAD, made.network_id, made.type_id, FULL_CLINIC, NOW, first_day, last_day)


def open_full_clinic(made: Stage) -> None:
    """The clinic: 50 providers, each in every day from 8 to 17, and a room for each."""
    n, weekdays = made.network_id, range(1, 8)
    made.ask("CREATE SEQUENCE IF NOT EXISTS bench_rows")
    made.ask(
        "INSERT INTO clinics (id, network_id, name, time_zone, currency, version, event_seq)"
        " VALUES ($1, $2, 'Full', 'UTC', 'USD', 1, 1)",
        FULL_CLINIC, n,
    )  # fmt: skip
    for number in range(CLINIC_PROVIDERS):
        provider: UUID = numbered(PROVIDER, 900 + number)
        of: tuple[Any, ...] = (provider, n)
        made.ask(
            "INSERT INTO providers (id, network_id, family_name, capacity, overbook_quota, version)"
            " VALUES ($1, $2, 'P', 1, 1, 1)", *of,
        )  # fmt: skip
        made.ask(
            "INSERT INTO provider_clinics (provider_id, network_id, clinic_id) VALUES ($1, $2, $3)",
            *of, FULL_CLINIC,
        )  # fmt: skip
        made.ask(
            "INSERT INTO weekly_schedules (id, provider_id, network_id, clinic_id, weekday, opens,"
            " closes) SELECT gen_random_uuid(), $1, $2, $3, weekday, $4, $5"
            " FROM unnest($6::int[]) AS weekday",
            *of, FULL_CLINIC, time(8), time(17), list(weekdays),
        )  # fmt: skip
        made.ask(
            "INSERT INTO rooms (id, network_id, clinic_id, name, capacity, position, version)"
            " VALUES ($1, $2, $3, 'R', 1, $4, 1)",
            numbered(ROOM, 900 + number), n, FULL_CLINIC, number,
        )  # fmt: skip


AHEAD = timedelta(days=30)
