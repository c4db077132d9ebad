"""Models of holds."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT, Line

_PLACE = {
    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
    "provider_id": "0190a1b2-0000-7000-8000-000000000011",
    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
}
Minutes = Annotated[int, Field(ge=1, le=30)]


class PlaceHold(BaseModel):
    """A time to hold: for a patient, or for nobody yet."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
                    **_PLACE,
                    "starts_at": "2026-11-30T09:00:00-07:00",
                    "ttl_minutes": 5,
                }
            ]
        },
    )

    patient_id: UUID | None = None
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: Wanted
    ends_at: Wanted | None = None
    room_id: UUID | None = None
    further_provider_ids: Annotated[list[UUID], Field(max_length=3)] = []
    overbook: bool = False
    overlap_reason: Line | None = None
    modality: Literal["in_person", "video", "phone"] = "in_person"
    ttl_minutes: Minutes = 5


class ExtendHold(BaseModel):
    """For how many more minutes, from now on."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"ttl_minutes": 5}]})

    ttl_minutes: Minutes = 5


class HoldView(BaseModel):
    """A time that is held. `state`: held, taken (it is a visit), released or expired."""

    id: UUID
    patient_id: UUID | None
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    room_id: UUID | None
    further_provider_ids: list[UUID] | None
    modality: str
    starts_at: datetime
    ends_at: datetime
    session_id: UUID | None
    local_start: str
    time_zone: str
    state: str
    held_at: datetime
    expires_at: datetime
    extended: bool
    overbooked: bool
    appointment_id: UUID | None
    version: int

    @classmethod
    def of(cls, row: t.Hold, state: str, time_zone: str) -> Self:
        """The view of a row, as it stands now."""
        own = {"time_zone", "local_start", "state"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        local = row.starts_at.astimezone(ZoneInfo(time_zone)).isoformat()
        return cls(**members, state=state, time_zone=time_zone, local_start=local)
