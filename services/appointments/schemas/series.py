"""Models of visits that repeat."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments.commands.series import Done, Outcome
from services.appointments.domain.reasons import Reason
from services.appointments.domain.series import OnConflict, Scope
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT

Rule = Annotated[
    str,
    Field(
        min_length=5,
        max_length=200,
        pattern=r"^[A-Za-z0-9=;,:+\-]+$",
        description="RFC 5545 RRULE of days, weeks, months or years, with COUNT or UNTIL.",
    ),
]
Number = Annotated[int, Field(ge=1, le=104)]


class BookSeries(BaseModel):
    """A series to book: the first visit, and how it repeats.

    on_conflict: what becomes of an occurrence that cannot be booked: `fail` books nothing, `skip`
    leaves it out, `nearest` takes the nearest time within `tolerance_minutes`.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
                    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
                    "provider_id": "0190a1b2-0000-7000-8000-000000000011",
                    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
                    "starts_at": "2026-11-30T15:00:00-07:00",
                    "rrule": "FREQ=WEEKLY;COUNT=12",
                    "on_conflict": "skip",
                }
            ]
        },
    )

    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: Wanted
    room_id: UUID | None = None
    further_provider_ids: Annotated[list[UUID], Field(max_length=3)] = []
    modality: Literal["in_person", "video", "phone"] = "in_person"
    rrule: Rule
    on_conflict: Annotated[OnConflict, Field(strict=False)] = OnConflict.FAIL
    tolerance_minutes: Annotated[int, Field(ge=0, le=240)] = 0


class MoveSeries(BaseModel):
    """Where an occurrence goes; those in scope go as far on the wall clock."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "occurrence": 3,
                    "scope": "following",
                    "starts_at": "2026-12-15T16:00:00-07:00",
                    "reason": "patient_request",
                }
            ]
        },
    )

    occurrence: Number
    scope: Annotated[Scope, Field(strict=False)]
    starts_at: Wanted
    provider_id: UUID | None = None
    reason: Annotated[Reason, Field(strict=False)]
    on_conflict: Annotated[OnConflict, Field(strict=False)] = OnConflict.FAIL


class CancelSeries(BaseModel):
    """Which occurrences are called off, and why."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"occurrence": 3, "scope": "following", "reason": "patient_request"}]
        },
    )

    occurrence: Number
    scope: Annotated[Scope, Field(strict=False)]
    reason: Annotated[Reason, Field(strict=False)]


class OutcomeView(BaseModel):
    """What became of an occurrence. code: what stood in the way of the time asked for, if so."""

    occurrence: int
    local_start: str
    outcome: str
    appointment_id: UUID | None
    starts_at: datetime | None
    version: int | None
    code: str | None

    @classmethod
    def of(cls, outcome: Outcome, done: str) -> Self:
        """The view of an outcome; done: the word for an occurrence that went as it was to go."""
        visit, why = outcome.visit, outcome.why
        word = done if why is None else "nearest"
        return cls(
            occurrence=outcome.occurrence.number,
            local_start=outcome.occurrence.wall.isoformat(),
            outcome="unchanged" if visit is None else word,
            appointment_id=visit.id if visit else None,
            starts_at=visit.starts_at if visit else None,
            version=visit.version if visit else None,
            code=why.code if why else None,
        )


class SeriesDone(BaseModel):
    """A series after a change, and what became of each occurrence that it was about."""

    id: UUID
    patient_id: UUID
    rrule: str
    time_zone: str
    version: int
    outcomes: list[OutcomeView]

    @classmethod
    def of(cls, done: Done, word: str) -> Self:
        """The view of what was done."""
        row = done.series
        outcomes = sorted(done.outcomes, key=lambda outcome: outcome.occurrence.number)
        return cls(
            id=row.id,
            patient_id=row.patient_id,
            rrule=row.rrule,
            time_zone=row.time_zone,
            version=row.version,
            outcomes=[OutcomeView.of(outcome, word) for outcome in outcomes],
        )


class SeriesVisit(BaseModel):
    """A visit of a series."""

    occurrence: int | None
    id: UUID
    starts_at: datetime
    lifecycle: str
    confirmation: str
    version: int


class LeftOut(BaseModel):
    """An occurrence that is no visit, and what stood in its way."""

    occurrence: int
    local_start: str
    code: str | None


class SeriesView(BaseModel):
    """A series, its visits, and the occurrences that are none."""

    id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    rrule: str
    time_zone: str
    on_conflict: str
    occurrences: int
    version: int
    visits: list[SeriesVisit]
    left_out: list[LeftOut]
