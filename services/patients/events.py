"""What patients says: from rows and facts to contract events, pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from services.patients.domain.birth import year_told
from services.patients.domain.emergency import Finding
from services.patients.domain.proxies import EndReason
from services.patients.domain.verification import Verification
from services.patients.tables import (
    ConsentGiven,
    EmergencyAccess,
    MessagePreference,
    Patient,
    ProxyEntry,
)
from shared.contracts.patients import (
    AdministrativeGender,
    ConsentGranted,
    ConsentKind,
    ConsentRevoked,
    DemographicsVerified,
    EmergencyAccessOpened,
    EmergencyAccessReviewed,
    EmergencyReason,
    MessageChannel,
    MessagesPreferred,
    PatientRegistered,
    PatientUpdated,
    ProxyEnded,
    ProxyEndReason,
    ProxyGranted,
)


def registered(row: Patient) -> PatientRegistered:
    """A person became a patient."""
    year = year_told(row.birth_date, row.registered_at)
    return PatientRegistered(
        patient_id=row.id,
        registered_at=row.registered_at,
        birth_year=year,
        gender=cast("AdministrativeGender", row.gender),
    )


def updated(row: Patient, changed: Sequence[str], at: datetime) -> PatientUpdated:
    """Members of a record changed."""
    year = year_told(row.birth_date, at) if "birth_date" in changed else None
    gender = cast("AdministrativeGender", row.gender) if "gender" in changed else None
    return PatientUpdated(
        patient_id=row.id, changed=list(changed), updated_at=at, birth_year=year, gender=gender
    )


def verified(row: Patient, done: Verification, at: datetime) -> DemographicsVerified:
    """Fields were gone through with the person."""
    return DemographicsVerified(
        patient_id=row.id,
        fields=[check.field.value for check in done.checks],
        complete=done.complete,
        verified_at=at,
    )


def consent_granted(row: ConsentGiven) -> ConsentGranted:
    """A consent was given."""
    return ConsentGranted(
        patient_id=row.patient_id,
        consent_id=row.id,
        kind=cast("ConsentKind", row.kind),
        text_version=row.text_version,
        granted_at=row.granted_at,
        expires_on=row.expires_on,
    )


def consent_revoked(row: ConsentGiven, at: datetime) -> ConsentRevoked:
    """A consent was taken back."""
    return ConsentRevoked(
        patient_id=row.patient_id,
        consent_id=row.id,
        kind=cast("ConsentKind", row.kind),
        revoked_at=at,
    )


def proxy_granted(row: ProxyEntry) -> ProxyGranted:
    """Somebody may act for a patient. When a patient comes of age is not said."""
    return ProxyGranted(
        patient_id=row.patient_id,
        proxy_id=row.id,
        proxy_key=row.proxy_key,
        proxy_patient_id=row.proxy_patient_id,
        scope=[power.replace(":", ".") for power in row.scope],
        begins_at=row.begins_at,
        until_at=row.until_at,
    )


def proxy_ended(row: ProxyEntry, reason: EndReason, at: datetime) -> ProxyEnded:
    """Somebody may act for a patient no more."""
    told = EndReason.EXPIRED if reason is EndReason.AGE_OF_MAJORITY else reason
    return ProxyEnded(
        patient_id=row.patient_id,
        proxy_id=row.id,
        reason=cast("ProxyEndReason", told.value),
        ended_at=at,
    )


def messages_preferred(row: MessagePreference) -> MessagesPreferred:
    """A patient said what messages may come by."""
    return MessagesPreferred(
        patient_id=row.patient_id,
        channels=cast("list[MessageChannel]", list(row.channels)),
        time_zone=row.time_zone,
        preferred_at=row.preferred_at,
    )


def emergency_opened(row: EmergencyAccess) -> EmergencyAccessOpened:
    """Somebody broke the glass."""
    return EmergencyAccessOpened(
        patient_id=row.patient_id,
        access_id=row.id,
        reason=cast("EmergencyReason", row.reason),
        opened_at=row.opened_at,
        expires_at=row.expires_at,
    )


def emergency_reviewed(
    row: EmergencyAccess, finding: Finding, at: datetime
) -> EmergencyAccessReviewed:
    """Somebody else looked at it."""
    return EmergencyAccessReviewed(
        patient_id=row.patient_id, access_id=row.id, finding=finding.value, reviewed_at=at
    )
