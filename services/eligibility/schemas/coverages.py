"""Models of coverages and the patient's word to pay."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.eligibility import tables as t
from services.eligibility.schemas.payers import PAYER
from shared.web.fields import STRICT, Given, Line

COVERAGE = "0190a1b2-0000-7000-8000-000000000020"
PATIENT = "0190a1b2-0000-7000-8000-000000000001"
APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"

Order = Literal["primary", "secondary", "tertiary"]
Relationship = Literal["self", "spouse", "child", "other"]
Gender = Literal["female", "male"]
MemberId = Annotated[Line, Field(max_length=80)]


class Subscriber(BaseModel):
    """The holder of the policy, as on the card. The birth date is needed where they are the
    patient."""

    model_config = ConfigDict(**STRICT)

    family_name: Line
    given_name: Line | None = None
    birth_date: date | None = None
    gender: Gender | None = None


class Dependent(BaseModel):
    """The patient as the payer knows them, where that is not the subscriber."""

    model_config = ConfigDict(**STRICT)

    family_name: Line | None = None
    given_name: Line
    birth_date: date
    gender: Gender | None = None


_SUBSCRIBER: dict[str, Any] = {
    "family_name": "Sampleson",
    "given_name": "Samira",
    "birth_date": "1984-02-29",
    "gender": "female",
}
_COVERAGE: dict[str, Any] = {
    "patient_id": PATIENT,
    "payer_id": PAYER,
    "order": "primary",
    "member_id": "ACT100200",
    "group_number": "G-77",
    "plan_name": "Evergreen PPO",
    "relationship": "self",
    "subscriber": _SUBSCRIBER,
    "dependent": None,
    "effective_from": "2026-01-01",
    "effective_to": None,
}


class AddCoverage(BaseModel):
    """A patient's cover, as the card says."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_COVERAGE]})

    patient_id: UUID
    payer_id: UUID
    order: Order
    member_id: MemberId
    group_number: MemberId | None = None
    plan_name: Line | None = None
    relationship: Relationship
    subscriber: Subscriber
    dependent: Dependent | None = None
    effective_from: date
    effective_to: date | None = None

    def facts(self) -> dict[str, Any]:
        """The columns of the row."""
        return _columns(self.model_dump())


class ChangeSubscriber(BaseModel):
    """What is to change of the subscriber."""

    model_config = ConfigDict(**STRICT)

    family_name: Given[Line] = None
    given_name: Line | None = None
    birth_date: date | None = None
    gender: Gender | None = None


class ChangeDependent(BaseModel):
    """What is to change of the patient."""

    model_config = ConfigDict(**STRICT)

    family_name: Line | None = None
    given_name: Given[Line] = None
    birth_date: Given[date] = None
    gender: Gender | None = None


class ChangeCoverage(BaseModel):
    """A merge patch of a coverage (RFC 7396): what is left out stays, null takes away."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"member_id": "ACT100201", "group_number": None}]},
    )

    payer_id: Given[UUID] = None
    order: Given[Order] = None
    member_id: Given[MemberId] = None
    group_number: MemberId | None = None
    plan_name: Line | None = None
    relationship: Given[Relationship] = None
    subscriber: Given[ChangeSubscriber] = None
    dependent: ChangeDependent | None = None
    effective_from: Given[date] = None
    effective_to: date | None = None

    def facts(self) -> dict[str, Any]:
        """The columns that are given."""
        return _columns(self.model_dump(exclude_unset=True))


_PERSON = ("family_name", "given_name", "birth_date", "gender")


def _columns(members: dict[str, Any]) -> dict[str, Any]:
    """Columns by the members of a body: `order` and the people have other names in the table."""
    found = {name: value for name, value in members.items() if not isinstance(value, dict)}
    if "order" in found:
        found["place"] = found.pop("order")
    if "dependent" in found:
        del found["dependent"]
        found.update({f"dependent_{name}": None for name in _PERSON})
    for who in ("subscriber", "dependent"):
        if isinstance(members.get(who), dict):
            found.update({f"{who}_{name}": value for name, value in members[who].items()})
    return found


class CoverageView(BaseModel):
    """A coverage."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": COVERAGE, "state": "active", "version": 1, **_COVERAGE}]
        }
    )

    id: UUID
    patient_id: UUID
    payer_id: UUID
    order: Order
    state: Literal["active", "terminated"]
    member_id: str
    group_number: str | None
    plan_name: str | None
    relationship: Relationship
    subscriber: Subscriber
    dependent: Dependent | None
    effective_from: date
    effective_to: date | None
    version: int

    @classmethod
    def of(cls, row: t.Coverage) -> Self:
        """The view of a row."""
        same = set(cls.model_fields) - {"order", "subscriber", "dependent"}
        return cls(
            **{name: getattr(row, name) for name in same},
            order=row.place,
            subscriber=Subscriber(**_person(row, "subscriber")),
            dependent=None
            if row.relationship == "self"
            else Dependent(**_person(row, "dependent")),
        )


def _person(row: t.Coverage, who: str) -> dict[str, Any]:
    return {name: getattr(row, f"{who}_{name}") for name in _PERSON}


class ListCoverages(BaseModel):
    """Whose coverages are listed."""

    model_config = ConfigDict(extra="forbid")

    patient_id: UUID


class CoverageList(BaseModel):
    """A patient's coverages, from the first to pay to the last. self_pay: their word for all
    visits."""

    items: list[CoverageView]
    self_pay: bool


class TerminateCoverage(BaseModel):
    """The last day on which a coverage holds."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"effective_to": "2026-12-31"}]}
    )

    effective_to: date


class MarkSelfPay(BaseModel):
    """The patient's word to pay themselves, or to take that back: for a visit, or for all."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"appointment_id": APPOINTMENT}]}
    )

    appointment_id: UUID | None = None
    self_pay: bool = True


class SelfPayView(BaseModel):
    """What was kept of the patient's word."""

    patient_id: UUID
    appointment_id: UUID | None
    self_pay: bool
    marked_at: datetime
    marked_by: str

    @classmethod
    def of(cls, row: t.SelfPayMark) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})
