"""Keeping what other services said: copies to decide by."""

from datetime import datetime
from uuid import UUID

from services.payments.tables import Estimate, KnownClinic, KnownPatient, KnownVisit
from shared.db.work import Work
from shared.values.errors import Conflict


async def note_clinic(work: Work, clinic_id: UUID, time_zone: str, currency: str) -> None:
    """A clinic was opened."""
    rows = await work.load_where(KnownClinic, "clinic_id = $2", clinic_id)
    if rows:
        rows[0].time_zone, rows[0].currency = time_zone, currency
        work.save(rows[0])
    else:
        work.add(
            KnownClinic(
                network_id=work.network_id,
                clinic_id=clinic_id,
                time_zone=time_zone,
                currency=currency,
            )
        )


async def note_patient(work: Work, patient_id: UUID, at: datetime) -> None:
    """A person became a patient; the first news counts."""
    if not await work.load_where(KnownPatient, "patient_id = $2", patient_id):
        work.add(KnownPatient(network_id=work.network_id, patient_id=patient_id, registered_at=at))


async def note_booking(
    work: Work, appointment_id: UUID, patient_id: UUID, clinic_id: UUID, starts_at: datetime
) -> None:
    """A visit was booked: the first news of it."""
    work.add(
        KnownVisit(
            network_id=work.network_id,
            appointment_id=appointment_id,
            patient_id=patient_id,
            clinic_id=clinic_id,
            starts_at=starts_at,
        )
    )


async def known_visit(work: Work, appointment_id: UUID) -> KnownVisit:
    """A visit that was heard of, saved in the end. Raises Conflict where its booking was not."""
    rows = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    if not rows:
        raise Conflict("visit.unheard", "The booking of this visit was not heard.")
    work.save(rows[0])
    return rows[0]


async def note_estimate(work: Work, heard: Estimate) -> None:
    """Eligibility says what a visit will cost; the latest word counts."""
    rows = await work.load_where(Estimate, "appointment_id = $2", heard.appointment_id)
    if not rows:
        work.add(heard)
        return
    row = rows[0]
    row.estimate_id, row.patient_id = heard.estimate_id, heard.patient_id
    row.patient_cents, row.copay_cents = heard.patient_cents, heard.copay_cents
    row.currency, row.created_at = heard.currency, heard.created_at
    work.save(row)
