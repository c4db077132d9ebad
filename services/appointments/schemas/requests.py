"""Models of the times that patients ask the desk for."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.requests import TIMES_MOST, DeclineReason, RequestState
from services.appointments.schemas.visits import AppointmentView, Wanted
from shared.web.fields import STRICT, Line
from shared.web.pages import PageQuery

_REQUEST = {
    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
}


class AskForTime(BaseModel):
    """A time asked for: `wished` has 1 to 3 starts, the one that suits best first."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    **_REQUEST,
                    "wished": ["2026-11-30T09:00:00-07:00", "2026-12-01T09:00:00-07:00"],
                    "note": "After nine, please.",
                }
            ]
        },
    )

    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    provider_id: UUID | None = None
    wished: Annotated[list[Wanted], Field(min_length=1, max_length=TIMES_MOST)]
    note: Line | None = None


class AcceptRequest(BaseModel):
    """The time that is booked, one of those or another. provider_id: who, where nobody was asked
    for, or another than was."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "starts_at": "2026-11-30T09:00:00-07:00",
                    "provider_id": "0190a1b2-0000-7000-8000-000000000011",
                }
            ]
        },
    )

    starts_at: Wanted
    ends_at: Wanted | None = None
    provider_id: UUID | None = None
    room_id: UUID | None = None
    modality: Literal["in_person", "video", "phone"] = "in_person"


class DeclineRequest(BaseModel):
    """Why there will be no such visit."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"reason": "no_time_free"}]}
    )

    reason: Annotated[DeclineReason, Field(strict=False)]


class ListRequests(PageQuery):
    """Which requests: those of a clinic in a state."""

    clinic_id: UUID
    state: RequestState = RequestState.OPEN


class RequestView(BaseModel):
    """A time that somebody asks for, and what became of it. `local` are the wished times by the
    clinic's clocks."""

    id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    provider_id: UUID | None
    wished: list[datetime]
    time_zone: str
    local: list[str]
    note: str | None
    state: str
    made_at: datetime
    ended_at: datetime | None
    reason: str | None
    appointment_id: UUID | None
    version: int

    @classmethod
    def of(cls, row: t.AppointmentRequest, time_zone: str) -> Self:
        """The view of a row."""
        own = {"time_zone", "local"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        local = [at.astimezone(ZoneInfo(time_zone)).isoformat() for at in row.wished]
        return cls(**members, time_zone=time_zone, local=local)


class RequestPage(BaseModel):
    """Requests of a clinic, the oldest first."""

    items: list[RequestView]
    next: str | None = None


class RequestList(BaseModel):
    """A patient's requests, the latest first; 200 at most."""

    items: list[RequestView]


class RequestAccepted(BaseModel):
    """The request, and the visit that it has become."""

    request: RequestView
    appointment: AppointmentView
