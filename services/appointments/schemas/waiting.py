"""Models of the waiting room, the rooms, and the screen."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.waiting import Priority, call_code
from services.appointments.queries.rooms import RoomOnBoard
from shared.web.fields import STRICT, Line


class SetPriority(BaseModel):
    """How soon somebody is to be seen; all but `routine` need a reason."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"priority": "urgent", "reason": "Short of breath."}]},
    )

    priority: Annotated[Priority, Field(strict=False)]
    reason: Line | None = None


class WaitView(BaseModel):
    """A wait: what was promised when it began, in minutes from `turn_at`, and how it went."""

    appointment_id: UUID
    call_code: str
    priority: str
    entered_at: datetime
    turn_at: datetime
    promised_minutes: int | None
    promised_minutes_p90: int | None
    promised_from: str
    waited_seconds: int | None
    waiting: bool
    too_long: bool

    @classmethod
    def of(cls, entry: t.QueueEntry, row: t.Appointment) -> Self:
        """The view of a wait of a visit."""
        return cls(
            appointment_id=row.id,
            call_code=code_of(row),
            priority=entry.priority,
            entered_at=entry.entered_at,
            turn_at=entry.turn_at,
            promised_minutes=entry.promised_minutes,
            promised_minutes_p90=entry.promised_minutes_p90,
            promised_from=entry.promised_from,
            waited_seconds=entry.waited_seconds,
            waiting=entry.ended_at is None,
            too_long=entry.alarmed_at is not None,
        )


class QueueItemView(WaitView):
    """Somebody in the waiting room."""

    position: int
    patient_id: UUID
    provider_id: UUID
    room_id: UUID | None
    flow: str
    priority_reason: str | None

    @classmethod
    def at(cls, position: int, entry: t.QueueEntry, row: t.Appointment) -> Self:
        """The view of a place in the queue; `room_id` is the room that was booked."""
        return cls(
            **WaitView.of(entry, row).model_dump(),
            position=position,
            patient_id=row.patient_id,
            provider_id=row.provider_id,
            room_id=row.room_id,
            flow=row.flow,
            priority_reason=entry.priority_reason,
        )


class QueueView(BaseModel):
    """Who waits at a clinic, the next one first."""

    items: list[QueueItemView]


class VisitInRoom(BaseModel):
    """A visit in a room."""

    appointment_id: UUID
    patient_id: UUID
    flow: str
    entered_at: datetime


class RoomStateView(BaseModel):
    """How a room stands, since when, and who said so last."""

    id: UUID
    name: str
    capacity: int
    state: Literal["free", "occupied", "to_be_cleaned"]
    since: datetime | None
    changed_by: str | None
    visits: list[VisitInRoom]

    @classmethod
    def of(cls, found: RoomOnBoard) -> Self:
        """The view of a room on the board."""
        return cls.model_validate(
            {
                "id": found.room.id,
                "name": found.room.name,
                "capacity": found.room.capacity,
                "state": found.state.state if found.state else "free",
                "since": found.state.since if found.state else None,
                "changed_by": found.state.changed_by if found.state else None,
                "visits": [
                    VisitInRoom(
                        appointment_id=row.id,
                        patient_id=row.patient_id,
                        flow=row.flow,
                        entered_at=stay.entered_at,
                    )
                    for stay, row in found.visits
                ],
            }
        )


class RoomBoard(BaseModel):
    """The rooms of a clinic, in the order in which they fill up."""

    items: list[RoomStateView]


class CleanedView(BaseModel):
    """A room that was cleaned."""

    id: UUID
    state: Literal["free"]


class CallView(BaseModel):
    """A code on the screen, and where whoever has it is to be."""

    code: str
    state: Literal["waiting", "called"]
    room: str | None


class DisplayView(BaseModel):
    """What a screen in the waiting room shows. It says of nobody who they are."""

    calls: list[CallView]


def code_of(row: t.Appointment) -> str:
    """What a visit is called by; empty before anybody came."""
    return call_code(row.call_number) if row.call_number is not None else ""
