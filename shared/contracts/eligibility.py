"""What the eligibility service says."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from shared.contracts.envelope import Code, Event

_COVERAGE = "0190a1b2-0000-7000-8000-000000000020"
_PAYER = "0190a1b2-0000-7000-8000-000000000021"
_CHECK = "0190a1b2-0000-7000-8000-000000000022"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"


class CoverageEvent(Event):
    """Where every event of one coverage stands."""

    producer: ClassVar[str] = "eligibility"
    aggregate: ClassVar[str] = "coverage"
    subject_field: ClassVar[str] = "coverage_id"

    coverage_id: UUID
    patient_id: UUID


_COVERAGE_EXAMPLE: dict[str, JsonValue] = {
    "coverage_id": _COVERAGE,
    "patient_id": _PATIENT,
    "payer_id": _PAYER,
    "order": "primary",
    "effective_from": "2026-01-01",
    "effective_to": None,
}


class CoverageAdded(CoverageEvent):
    """A person has cover, as their card says."""

    name: ClassVar[str] = "coverage.added"
    model_config = ConfigDict(json_schema_extra={"examples": [_COVERAGE_EXAMPLE]})

    payer_id: UUID
    order: Literal["primary", "secondary", "tertiary"]
    effective_from: date
    effective_to: date | None = None


class CoverageChanged(CoverageEvent):
    """A coverage changed or ended."""

    name: ClassVar[str] = "coverage.changed"
    model_config = ConfigDict(json_schema_extra={"examples": [_COVERAGE_EXAMPLE]})

    payer_id: UUID
    order: Literal["primary", "secondary", "tertiary"]
    effective_from: date
    effective_to: date | None = None


class VisitCoverEvent(Event):
    """Where every verdict on one visit's cover stands, the latest last."""

    producer: ClassVar[str] = "eligibility"
    aggregate: ClassVar[str] = "visit_cover"
    subject_field: ClassVar[str] = "appointment_id"

    appointment_id: UUID
    patient_id: UUID


class EligibilityVerified(VisitCoverEvent):
    """The cover of a visit is known: the payer said so, or there is none and the patient pays."""

    name: ClassVar[str] = "eligibility.verified"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_id": _APPOINTMENT,
                    "patient_id": _PATIENT,
                    "verdict": "active",
                    "reason": "payer.active",
                    "coverage_id": _COVERAGE,
                    "check_id": _CHECK,
                    "decided_at": "2026-11-23T15:00:01Z",
                }
            ]
        }
    )

    verdict: Literal["active", "inactive", "self_pay"]
    reason: Code
    coverage_id: UUID | None = None
    check_id: UUID | None = None
    decided_at: AwareDatetime


class EligibilityFailed(VisitCoverEvent):
    """The cover of a visit could not be learned: the verdict is `unverified`, never `inactive`."""

    name: ClassVar[str] = "eligibility.failed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_id": _APPOINTMENT,
                    "patient_id": _PATIENT,
                    "verdict": "unverified",
                    "reason": "payer.no_answer",
                    "coverage_id": _COVERAGE,
                    "check_id": _CHECK,
                    "decided_at": "2026-11-23T15:00:01Z",
                }
            ]
        }
    )

    verdict: Literal["unverified"] = "unverified"
    reason: Code
    coverage_id: UUID | None = None
    check_id: UUID | None = None
    decided_at: AwareDatetime


class EstimateCreated(Event):
    """What the visit will likely cost the patient; a later one for the visit replaces it."""

    producer: ClassVar[str] = "eligibility"
    aggregate: ClassVar[str] = "estimate"
    subject_field: ClassVar[str] = "appointment_id"
    name: ClassVar[str] = "estimate.created"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "estimate_id": "0190a1b2-0000-7000-8000-000000000023",
                    "appointment_id": _APPOINTMENT,
                    "patient_id": _PATIENT,
                    "fee_cents": 18000,
                    "patient_cents": 3000,
                    "copay_cents": 3000,
                    "currency": "USD",
                    "certain": True,
                    "created_at": "2026-11-23T15:00:02Z",
                }
            ]
        }
    )

    estimate_id: UUID
    appointment_id: UUID
    patient_id: UUID
    fee_cents: int
    patient_cents: int
    copay_cents: int
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    certain: bool
    created_at: AwareDatetime


_AUTHORIZATION: dict[str, JsonValue] = {
    "authorization_id": "0190a1b2-0000-7000-8000-000000000023",
    "appointment_id": _APPOINTMENT,
    "patient_id": _PATIENT,
}


class AuthorizationEvent(Event):
    """Where a payer's word on one visit stands. What it was asked for stays with who asked."""

    producer: ClassVar[str] = "eligibility"
    aggregate: ClassVar[str] = "authorization"
    subject_field: ClassVar[str] = "authorization_id"
    expected: ClassVar[bool] = True

    authorization_id: UUID
    appointment_id: UUID
    patient_id: UUID


class AuthorizationApproved(AuthorizationEvent):
    """The payer approves, on the days from `valid_from` to `valid_until`, both included."""

    name: ClassVar[str] = "authorization.approved"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_AUTHORIZATION,
                    "valid_from": "2026-11-01",
                    "valid_until": "2026-12-31",
                    "decided_at": "2026-11-25T18:00:00Z",
                }
            ]
        }
    )

    valid_from: date | None = None
    valid_until: date | None = None
    decided_at: AwareDatetime


class AuthorizationDenied(AuthorizationEvent):
    """The payer does not approve."""

    name: ClassVar[str] = "authorization.denied"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_AUTHORIZATION, "reason": "not_covered", "decided_at": "2026-11-25T18:00:00Z"}
            ]
        }
    )

    reason: Code
    decided_at: AwareDatetime


class AuthorizationExpired(AuthorizationEvent):
    """What was approved holds no longer."""

    name: ClassVar[str] = "authorization.expired"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_AUTHORIZATION, "expired_at": "2027-01-01T07:00:00Z"}]}
    )

    expired_at: AwareDatetime


EVENTS: tuple[type[Event], ...] = (
    CoverageAdded,
    CoverageChanged,
    EligibilityVerified,
    EligibilityFailed,
    EstimateCreated,
    AuthorizationApproved,
    AuthorizationDenied,
    AuthorizationExpired,
)
