"""Reading the waiting room."""

from datetime import date
from uuid import UUID

import orjson

from services.appointments.domain.waiting import (
    WAITS_MOST,
    WAITS_SINCE,
    Expectation,
    Priority,
    Waiting,
    expectation,
    in_order,
)
from services.appointments.tables import Appointment, QueueEntry
from shared.db.work import Work

_WAITS = """
SELECT json_build_array(
 (SELECT json_agg(w) FROM (SELECT waited_seconds AS w FROM queue_entries
   WHERE network_id = $1 AND clinic_id = $2 AND provider_id = $3 AND ended_as = 'called'
   AND ended_at > $4 ORDER BY ended_at DESC LIMIT $5) own),
 (SELECT json_agg(w) FROM (SELECT waited_seconds AS w FROM queue_entries
   WHERE network_id = $1 AND clinic_id = $2 AND ended_as = 'called'
   AND ended_at > $4 ORDER BY ended_at DESC LIMIT $5) every))::text
"""
_HIGHEST = """
SELECT max(call_number) FROM appointments
WHERE network_id = $1 AND clinic_id = $2 AND call_day = $3
"""


async def entry_of(work: Work, appointment_id: UUID) -> QueueEntry | None:
    """The wait of a visit that goes on."""
    where = "appointment_id = $2 AND ended_at IS NULL"
    rows = await work.load_where(QueueEntry, where, appointment_id)
    return rows[0] if rows else None


async def last_entry_of(work: Work, appointment_id: UUID) -> QueueEntry | None:
    """The latest wait of a visit, whether it goes on or is over."""
    where = "appointment_id = $2 ORDER BY entered_at DESC, id DESC LIMIT 1"
    rows = await work.load_where(QueueEntry, where, appointment_id)
    return rows[0] if rows else None


async def waits_elsewhere(work: Work, row: Appointment) -> QueueEntry | None:
    """The wait of the same patient at the same clinic, for another visit of theirs."""
    where = "clinic_id = $2 AND patient_id = $3 AND ended_at IS NULL AND appointment_id <> $4"
    rows = await work.load_where(QueueEntry, where, row.clinic_id, row.patient_id, row.id)
    return rows[0] if rows else None


async def expected(work: Work, clinic_id: UUID, provider_id: UUID) -> Expectation:
    """What the recent waits promise whoever waits for a provider at a clinic."""
    since = work.now - WAITS_SINCE
    found = await work.raw.fetchval(
        _WAITS, work.network_id, clinic_id, provider_id, since, WAITS_MOST
    )
    own, every = orjson.loads(found)
    return expectation(own or (), every or ())


async def highest_number(work: Work, clinic_id: UUID, day: date) -> int | None:
    """The highest call number of a clinic's day so far."""
    found: int | None = await work.raw.fetchval(_HIGHEST, work.network_id, clinic_id, day)
    return found


async def queue(work: Work, clinic_id: UUID) -> list[tuple[QueueEntry, Appointment]]:
    """Who waits at a clinic, in the order in which they are to be called."""
    entries = await work.load_where(QueueEntry, "clinic_id = $2 AND ended_at IS NULL", clinic_id)
    ids = [entry.appointment_id for entry in entries]
    rows = await work.load_where(Appointment, "id = ANY($2)", ids) if ids else []
    visits = {row.id: row for row in rows}
    held = {entry.appointment_id: entry for entry in entries}
    ordered = in_order(
        [Waiting(e.appointment_id, Priority(e.priority), e.turn_at, e.entered_at) for e in entries]
    )
    return [(held[w.appointment_id], visits[w.appointment_id]) for w in ordered]
