"""Models of the waitlist."""

from datetime import date, datetime, time
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.schemas.visits import AppointmentView
from shared.web.fields import STRICT, Given, Line, WallTime

_SOME = Field(min_length=1, max_length=20)
Some = Annotated[list[UUID], _SOME]
Weekdays = Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7)]
Notice = Annotated[int, Field(ge=0, le=43_200)]
Level = Literal["low", "normal", "high"]
_ENTRY = {
    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
    "appointment_type_id": "0190a1b2-0000-7000-8000-000000000012",
}


class EnterWaitlist(BaseModel):
    """Somebody who waits, and for what; what is left out stands for any.

    `opens` and `closes` are wall time of the clinic, `closes` 00:00 the end of the day.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{**_ENTRY, "weekdays": [1, 3], "opens": "08:00:00", "closes": "12:00:00"}]
        },
    )

    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    clinic_ids: Some | None = None
    provider_ids: Some | None = None
    weekdays: Weekdays | None = None
    opens: WallTime = time(0)
    closes: WallTime = time(0)
    earliest: date | None = None
    latest: date | None = None
    notice_minutes: Notice = 0
    priority: Level = "normal"
    priority_reason: Line | None = None
    replaces_appointment_id: UUID | None = None


class ChangeWaitlistEntry(BaseModel):
    """A merge patch of an entry (RFC 7396): what is left out stays, null stands for any."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"weekdays": [2, 4], "latest": None}]}
    )

    clinic_ids: Some | None = None
    provider_ids: Some | None = None
    weekdays: Weekdays | None = None
    opens: Given[WallTime] = None
    closes: Given[WallTime] = None
    earliest: date | None = None
    latest: date | None = None
    notice_minutes: Given[Notice] = None
    priority: Given[Level] = None
    priority_reason: Line | None = None


class WaitlistEntryView(BaseModel):
    """Somebody who waits. `state`: waiting, booked or withdrawn."""

    id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    clinic_ids: list[UUID] | None
    provider_ids: list[UUID] | None
    weekdays: list[int] | None
    opens: WallTime
    closes: WallTime
    earliest: date | None
    latest: date | None
    notice_minutes: int
    priority: str
    replaces_appointment_id: UUID | None
    state: str
    entered_at: datetime
    ended_at: datetime | None
    offers: int
    appointment_id: UUID | None
    version: int

    @classmethod
    def of(cls, row: t.WaitlistEntry) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class WaitlistView(BaseModel):
    """Entries in order; 200 at most."""

    items: list[WaitlistEntryView]


class OfClinic(BaseModel):
    """Whose list."""

    model_config = ConfigDict(extra="forbid")

    clinic_id: UUID


class OfPatient(BaseModel):
    """Of whom."""

    model_config = ConfigDict(extra="forbid")

    patient_id: UUID


class OfferView(BaseModel):
    """A time that is held for somebody: made, accepted, declined, expired or superseded."""

    id: UUID
    entry_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    ends_at: datetime
    session_id: UUID | None
    """The group session, where it is a seat."""
    time_zone: str
    local_start: str
    state: str
    made_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    appointment_id: UUID | None

    @classmethod
    def of(cls, row: t.WaitlistOffer, time_zone: str) -> Self:
        """The view of a row."""
        own = {"time_zone", "local_start"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        local = row.starts_at.astimezone(ZoneInfo(time_zone)).isoformat()
        return cls(**members, time_zone=time_zone, local_start=local)


class OfferList(BaseModel):
    """A patient's offers, the latest first; 200 at most."""

    items: list[OfferView]


class Accepted(BaseModel):
    """The offer, and the visit that it has become."""

    offer: OfferView
    appointment: AppointmentView
