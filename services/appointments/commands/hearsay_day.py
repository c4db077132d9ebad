"""Keeping what others said that the day of a visit depends on."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from services.appointments.tables import (
    KnownAuthorization,
    KnownForm,
    KnownVerification,
    VisitCopay,
    VisitPayment,
)
from shared.contracts.eligibility import AuthorizationEvent
from shared.db.work import Work


async def note_verified(work: Work, patient_id: UUID, fields: Iterable[str], at: datetime) -> None:
    """Fields of somebody's demographics were gone through; the latest time counts."""
    rows = await work.load_where(KnownVerification, "patient_id = $2", patient_id)
    held = {row.field: row for row in rows}
    for name in sorted(set(fields)):
        row = held.get(name)
        if row is None:
            work.create(
                KnownVerification,
                network_id=work.network_id,
                patient_id=patient_id,
                field=name,
                verified_at=at,
            )
        else:
            row.verified_at = at
            work.save(row)


async def note_copay(work: Work, appointment_id: UUID, cents: int, at: datetime) -> None:
    """What is expected at the desk; the latest estimate counts."""
    rows = await work.load_where(VisitCopay, "appointment_id = $2", appointment_id)
    if rows:
        rows[0].copay_cents, rows[0].estimated_at = cents, at
        work.save(rows[0])
    else:
        work.create(
            VisitCopay,
            network_id=work.network_id,
            appointment_id=appointment_id,
            copay_cents=cents,
            estimated_at=at,
        )


async def note_paid(work: Work, appointment_id: UUID | None, patient_id: UUID, cents: int) -> None:
    """Money came for a visit, or went back; nothing where it is for no visit in particular."""
    if appointment_id is None:
        return
    rows = await work.load_where(VisitPayment, "appointment_id = $2", appointment_id)
    if rows:
        rows[0].paid_cents += cents
        work.save(rows[0])
    else:
        work.create(
            VisitPayment,
            network_id=work.network_id,
            appointment_id=appointment_id,
            patient_id=patient_id,
            paid_cents=cents,
        )


async def note_forms(
    work: Work,
    packet_id: UUID,
    patient_id: UUID,
    appointment_id: UUID | None,
    forms: Iterable[str],
    at: datetime,
) -> None:
    """Forms were handed in; those of a packet that is handed in again take its place."""
    rows = await work.load_where(KnownForm, "packet_id = $2", packet_id)
    held = {row.form: row for row in rows}
    for form in sorted(set(forms)):
        row = held.get(form)
        if row is None:
            work.create(
                KnownForm,
                network_id=work.network_id,
                packet_id=packet_id,
                form=form,
                patient_id=patient_id,
                appointment_id=appointment_id,
                submitted_at=at,
            )
        else:
            row.appointment_id, row.submitted_at = appointment_id, at
            work.save(row)


async def note_authorization(
    work: Work,
    event: AuthorizationEvent,
    state: str,
    at: datetime,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> None:
    """A payer's word on a visit; the latest of each authorization counts."""
    where = "authorization_id = $2"
    rows = await work.load_where(KnownAuthorization, where, event.authorization_id)
    if rows:
        row = rows[0]
        row.state, row.decided_at = state, at
        row.valid_from, row.valid_until = valid_from, valid_until
        work.save(row)
        return
    work.create(
        KnownAuthorization,
        network_id=work.network_id,
        authorization_id=event.authorization_id,
        patient_id=event.patient_id,
        appointment_id=event.appointment_id,
        state=state,
        valid_from=valid_from,
        valid_until=valid_until,
        decided_at=at,
    )
