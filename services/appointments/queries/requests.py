"""Reading the times that patients ask for."""

from datetime import datetime
from uuid import UUID

from services.appointments.tables import AppointmentRequest
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound

LIMIT = 200


async def found_request(work: Work, request_id: UUID) -> AppointmentRequest:
    """A request of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(AppointmentRequest, request_id)
    if row is None or not at_clinic(work.actor, row.clinic_id, row.patient_id):
        raise NotFound("appointment_request.not_found", "There is no such request.")
    return row


async def open_request(
    work: Work, patient_id: UUID, appointment_type_id: UUID
) -> AppointmentRequest | None:
    """The open request of a patient for a kind of visit: there is one at the most."""
    where = "patient_id = $2 AND appointment_type_id = $3 AND state = 'open'"
    rows = await work.load_where(AppointmentRequest, where, patient_id, appointment_type_id)
    return rows[0] if rows else None


async def requests_at(
    work: Work, clinic_id: UUID, state: str, after: tuple[datetime, UUID] | None, limit: int
) -> list[AppointmentRequest]:
    """The requests of a clinic in a state, the oldest first, after a position."""
    where = "clinic_id = $2 AND state = $3"
    if after is not None:
        where += " AND (made_at, id) > ($5, $6)"
    where += " ORDER BY made_at, id LIMIT $4"
    return await work.load_where(AppointmentRequest, where, clinic_id, state, limit, *(after or ()))


async def requests_of(work: Work, patient_id: UUID) -> list[AppointmentRequest]:
    """A patient's requests that the caller may know of, the latest first; 200 at most."""
    where = f"patient_id = $2 ORDER BY made_at DESC, id LIMIT {LIMIT}"
    rows = await work.load_where(AppointmentRequest, where, patient_id)
    return [row for row in rows if at_clinic(work.actor, row.clinic_id, row.patient_id)]
