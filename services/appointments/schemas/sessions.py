"""Models of group sessions."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.reasons import Reason
from services.appointments.domain.session import SEATS_MAX
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT, Line, QueryDay

_PLACE = {
    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
    "provider_id": "0190a1b2-0000-7000-8000-000000000011",
    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
    "starts_at": "2026-11-30T13:00:00-07:00",
}


class OpenSession(BaseModel):
    """A session to open."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{**_PLACE, "ends_at": "2026-11-30T14:30:00-07:00", "seats": 12}]
        },
    )

    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: Wanted
    ends_at: Wanted | None = None
    room_id: UUID | None = None
    further_provider_ids: Annotated[list[UUID], Field(max_length=3)] = []
    seats: Annotated[int, Field(ge=1, le=SEATS_MAX)]


class TakeSeat(BaseModel):
    """For whom a seat is taken. overlap_reason: why they may be in two places."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"patient_id": "0190a1b2-0000-7000-8000-000000000001"}]},
    )

    patient_id: UUID
    overlap_reason: Line | None = None


class CancelSession(BaseModel):
    """Why a session is called off; the reason is that of every seat."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"reason": "provider_unavailable"}]}
    )

    reason: Annotated[Reason, Field(strict=False)]


class MoveSession(BaseModel):
    """Where a session is to go with all its seats; its length stays."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"starts_at": "2026-12-01T13:00:00-07:00", "reason": "clinic_request"}]
        },
    )

    starts_at: Wanted
    provider_id: UUID | None = None
    room_id: UUID | None = None
    reason: Annotated[Reason, Field(strict=False)]


class SeatView(BaseModel):
    """A seat that is taken, and by which visit."""

    seat: int
    appointment_id: UUID
    patient_id: UUID
    confirmation: str
    flow: str


class SessionView(BaseModel):
    """A session, and who has its seats."""

    id: UUID
    clinic_id: UUID
    provider_id: UUID
    further_provider_ids: list[UUID] | None
    appointment_type_id: UUID
    room_id: UUID | None
    equipment_ids: list[UUID] | None
    starts_at: datetime
    ends_at: datetime
    local_start: str
    time_zone: str
    state: str
    seats: int
    seats_free: int
    taken: list[SeatView]
    moves: int
    cancel_reason: str | None
    version: int

    @classmethod
    def of(cls, row: t.Session, seats: list[t.Appointment], held: int, time_zone: str) -> Self:
        """The view of a row and its seats. held: how many are held for who was offered them."""
        own = {"local_start", "time_zone", "seats_free", "taken"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        taken = [
            SeatView(
                seat=seat.seat or 0,
                appointment_id=seat.id,
                patient_id=seat.patient_id,
                confirmation=seat.confirmation,
                flow=seat.flow,
            )
            for seat in seats
        ]
        return cls(
            **members,
            local_start=row.starts_at.astimezone(ZoneInfo(time_zone)).isoformat(),
            time_zone=time_zone,
            seats_free=row.seats - len(seats) - held,
            taken=taken,
        )


class SessionSummary(BaseModel):
    """A session in a list."""

    id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    room_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    state: str
    seats: int


class SessionList(BaseModel):
    """The sessions of a clinic on a day, by start."""

    items: list[SessionSummary]


class ListSessions(BaseModel):
    """Of a clinic, on a local day."""

    model_config = ConfigDict(extra="forbid")

    clinic_id: UUID
    day: QueryDay | None = None
