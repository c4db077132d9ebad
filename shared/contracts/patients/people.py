"""What is said of a person: who they are, what they agreed to, who may act for them."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from shared.contracts.envelope import Code, Event

_PATIENT = "0190a1b2-0000-7000-8000-000000000001"

AdministrativeGender = Literal["female", "male", "other", "unknown"]

ConsentKind = Literal[
    "treatment", "privacy_notice", "billing_release", "assignment_of_benefits", "messages"
]

MessageChannel = Literal["email", "sms", "voice"]

EmergencyReason = Literal["emergency_treatment", "patient_unable", "public_health", "other"]
ProxyEndReason = Literal[
    "ended_by_patient", "authority_ended", "safety", "entered_in_error", "other", "expired"
]
"""`expired` is also said of who came of age: when that was is nobody's else to know."""
EmergencyFinding = Literal["justified", "not_justified"]


class PatientEvent(Event):
    """Where every event of a person stands: one topic, in the order of that person's changes."""

    producer: ClassVar[str] = "patients"
    aggregate: ClassVar[str] = "patient"
    subject_field: ClassVar[str] = "patient_id"

    patient_id: UUID


class PatientRegistered(PatientEvent):
    """A person became a patient of the network.

    birth_year: what ages are judged by where no birth date may be; of people above 89 it is the
    year of somebody of 90 (45 CFR 164.514(b)(2)(i)(C)). gender: the administrative one.
    """

    name: ClassVar[str] = "patient.registered"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "registered_at": "2026-11-23T15:00:00Z",
                    "birth_year": 1984,
                    "gender": "female",
                }
            ]
        }
    )

    registered_at: AwareDatetime
    birth_year: int | None = Field(default=None, ge=1700, le=2300)
    gender: AdministrativeGender | None = None


class PatientUpdated(PatientEvent):
    """Demographics changed. Names the members, never their values.

    birth_year, gender: as at registration, where they changed.
    """

    name: ClassVar[str] = "patient.updated"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "changed": ["addresses", "phones"],
                    "updated_at": "2026-11-23T15:00:00Z",
                    "birth_year": None,
                    "gender": None,
                }
            ]
        }
    )

    changed: list[Code] = Field(max_length=50)
    updated_at: AwareDatetime
    birth_year: int | None = Field(default=None, ge=1700, le=2300)
    gender: AdministrativeGender | None = None


class DemographicsVerified(PatientEvent):
    """Somebody went through the demographics with the person; `complete` when none is stale."""

    name: ClassVar[str] = "patient.demographics_verified"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "fields": ["address", "phone"],
                    "complete": True,
                    "verified_at": "2026-11-23T15:00:00Z",
                }
            ]
        }
    )

    fields: list[Code] = Field(max_length=50)
    complete: bool
    verified_at: AwareDatetime


class ConsentGranted(PatientEvent):
    """A consent was given, for one version of its text."""

    name: ClassVar[str] = "consent.granted"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "consent_id": "0190a1b2-0000-7000-8000-000000000002",
                    "kind": "treatment",
                    "text_version": "2026-01",
                    "granted_at": "2026-11-23T15:00:00Z",
                    "expires_on": "2027-11-23",
                }
            ]
        }
    )

    consent_id: UUID
    kind: ConsentKind
    text_version: Code
    granted_at: AwareDatetime
    expires_on: date | None = None


class ConsentRevoked(PatientEvent):
    """A consent was taken back."""

    name: ClassVar[str] = "consent.revoked"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "consent_id": "0190a1b2-0000-7000-8000-000000000002",
                    "kind": "treatment",
                    "revoked_at": "2026-11-23T16:00:00Z",
                }
            ]
        }
    )

    consent_id: UUID
    kind: ConsentKind
    revoked_at: AwareDatetime


class MessagesPreferred(PatientEvent):
    """What a patient wants messages to come by, in order; what is not named is not used.

    Names channels and the zone of the patient's clocks, and no number or address.
    """

    name: ClassVar[str] = "messages.preferred"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "channels": ["email", "sms"],
                    "time_zone": "America/Denver",
                    "preferred_at": "2026-11-23T15:00:00Z",
                }
            ]
        }
    )

    channels: list[MessageChannel] = Field(max_length=3)
    time_zone: str | None = Field(default=None, pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+\-]+)+$|^UTC$")
    preferred_at: AwareDatetime


class EmergencyAccessOpened(PatientEvent):
    """Somebody broke the glass: whoever caused this reads the patient at any clinic for an hour."""

    name: ClassVar[str] = "emergency_access.opened"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "access_id": "0190a1b2-0000-7000-8000-000000000003",
                    "reason": "emergency_treatment",
                    "opened_at": "2026-11-23T15:00:00Z",
                    "expires_at": "2026-11-23T16:00:00Z",
                }
            ]
        }
    )

    access_id: UUID
    reason: EmergencyReason
    opened_at: AwareDatetime
    expires_at: AwareDatetime


class EmergencyAccessReviewed(PatientEvent):
    """Somebody else looked at it afterwards, and found that it was justified or not."""

    name: ClassVar[str] = "emergency_access.reviewed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "access_id": "0190a1b2-0000-7000-8000-000000000003",
                    "finding": "justified",
                    "reviewed_at": "2026-11-24T09:00:00Z",
                }
            ]
        }
    )

    access_id: UUID
    finding: EmergencyFinding
    reviewed_at: AwareDatetime


class ProxyGranted(PatientEvent):
    """Somebody may act for the patient. `scope`: permissions of the portal, with a dot for the
    colon. `proxy_key`: SHA-256 of `network/subject` in hexadecimal, for who is no patient."""

    name: ClassVar[str] = "proxy.granted"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "proxy_id": "0190a1b2-0000-7000-8000-000000000005",
                    "proxy_key": None,
                    "proxy_patient_id": "0190a1b2-0000-7000-8000-000000000006",
                    "scope": ["appointment.read", "appointment.book"],
                    "begins_at": "2026-11-23T15:00:00Z",
                    "until_at": "2027-11-23T15:00:00Z",
                }
            ]
        }
    )

    proxy_id: UUID
    proxy_key: Code | None = None
    proxy_patient_id: UUID | None = None
    scope: list[Code] = Field(max_length=50)
    begins_at: AwareDatetime
    until_at: AwareDatetime | None = None


class ProxyEnded(PatientEvent):
    """Somebody may not act for the patient any more, from this moment on."""

    name: ClassVar[str] = "proxy.ended"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "proxy_id": "0190a1b2-0000-7000-8000-000000000005",
                    "reason": "ended_by_patient",
                    "ended_at": "2027-01-07T15:00:00Z",
                }
            ]
        }
    )

    proxy_id: UUID
    reason: ProxyEndReason
    ended_at: AwareDatetime
