"""Models of break-glass."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.patients import tables as t
from services.patients.domain.emergency import Finding, Reason, is_open, is_overdue
from services.patients.schemas.people import PATIENT_ID
from shared.web.fields import STRICT, Line
from shared.web.pages import PageQuery

_ACCESS: dict[str, Any] = {
    "id": "0190a1b2-0000-7000-8000-000000000003",
    "patient_id": PATIENT_ID,
    "person": "person/0190a1b2-0000-7000-8000-000000000004",
    "reason": "emergency_treatment",
    "note": "Unconscious on arrival; allergies wanted from the other clinic.",
    "opened_at": "2026-11-23T15:00:00Z",
    "expires_at": "2026-11-23T16:00:00Z",
    "open": True,
    "review_overdue": False,
    "reviewed_at": None,
    "reviewed_by": None,
    "finding": None,
    "review_note": None,
}


class OpenEmergencyAccess(BaseModel):
    """Why the record has to be opened now."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"reason": _ACCESS["reason"], "note": _ACCESS["note"]}]},
    )

    reason: Annotated[Reason, Field(strict=False)]
    note: Annotated[Line, Field(min_length=10)]


class ReviewEmergencyAccess(BaseModel):
    """What somebody else found afterwards."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"finding": "justified", "note": "The patient came by ambulance."}]
        },
    )

    finding: Annotated[Finding, Field(strict=False)]
    note: Annotated[Line, Field(min_length=10)]


class EmergencyAccessQuery(PageQuery):
    """Which are listed: those whose review is open or done; without it, all."""

    review: Literal["open", "done"] | None = None


class EmergencyAccessView(BaseModel):
    """Who opened whose record, why, and what was found afterwards."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCESS]})

    id: UUID
    patient_id: UUID
    person: str
    reason: str
    note: str
    opened_at: datetime
    expires_at: datetime
    open: bool
    review_overdue: bool
    reviewed_at: datetime | None
    reviewed_by: str | None
    finding: str | None
    review_note: str | None

    @classmethod
    def of(cls, row: t.EmergencyAccess, now: datetime) -> Self:
        """The view of a row."""
        told = {
            "open": is_open(row.opened_at, now),
            "review_overdue": is_overdue(row.opened_at, row.reviewed_at, now),
        }
        own = {name: getattr(row, name) for name in cls.model_fields if name not in told}
        return cls(**own, **told)


class EmergencyAccessList(BaseModel):
    """A page of them, the oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_ACCESS], "next": None}]})

    items: list[EmergencyAccessView]
    next: str | None
