"""Models of what a network asks for on the day of a visit."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.appointments import tables as t
from shared.web.fields import STRICT, CodeText

ShortCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,49}$")]
"""A code that is still one on the bus with its kind before it: `demographics.<field>`."""

Days = Annotated[int, Field(ge=0, le=3660)]
Minutes = Annotated[int, Field(ge=0, le=10_080)]


class FieldAskedFor(BaseModel):
    """A field of the demographics, and for how many days a verification of it holds."""

    model_config = STRICT

    field: ShortCode
    valid_days: Days


class ConsentAskedFor(BaseModel):
    """A consent; without `text_version` any version of its text counts."""

    model_config = STRICT

    kind: ShortCode
    text_version: CodeText | None = None


class PolicyMembers(BaseModel):
    """What is asked for. What is left out is as in the default policy; null asks for nothing."""

    model_config = STRICT

    identity_valid_days: Days | None = 180
    identity_document_asked: bool = False
    demographics: Annotated[list[FieldAskedFor], Field(max_length=20)] = []
    cover_asked: bool = True
    authorization_asked: bool = False
    consents: Annotated[list[ConsentAskedFor], Field(max_length=20)] = [
        ConsentAskedFor(kind="treatment"),
        ConsentAskedFor(kind="privacy_notice"),
    ]
    forms: Annotated[list[ShortCode], Field(max_length=20)] = []
    copay_asked: bool = False
    balance_limit_cents: Annotated[int, Field(ge=0, le=100_000_000)] | None = 0
    opens_before_minutes: Minutes | None = None
    waiting_alarm_minutes: Annotated[int, Field(ge=1, le=480)] | None = 15
    rooms_cleaned: bool = True


class SetPolicy(PolicyMembers):
    """A policy for all visits, or for those of a clinic, of a kind, or of both; it is replaced."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
                    "demographics": [{"field": "address", "valid_days": 180}],
                    "waiting_alarm_minutes": 20,
                }
            ]
        },
    )

    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None


class PolicyView(PolicyMembers):
    """A policy, and what it is for."""

    model_config = ConfigDict(strict=False)

    id: UUID
    clinic_id: UUID | None
    appointment_type_id: UUID | None

    @classmethod
    def of(cls, row: t.VisitPolicy) -> Self:
        """The view of a row."""
        return cls(
            id=row.id,
            clinic_id=row.clinic_id,
            appointment_type_id=row.appointment_type_id,
            **row.members,
        )


class PolicyList(BaseModel):
    """The policies that a network has entered."""

    items: list[PolicyView]
