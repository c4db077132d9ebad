"""Break the glass, and look at it afterwards."""

from uuid import UUID

from services.patients import events
from services.patients.domain.emergency import Finding, Reason, decide_review, expires_at
from services.patients.queries.emergency import access
from services.patients.queries.people import person
from services.patients.tables import EmergencyAccess
from shared.db.work import Work


async def open_access(work: Work, patient_id: UUID, reason: Reason, note: str) -> EmergencyAccess:
    """Let the actor read one patient at any clinic for an hour. A review is open from then on."""
    patient = await person(work, patient_id)
    row = EmergencyAccess(
        id=work.new_id("emergency_access"),
        network_id=work.network_id,
        patient_id=patient.id,
        person=str(work.actor),
        reason=reason.value,
        note=note,
        opened_at=work.now,
        expires_at=expires_at(work.now),
    )
    work.add(row)
    work.save(patient)
    work.say(events.emergency_opened(row), of=patient)
    return row


async def review(work: Work, access_id: UUID, finding: Finding, note: str) -> EmergencyAccess:
    """Say whether it was justified. Raises what `decide_review` does."""
    row = await access(work, access_id)
    decide_review(row.person, str(work.actor), row.reviewed_at)
    row.reviewed_at, row.reviewed_by = work.now, str(work.actor)
    row.finding, row.review_note = finding.value, note
    patient = await person(work, row.patient_id)
    work.save(row)
    work.save(patient)
    work.say(events.emergency_reviewed(row, finding, work.now), of=patient)
    return row
