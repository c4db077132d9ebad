"""Keeping what appointments said: copies to decide by and to show."""

from datetime import datetime
from uuid import UUID

from services.patients.queries.clinics import known_clinic
from services.patients.queries.visits import known_visit
from services.patients.tables import KnownClinic, KnownVisit
from shared.db.work import Work
from shared.values.errors import Conflict


async def note_clinic(work: Work, clinic_id: UUID, time_zone: str) -> None:
    """A clinic has its zone; heard again, the latest counts."""
    row = await known_clinic(work, clinic_id)
    if row is None:
        work.add(KnownClinic(network_id=work.network_id, clinic_id=clinic_id, time_zone=time_zone))
    else:
        row.time_zone = time_zone
        work.save(row)


async def note_booked(
    work: Work, appointment_id: UUID, patient_id: UUID, clinic_id: UUID, starts_at: datetime
) -> None:
    """A visit is to come."""
    work.create(
        KnownVisit,
        network_id=work.network_id,
        appointment_id=appointment_id,
        patient_id=patient_id,
        clinic_id=clinic_id,
        starts_at=starts_at,
        status="booked",
    )


async def note_moved(
    work: Work, appointment_id: UUID, clinic_id: UUID, starts_at: datetime
) -> None:
    """A visit has another time or place."""
    row = await _heard(work, appointment_id)
    row.clinic_id, row.starts_at = clinic_id, starts_at


async def note_off(work: Work, appointment_id: UUID, status: str) -> None:
    """A visit will not be: `cancelled` or `no_show`. Nor was it, where it was taken to be over."""
    row = await _heard(work, appointment_id)
    row.status, row.checked_out_at = status, None


async def note_on_again(work: Work, appointment_id: UUID) -> None:
    """A visit that was given up is to be after all."""
    (await _heard(work, appointment_id)).status = "booked"


async def note_ended(work: Work, appointment_id: UUID, at: datetime) -> None:
    """A visit is over."""
    row = await _heard(work, appointment_id)
    row.status, row.checked_out_at = "checked_out", at


async def _heard(work: Work, appointment_id: UUID) -> KnownVisit:
    """The row of a visit, saved in the end. Its booking is the first event of its subject."""
    row = await known_visit(work, appointment_id)
    if row is None:
        raise Conflict("visit.unheard", "The booking of this visit was not heard.")
    work.save(row)
    return row
