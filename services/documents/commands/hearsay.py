"""Keeping what other services said of visits and patients: copies to make packets from."""

from datetime import date, datetime
from uuid import UUID

from services.documents.commands.packets import plan, plan_for_patient
from services.documents.queries.documents import one_known_patient, one_visit
from services.documents.queries.packet_facts import cover_of, estimate_of
from services.documents.tables import (
    EmergencyAccess,
    KnownConsent,
    KnownPatient,
    KnownVisit,
    VisitCover,
    VisitEstimate,
)
from shared.contracts.envelope import Envelope
from shared.contracts.patients import EmergencyAccessOpened
from shared.db.work import Work
from shared.values.errors import Conflict


async def heard_visit(work: Work, envelope: Envelope, appointment_id: UUID) -> KnownVisit:
    """The row of a visit, marked as changed by this event. Raises Conflict before its booking."""
    row = await one_visit(work, appointment_id)
    if row is None:
        raise Conflict("appointment.unheard", "The booking of this visit was not heard.")
    row.heard_at, row.heard_event, row.heard_actor = envelope.time, envelope.id, envelope.actor
    work.save(row)
    return row


async def visit_is(work: Work, appointment_id: UUID, state: str) -> KnownVisit:
    """A visit was given up, or is held after all.

    When it changed before stays as it was: its packet is due by that, should it be held again.
    """
    row = await one_visit(work, appointment_id)
    if row is None:
        raise Conflict("appointment.unheard", "The booking of this visit was not heard.")
    row.state = state
    work.save(row)
    return row


async def known_patient(work: Work, patient_id: UUID) -> KnownPatient:
    """The row of a patient, made when it is the first that is heard, and saved in the end."""
    row = await one_known_patient(work, patient_id)
    if row is None:
        row = KnownPatient(network_id=work.network_id, patient_id=patient_id)
        work.add(row)
    else:
        work.save(row)
    return row


async def patient_changed(work: Work, row: KnownPatient) -> None:
    """Something that packets say of a patient changed: those of visits to come are due again."""
    row.heard_at = work.now
    await plan_for_patient(work, row.patient_id)


async def note_consent(
    work: Work,
    patient_id: UUID,
    consent_id: UUID,
    kind: str,
    granted_at: datetime,
    expires_on: date | None,
) -> None:
    """A consent was granted."""
    work.add(
        KnownConsent(
            network_id=work.network_id,
            consent_id=consent_id,
            patient_id=patient_id,
            kind=kind,
            granted_at=granted_at,
            expires_on=expires_on,
        )
    )
    await patient_changed(work, await known_patient(work, patient_id))


async def note_revocation(
    work: Work, patient_id: UUID, consent_id: UUID, revoked_at: datetime
) -> None:
    """A consent was revoked. Raises Conflict where its grant was never heard."""
    rows = await work.load_where(KnownConsent, "consent_id = $2", consent_id)
    if not rows:
        raise Conflict("consent.unheard", "The grant of this consent was not heard.")
    rows[0].revoked_at = revoked_at
    work.save(rows[0])
    await patient_changed(work, await known_patient(work, patient_id))


async def note_cover(
    work: Work, appointment_id: UUID, verdict: str, reason: str, decided_at: datetime
) -> None:
    """Eligibility has a verdict on a visit's cover; the latest counts."""
    row = await cover_of(work, appointment_id)
    if row is None:
        work.add(
            VisitCover(
                network_id=work.network_id,
                appointment_id=appointment_id,
                verdict=verdict,
                reason=reason,
                decided_at=decided_at,
            )
        )
    else:
        row.verdict, row.reason, row.decided_at = verdict, reason, decided_at
        work.save(row)
    await _visit_changed(work, appointment_id)


async def note_estimate(work: Work, estimate: VisitEstimate) -> None:
    """Eligibility has an estimate of a visit; the latest counts."""
    row = await estimate_of(work, estimate.appointment_id)
    if row is None:
        work.add(estimate)
    else:
        for name in type(estimate).model_fields:
            setattr(row, name, getattr(estimate, name))
        work.save(row)
    await _visit_changed(work, estimate.appointment_id)


async def _visit_changed(work: Work, appointment_id: UUID) -> None:
    """Plan the visit's packet again; nothing where its booking is still to be heard."""
    await work.flush()
    visit = await one_visit(work, appointment_id)
    if visit is not None:
        await plan(work, visit)


def note_emergency(work: Work, event: EmergencyAccessOpened) -> None:
    """Whoever caused the event may read the patient until then."""
    work.create(
        EmergencyAccess,
        id=event.access_id,
        network_id=work.network_id,
        patient_id=event.patient_id,
        person=str(work.actor),
        expires_at=event.expires_at,
    )
