"""Record what a person consents to, and what they take back."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.patients import events
from services.patients.domain.consent import Consent, ConsentKind, decide_grant, decide_revoke
from services.patients.queries.clinics import zone_at
from services.patients.queries.consent import consent, consent_of
from services.patients.queries.people import person
from services.patients.tables import ConsentGiven
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.zones import YEAR_MAX, YEAR_MIN, zone


@dataclass(frozen=True, slots=True)
class Grant:
    """A consent as recorded. granted_at: None for now. clinic_id: whose zone judges its days."""

    kind: ConsentKind
    text_version: str
    granted_at: datetime | None = None
    expires_on: date | None = None
    clinic_id: UUID | None = None


async def grant(work: Work, patient_id: UUID, given: Grant) -> ConsentGiven:
    """Record a consent. Raises what `decide_grant` and `zone_at` raise, and ``time.range``."""
    patient = await person(work, patient_id)
    granted_at = given.granted_at or work.now
    if not YEAR_MIN <= granted_at.year <= YEAR_MAX:
        raise Invalid("time.range", "The year is out of range.", pointer="/granted_at")
    time_zone = await zone_at(work, given.clinic_id)
    held = Consent(given.kind, given.text_version, granted_at, given.expires_on)
    decide_grant(held, work.now, zone(time_zone))
    row = ConsentGiven(
        id=work.new_id("consent"),
        network_id=work.network_id,
        patient_id=patient.id,
        kind=held.kind.value,
        text_version=held.text_version,
        granted_at=held.granted_at,
        time_zone=time_zone,
        expires_on=held.expires_on,
        recorded_at=work.now,
        recorded_by=str(work.actor),
    )
    work.add(row)
    work.save(patient)
    work.say(events.consent_granted(row), of=patient)
    return row


async def revoke(work: Work, patient_id: UUID, consent_id: UUID) -> ConsentGiven:
    """Take a consent back, from now on. Raises Conflict ``consent.already_revoked``."""
    patient = await person(work, patient_id)
    row = await consent(work, patient.id, consent_id)
    row.revoked_at = decide_revoke(consent_of(row), work.now)
    row.revoked_by = str(work.actor)
    work.save(row)
    work.save(patient)
    work.say(events.consent_revoked(row, work.now), of=patient)
    return row
