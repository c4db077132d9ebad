"""Models of the verdict on a visit's cover, and of its estimate."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.eligibility import tables as t
from services.eligibility.schemas.checks import CHECK
from services.eligibility.schemas.coverages import APPOINTMENT, COVERAGE, PATIENT

Verdict = Literal["active", "inactive", "unverified", "self_pay"]


class CoverView(BaseModel):
    """The verdict on a visit's cover, and why. decided_at: None before anything was decided."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_id": APPOINTMENT,
                    "patient_id": PATIENT,
                    "verdict": "active",
                    "reason": "payer.active",
                    "coverage_id": COVERAGE,
                    "check_id": CHECK,
                    "decided_at": "2026-11-23T15:00:01Z",
                }
            ]
        }
    )

    appointment_id: UUID
    patient_id: UUID
    verdict: Verdict
    reason: str
    coverage_id: UUID | None
    check_id: UUID | None
    decided_at: datetime | None

    @classmethod
    def of(cls, row: t.VisitCover) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})

    @classmethod
    def pending(cls, visit: t.KnownVisit) -> Self:
        """Nothing is decided yet: that is not verified, and never inactive."""
        return cls(
            appointment_id=visit.appointment_id,
            patient_id=visit.patient_id,
            verdict="unverified",
            reason="check.pending",
            coverage_id=None,
            check_id=None,
            decided_at=None,
        )


class EstimateLineView(BaseModel):
    """A line. label: key of its text. sources: `eb:<n>` is a line of the check's benefits,
    `fee:<id>` a price of the clinic."""

    side: Literal["patient", "payer"]
    code: str
    label: str
    service: str
    cents: int
    sources: list[str]


_ESTIMATE: dict[str, Any] = {
    "estimate_id": "0190a1b2-0000-7000-8000-000000000023",
    "appointment_id": APPOINTMENT,
    "patient_id": PATIENT,
    "revision": 1,
    "service_code": "V-EST",
    "verdict": "active",
    "verdict_reason": "payer.active",
    "check_id": CHECK,
    "currency": "USD",
    "fee_cents": 15000,
    "patient_cents": 2500,
    "payer_cents": 12500,
    "copay_cents": 2500,
    "low_cents": 2500,
    "high_cents": 2500,
    "certain": True,
    "lines": [
        {
            "side": "patient",
            "code": "copay",
            "label": "estimate.copay",
            "service": "V-EST",
            "cents": 2500,
            "sources": ["eb:3"],
        },
        {
            "side": "payer",
            "code": "payer",
            "label": "estimate.payer",
            "service": "V-EST",
            "cents": 12500,
            "sources": ["fee:0190a1b2-0000-7000-8000-000000000031"],
        },
    ],
    "reasons": [],
    "created_at": "2026-11-23T15:00:02Z",
}


class EstimateView(BaseModel):
    """What a visit will likely cost the patient. The lines sum to the fee, to the cent.

    low_cents, high_cents: between these lies the patient's part; the lines explain the high end.
    reasons: what leaves it open.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ESTIMATE]})

    estimate_id: UUID
    appointment_id: UUID
    patient_id: UUID
    revision: int
    service_code: str
    verdict: Verdict
    verdict_reason: str
    check_id: UUID | None
    currency: str
    fee_cents: int
    patient_cents: int
    payer_cents: int
    copay_cents: int
    low_cents: int
    high_cents: int
    certain: bool
    lines: list[EstimateLineView]
    reasons: list[str]
    created_at: datetime

    @classmethod
    def of(cls, patient_id: UUID, row: t.EstimateRevision) -> Self:
        """The view of a revision."""
        made = {"estimate_id", "patient_id", "payer_cents", "certain", "lines"}
        return cls(
            **{name: getattr(row, name) for name in set(cls.model_fields) - made},
            estimate_id=row.id,
            patient_id=patient_id,
            payer_cents=row.fee_cents - row.patient_cents,
            certain=row.low_cents == row.high_cents,
            lines=[EstimateLineView(label=f"estimate.{x['code']}", **x) for x in row.lines],
        )
