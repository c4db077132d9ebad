"""Models of searching, matching and looking up."""

from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.patients import tables as t
from services.patients.domain.matching import Candidate
from services.patients.queries.people import name_of
from services.patients.schemas.people import (
    NAME,
    PATIENT_ID,
    EmailText,
    NameView,
    PersonMembers,
    PhoneText,
)
from shared.web.fields import STRICT, Line
from shared.web.pages import LIMIT, LIMIT_MAX

LOOKUP_MAX = 200
_NAMED: dict[str, Any] = {
    "id": PATIENT_ID,
    "mrn": "000000424",
    "name": {**NAME, "middle": None, "suffix": None, "display": "Guadalupe García López"},
    "birth_date": "1984-02-29",
}


class SearchPatients(BaseModel):
    """What is known of whom one looks for; at least one member, and every one must fit.

    Names by their beginning in any writing (`garcia l` finds García López), or by their sound.
    """

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"family": "garcia", "birth_date": "1984-02-29"}]}
    )

    family: Line | None = None
    given: Line | None = None
    sounds_like: bool = False
    birth_date: date | None = None
    mrn: Annotated[str, Field(json_schema_extra={"maxLength": 32})] | None = None
    phone: PhoneText | None = None
    email: EmailText | None = None
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT
    cursor: Annotated[str, Field(max_length=512)] | None = None


class FoundView(BaseModel):
    """A person who fits a search."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_NAMED, "death_date": None, "gender": "female"}]}
    )

    id: UUID
    mrn: str
    name: NameView
    birth_date: date
    death_date: date | None
    gender: str

    @classmethod
    def of(cls, row: t.Patient) -> Self:
        """The view of a row."""
        return cls(
            id=row.id,
            mrn=row.mrn,
            name=NameView.of(name_of(row)),
            birth_date=row.birth_date,
            death_date=row.death_date,
            gender=row.gender,
        )


class FoundPage(BaseModel):
    """People in the order of their registration."""

    items: list[FoundView]
    next: str | None = None


class MatchPatient(PersonMembers):
    """What is known of somebody who may be on record."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "name": {"family": "Garcia", "given": "Lupe"},
                    "birth_date": "1984-02-29",
                    "phones": [{"number": "303-555-0142"}],
                }
            ]
        },
    )


class CandidateView(BaseModel):
    """Somebody on record who could be the same person. `reasons`: `birth_date.same` and so on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": PATIENT_ID,
                    "mrn": "000000424",
                    "grade": "certain",
                    "score": 36,
                    "reasons": ["birth_date.same", "family.part", "given.nickname", "phone.same"],
                }
            ]
        }
    )

    id: UUID
    mrn: str | None
    grade: str
    score: int
    reasons: list[str]

    @classmethod
    def of(cls, who: Candidate) -> Self:
        """The view of a candidate."""
        return cls(
            id=who.patient_id,
            mrn=who.mrn,
            grade=who.match.grade.value,
            score=who.match.score,
            reasons=who.match.reasons,
        )


class CandidateList(BaseModel):
    """At most ten candidates, the likeliest first."""

    items: list[CandidateView]


class LookUpPatients(BaseModel):
    """The ids to turn into names."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"ids": [PATIENT_ID]}]})

    ids: Annotated[list[UUID], Field(min_length=1, max_length=LOOKUP_MAX)]


class NamedView(BaseModel):
    """Who an id stands for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NAMED]})

    id: UUID
    mrn: str
    name: NameView
    birth_date: date

    @classmethod
    def of(cls, row: t.Patient) -> Self:
        """The view of a row."""
        return cls(
            id=row.id, mrn=row.mrn, name=NameView.of(name_of(row)), birth_date=row.birth_date
        )


class NamedList(BaseModel):
    """Those of the ids that stand for somebody, in the order of asking."""

    items: list[NamedView]
