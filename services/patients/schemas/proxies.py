"""Models of who may act for a patient."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.patients import tables as t
from services.patients.domain.proxies import MAJORITY_AGES, Authority, Power, State
from services.patients.schemas.people import PATIENT_ID
from shared.web.fields import STRICT, Line

_ENTRY: dict[str, Any] = {
    "id": "0190a1b2-0000-7000-8000-000000000005",
    "patient_id": PATIENT_ID,
    "proxy_subject": "0190a1b2-0000-7000-8000-0000000000aa",
    "proxy_patient_id": None,
    "authority": "parent_or_guardian_of_minor",
    "scope": ["appointment:read", "appointment:book"],
    "begins_at": "2026-11-23T15:00:00Z",
    "until_at": None,
    "lapses_at": "2031-03-01T07:00:00Z",
    "evidence_document_id": None,
    "verified_at": "2026-11-23T15:00:00Z",
    "verified_by": "person/0190a1b2-0000-7000-8000-000000000004",
    "state": "living",
    "ended_at": None,
    "ended_by": None,
    "end_reason": None,
    "end_note": None,
}

Subject = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][!-~]{0,199}$")]
"""The `sub` of somebody's tokens at the issuer: it begins with a letter or a digit."""


class GrantProxy(BaseModel):
    """Who may act for the patient: a subject at the issuer, or another patient of the network.

    `scope`: permissions of the portal. `begins_at` is now where it is left out. For a minor it ends
    by itself when they come of age. A power of attorney and a representative need their paper.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "proxy_subject": "0190a1b2-0000-7000-8000-0000000000aa",
                    "authority": "patient_permission",
                    "scope": ["appointment:read", "appointment:book"],
                }
            ]
        },
    )

    proxy_subject: Subject | None = None
    proxy_patient_id: UUID | None = None
    authority: Annotated[Authority, Field(strict=False)]
    scope: Annotated[
        list[Annotated[Power, Field(strict=False)]], Field(min_length=1, max_length=len(Power))
    ]
    begins_at: AwareDatetime | None = None
    until_at: AwareDatetime | None = None
    evidence_document_id: UUID | None = None


class EndProxy(BaseModel):
    """Why they may not act for the patient any more."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"reason": "ended_by_patient"}]}
    )

    reason: Literal["ended_by_patient", "authority_ended", "safety", "entered_in_error", "other"]
    note: Line | None = None


class ProxyView(BaseModel):
    """Who may act for a patient. `lapses_at`: when that ends by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    id: UUID
    patient_id: UUID
    proxy_subject: str | None
    proxy_patient_id: UUID | None
    authority: str
    scope: list[str]
    begins_at: datetime
    until_at: datetime | None
    lapses_at: datetime | None
    evidence_document_id: UUID | None
    verified_at: datetime
    verified_by: str
    state: Literal["not_begun", "living", "lapsed", "ended"]
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None
    end_note: str | None

    @classmethod
    def of(cls, row: t.ProxyEntry, state: State) -> Self:
        """The view of a row."""
        members = {name: getattr(row, name) for name in cls.model_fields if name != "state"}
        return cls(**members, state=state.value)


class ProxyList(BaseModel):
    """Who may act for a patient and who might before, in the order in which it was entered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_ENTRY]}]})

    items: list[ProxyView]


class ProxyPolicyMembers(BaseModel):
    """At what age, in years, patients of the network come of age."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"majority_age": 19}]})

    majority_age: Annotated[int, Field(ge=MAJORITY_AGES.start, lt=MAJORITY_AGES.stop)]


class ProxyPolicyView(BaseModel):
    """The policy, and who set it; nobody where it is the default."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"majority_age": 19, "set_at": "2026-11-23T15:00:00Z", "set_by": "person/ada"}
            ]
        }
    )

    majority_age: int
    set_at: datetime | None
    set_by: str | None
