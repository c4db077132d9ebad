"""When a patient was last here and comes next, from what appointments said."""

from dataclasses import dataclass
from uuid import UUID

from services.patients.tables import KnownVisit
from shared.db.work import Work


@dataclass(frozen=True, slots=True)
class Visits:
    """The last visit that was ended and the next that is booked, each None where there is none."""

    last: KnownVisit | None
    next: KnownVisit | None


async def known_visit(work: Work, appointment_id: UUID) -> KnownVisit | None:
    """What was heard of a visit."""
    rows = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None


async def visits_of(work: Work, patient_id: UUID) -> Visits:
    """The visits of a patient at the clinics that the caller works at."""
    rows = await work.load_where(KnownVisit, "patient_id = $2", patient_id)
    mine = work.actor.clinic_ids
    if patient_id in work.actor.emergencies:
        mine = None
    seen = [row for row in rows if mine is None or row.clinic_id in mine]
    ended = [row for row in seen if row.checked_out_at is not None]
    ahead = [row for row in seen if row.status == "booked" and row.starts_at >= work.now]
    return Visits(
        last=max(ended, key=lambda row: (row.starts_at, row.appointment_id), default=None),
        next=min(ahead, key=lambda row: (row.starts_at, row.appointment_id), default=None),
    )
