"""Keeping what other services said, and reckoning the visits that it touches."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.eligibility.commands.reckoning import RECKON
from services.eligibility.queries.standing import AROUND
from services.eligibility.tables import (
    KnownClinic,
    KnownFee,
    KnownPatient,
    KnownType,
    KnownVisit,
)
from shared.db.work import Work
from shared.values.errors import Conflict

AT_ONCE = 200

# The patients of visits to come, and of those for which something is missing still.
_WAITING = """
SELECT DISTINCT v.patient_id FROM known_visits v
WHERE v.network_id = $1 AND v.state = 'booked' AND {where} AND (v.starts_at > $2
  OR NOT EXISTS (SELECT 1 FROM estimates e WHERE e.network_id = v.network_id
    AND e.appointment_id = v.appointment_id))
ORDER BY v.patient_id
"""
_PRICED_AS = """
v.clinic_id = $3 AND EXISTS (SELECT 1 FROM known_types t WHERE t.network_id = v.network_id
  AND t.appointment_type_id = v.appointment_type_id
  AND CASE WHEN v.new_patient THEN t.service_code_new ELSE t.service_code_known END = $4)
"""


async def note_patient(work: Work, patient_id: UUID, at: datetime) -> None:
    """A person became a patient."""
    work.add(KnownPatient(network_id=work.network_id, patient_id=patient_id, registered_at=at))


async def note_booking(work: Work, row: KnownVisit) -> None:
    """A visit was booked."""
    work.add(row)


async def note_move(work: Work, appointment_id: UUID, clinic_id: UUID, starts_at: datetime) -> None:
    """A visit moved."""
    row = await _visit(work, appointment_id)
    row.clinic_id, row.starts_at, row.placed_at = clinic_id, starts_at, work.now
    work.save(row)


async def note_end(work: Work, appointment_id: UUID, state: str) -> None:
    """A visit does not take place. Its last verdict and estimate stay as they are."""
    row = await _visit(work, appointment_id)
    row.state = state
    work.save(row)


async def note_on_again(work: Work, appointment_id: UUID) -> None:
    """A visit that was given up is held after all."""
    row = await _visit(work, appointment_id)
    row.state = "booked"
    work.save(row)
    await work.flush()


async def _visit(work: Work, appointment_id: UUID) -> KnownVisit:
    rows = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    if not rows:
        raise Conflict("visit.unheard", "The booking of this visit was not heard.")
    return rows[0]


async def note_clinic(work: Work, clinic_id: UUID, time_zone: str) -> None:
    """A clinic exists: visits whose day could not be told can be looked at."""
    rows = await work.load_where(KnownClinic, "clinic_id = $2", clinic_id)
    if rows:
        rows[0].time_zone = time_zone
        work.save(rows[0])
    else:
        work.add(KnownClinic(network_id=work.network_id, clinic_id=clinic_id, time_zone=time_zone))
    await _reckon_later(work, "v.clinic_id = $3", clinic_id)


async def note_type(work: Work, type_id: UUID, code_new: str, code_known: str) -> None:
    """A kind of visit is priced as these services."""
    rows = await work.load_where(KnownType, "appointment_type_id = $2", type_id)
    if rows:
        rows[0].service_code_new, rows[0].service_code_known = code_new, code_known
        work.save(rows[0])
    else:
        work.add(
            KnownType(
                network_id=work.network_id,
                appointment_type_id=type_id,
                service_code_new=code_new,
                service_code_known=code_known,
            )
        )
    await _reckon_later(work, "v.appointment_type_id = $3", type_id)


async def note_fee(work: Work, row: KnownFee) -> None:
    """A clinic asks a price for a service from a day on."""
    held = await work.load_where(KnownFee, "fee_id = $2", row.fee_id)
    if held:
        held[0].amount_cents, held[0].currency = row.amount_cents, row.currency
        held[0].effective_from = row.effective_from
        work.save(held[0])
    else:
        work.add(row)
    await _reckon_later(work, _PRICED_AS, row.clinic_id, row.service_code)


async def _reckon_later(work: Work, where: str, *arguments: object) -> None:
    """Have the patients reckoned under their own locks, which an event about no patient has not.

    A visit that is being booked at this moment is not missed: its event holds the lock of clinic
    and kind, as this one does, so one of the two sees what the other wrote.
    """
    text = _WAITING.format(where=where)
    found: Sequence[UUID] = [
        row["patient_id"]
        for row in await work.raw.fetch(text, work.network_id, work.now - AROUND, *arguments)
    ]
    for number, patient_id in enumerate(found, start=1):
        work.timer(RECKON, patient_id, work.now)
        if number % AT_ONCE == 0:
            await work.flush()
