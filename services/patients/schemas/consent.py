"""Models of consents."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.patients import tables as t
from services.patients.domain.consent import ConsentKind, ConsentState
from services.patients.schemas.people import PATIENT_ID
from shared.web.fields import STRICT, CodeText

_CONSENT: dict[str, Any] = {
    "id": "0190a1b2-0000-7000-8000-000000000002",
    "patient_id": PATIENT_ID,
    "kind": "treatment",
    "text_version": "2026-01",
    "state": "granted",
    "granted_at": "2026-11-23T15:00:00Z",
    "expires_on": "2027-11-23",
    "time_zone": "America/Denver",
    "revoked_at": None,
}


class GrantConsent(BaseModel):
    """A consent to record. `granted_at` is now where it is left out.

    `expires_on` is the last day on which it holds, told by the zone of the clinic.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {"kind": "treatment", "text_version": "2026-01", "expires_on": "2027-11-23"}
            ]
        },
    )

    kind: Annotated[ConsentKind, Field(strict=False)]
    text_version: CodeText
    granted_at: AwareDatetime | None = None
    expires_on: date | None = None
    clinic_id: UUID | None = None


class ConsentView(BaseModel):
    """A consent and how it stands now."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CONSENT]})

    id: UUID
    patient_id: UUID
    kind: str
    text_version: str
    state: str
    granted_at: datetime
    expires_on: date | None
    time_zone: str
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: t.ConsentGiven, state: ConsentState) -> Self:
        """The view of a row."""
        own = {"state"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        return cls(**members, state=state.value)


class ConsentList(BaseModel):
    """The consents of a patient, the oldest first, and how each kind stands now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [_CONSENT],
                    "standing": {"treatment": "granted", "messages": "never_granted"},
                }
            ]
        }
    )

    items: list[ConsentView]
    standing: dict[str, str]
