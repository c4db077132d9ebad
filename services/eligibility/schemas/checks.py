"""Models of checks."""

from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.eligibility import tables as t
from services.eligibility.schemas.coverages import APPOINTMENT, COVERAGE, PATIENT
from shared.web.fields import STRICT

CHECK = "0190a1b2-0000-7000-8000-000000000022"

# What is said where the payer's own answer is not: nothing of it is in these words.
_SENTENCES = {
    "queued": "The payer has not been asked yet.",
    "sent": "The payer has been asked and has not answered yet.",
    "bad_response": "What came back is not an answer that can be used, and is held back.",
    "no_answer": "The payer could not be reached or did not answer.",
}


class RequestCheck(BaseModel):
    """A coverage to ask about: for a visit, or on a day; today where neither is named."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"coverage_id": COVERAGE, "appointment_id": APPOINTMENT}]},
    )

    coverage_id: UUID
    appointment_id: UUID | None = None
    service_date: date | None = None


class BenefitLine(BaseModel):
    """A line of the payer's answer; codes are those of the 271 (005010X279A1, loop 2110).

    index: what an estimate names as its source. code: EB01. level: EB02. service_types: EB03.
    period: EB06. percent: 0 to 1, exact. authorization: EB11. network: EB12.
    """

    index: int
    code: str
    level: str
    service_types: list[str]
    plan: str
    period: str
    amount_cents: int | None
    percent: str | None
    authorization: str
    network: str
    messages: list[str]


class BenefitsView(BaseModel):
    """What a payer says of a coverage. Days are included; copays are for an office visit."""

    status: Literal["active", "inactive"]
    plan: str
    starts_on: date | None
    ends_on: date | None
    copay_in_cents: int | None
    copay_out_cents: int | None
    lines: list[BenefitLine]


class RefusalView(BaseModel):
    """Why a payer refuses (AAA03, or EB01 U or V), where, and what can be done about it."""

    level: str
    code: str
    follow_up: str
    action: Literal["retry", "fix_data", "fix_date", "fix_setup", "ask_payer"]


_VIEW: dict[str, Any] = {
    "id": CHECK,
    "coverage_id": COVERAGE,
    "appointment_id": APPOINTMENT,
    "patient_id": PATIENT,
    "service_date": "2026-11-30",
    "state": "verified",
    "reason": "payer.active",
    "fault": None,
    "sentence": "EVERGREEN PPO is active from 2026-01-01; copay $25.00 in network per visit.",
    "benefits": {
        "status": "active",
        "plan": "EVERGREEN PPO",
        "starts_on": "2026-01-01",
        "ends_on": None,
        "copay_in_cents": 2500,
        "copay_out_cents": None,
        "lines": [],
    },
    "refusal": None,
    "requested_at": "2026-11-23T15:00:00Z",
    "sent_at": "2026-11-23T15:00:00Z",
    "answered_at": "2026-11-23T15:00:01Z",
}


class CheckView(BaseModel):
    """A check and what came of it. A bad response shows why it is held back, and none of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    id: UUID
    coverage_id: UUID
    appointment_id: UUID | None
    patient_id: UUID
    service_date: date
    state: Literal["queued", "sent", "verified", "rejected", "bad_response", "no_answer"]
    reason: str | None
    fault: str | None
    sentence: str
    benefits: BenefitsView | None
    refusal: RefusalView | None
    requested_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None

    @classmethod
    def of(cls, row: t.Check) -> Self:
        """The view of a row."""
        same = set(cls.model_fields) - {"sentence", "benefits", "refusal"}
        return cls(
            **{name: getattr(row, name) for name in same},
            sentence=row.sentence or _SENTENCES[row.state],
            benefits=BenefitsView(**row.benefits) if row.benefits else None,
            refusal=RefusalView.model_validate(row.refusal) if row.refusal else None,
        )
