"""Keeping what other services said of patients and visits: copies to decide by."""

from datetime import date, datetime
from uuid import UUID

from services.appointments.queries.visits import one_known_patient
from services.appointments.tables import (
    EmergencyAccess,
    KnownConsent,
    KnownCover,
    KnownPatient,
    KnownPreference,
    VisitCover,
    VisitPacket,
)
from shared.contracts.eligibility import CoverageAdded, CoverageChanged
from shared.contracts.patients import EmergencyAccessOpened, MessagesPreferred, PatientMerged
from shared.db.work import Work
from shared.values.errors import Conflict


async def known_patient(work: Work, patient_id: UUID) -> KnownPatient:
    """The row of a patient, made when it is the first that is heard, and saved in the end."""
    row = await one_known_patient(work, patient_id)
    if row is None:
        row = KnownPatient(network_id=work.network_id, patient_id=patient_id)
        work.add(row)
    else:
        work.save(row)
    return row


async def note_merge(work: Work, event: PatientMerged) -> None:
    """A record was given up for another of the same person."""
    row = await known_patient(work, event.patient_id)
    row.merged_into = event.survivor_id


async def note_consent(
    work: Work,
    patient_id: UUID,
    consent_id: UUID,
    kind: str,
    text_version: str,
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
            text_version=text_version,
            granted_at=granted_at,
            expires_on=expires_on,
        )
    )


async def note_revocation(work: Work, consent_id: UUID, at: datetime) -> None:
    """A consent was revoked. Raises Conflict where its grant was never heard."""
    rows = await work.load_where(KnownConsent, "consent_id = $2", consent_id)
    if not rows:
        raise Conflict("consent.unheard", "The grant of this consent was not heard.")
    rows[0].revoked_at = at
    work.save(rows[0])


async def note_preference(work: Work, event: MessagesPreferred) -> None:
    """What a patient wants messages to come by; the latest counts."""
    rows = await work.load_where(KnownPreference, "patient_id = $2", event.patient_id)
    if rows:
        rows[0].channels, rows[0].time_zone = list(event.channels), event.time_zone
        rows[0].preferred_at = event.preferred_at
        work.save(rows[0])
    else:
        work.create(
            KnownPreference,
            network_id=work.network_id,
            patient_id=event.patient_id,
            channels=list(event.channels),
            time_zone=event.time_zone,
            preferred_at=event.preferred_at,
        )


async def note_coverage(work: Work, event: CoverageAdded | CoverageChanged) -> None:
    """A patient's cover by a payer; of one coverage the latest counts."""
    rows = await work.load_where(KnownCover, "coverage_id = $2", event.coverage_id)
    if rows:
        row = rows[0]
        row.payer_id, row.place = event.payer_id, event.order
        row.first, row.last = event.effective_from, event.effective_to
        work.save(row)
        return
    work.add(
        KnownCover(
            network_id=work.network_id,
            coverage_id=event.coverage_id,
            patient_id=event.patient_id,
            payer_id=event.payer_id,
            place=event.order,
            first=event.effective_from,
            last=event.effective_to,
        )
    )


async def note_cover(
    work: Work, appointment_id: UUID, verdict: str, reason: str, at: datetime
) -> None:
    """Eligibility has a verdict on a visit's cover; the latest counts."""
    rows = await work.load_where(VisitCover, "appointment_id = $2", appointment_id)
    if rows:
        rows[0].verdict, rows[0].reason, rows[0].decided_at = verdict, reason, at
        work.save(rows[0])
    else:
        work.add(
            VisitCover(
                network_id=work.network_id,
                appointment_id=appointment_id,
                verdict=verdict,
                reason=reason,
                decided_at=at,
            )
        )


async def note_packet(
    work: Work, appointment_id: UUID, document_id: UUID, revision: int, at: datetime
) -> None:
    """A visit's chart packet is ready; the latest counts."""
    rows = await work.load_where(VisitPacket, "appointment_id = $2", appointment_id)
    if rows:
        rows[0].document_id, rows[0].revision, rows[0].ready_at = document_id, revision, at
        work.save(rows[0])
    else:
        work.add(
            VisitPacket(
                network_id=work.network_id,
                appointment_id=appointment_id,
                document_id=document_id,
                revision=revision,
                ready_at=at,
            )
        )


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
