"""Models of the day: arrival, requirements, steps, readiness."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.readiness import score, way_of
from services.appointments.domain.requirement_values import Item, State
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT, CodeText, Line

_ROOM = "0190a1b2-0000-7000-8000-000000000014"


class WalkIn(BaseModel):
    """Somebody at the desk without a booking. Without `starts_at` their visit begins now."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
                    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
                    "provider_id": "0190a1b2-0000-7000-8000-000000000011",
                    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
                }
            ]
        },
    )

    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: Wanted | None = None
    room_id: UUID | None = None
    overbook: bool = False
    overlap_reason: Line | None = None


class UndoStep(BaseModel):
    """Why something is taken back. It is kept with the visit."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"reason": "It was the wrong patient."}]}
    )

    reason: Annotated[Line, Field(min_length=1)]


class TakeRoom(BaseModel):
    """The room that a patient is taken to."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"room_id": _ROOM}]})

    room_id: UUID


class VerifyRequirement(BaseModel):
    """What somebody at the desk saw."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"code": "identity_document"}]}
    )

    code: CodeText


class SettleRequirement(VerifyRequirement):
    """What is waived or taken back, and why."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"code": "balance", "reason": "They pay by mail."}]},
    )

    reason: Annotated[Line, Field(min_length=1)]


class CheckView(BaseModel):
    """Who verified, waived or took back what, and when."""

    code: str
    outcome: str
    reason: str | None
    checked_at: datetime
    checked_by: str


class CheckList(BaseModel):
    """What was said of a visit's requirements, in order."""

    items: list[CheckView]


class StepView(BaseModel):
    """One move of a visit on its day."""

    move: str
    from_flow: str
    to_flow: str
    room_id: UUID | None
    reason: str | None
    at: datetime
    done_by: str


class StepList(BaseModel):
    """How a visit went, in order."""

    items: list[StepView]


class OpenItemView(BaseModel):
    """One thing that a good visit asks for; where it is open, who can close it and where."""

    code: str
    state: Literal["open", "met", "waived"]
    why: str
    closers: list[str]
    service: str | None
    path: str | None

    @classmethod
    def of(cls, item: Item, row: t.Appointment) -> Self:
        """The view of an item of a visit."""
        way = way_of(item.code) if item.state is State.OPEN else None
        ids = {"appointment_id": row.id, "patient_id": row.patient_id}
        return cls(
            code=item.code,
            state=item.state.value,
            why=item.why,
            closers=[closer.value for closer in item.closers],
            service=way.service if way else None,
            path=way.path.format(**ids) if way else None,
        )


class ReadinessView(BaseModel):
    """How ready a visit is: 100 means that nothing is open."""

    appointment_id: UUID
    score: Annotated[int, Field(ge=0, le=100)]
    items: list[OpenItemView]

    @classmethod
    def of(cls, row: t.Appointment, items: tuple[Item, ...]) -> Self:
        """The view of a visit and its items."""
        views = [OpenItemView.of(item, row) for item in items]
        return cls(appointment_id=row.id, score=score(items), items=views)
