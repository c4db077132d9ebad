"""Models of bookings, availability and the flow of a visit."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.appointments import tables as t
from services.appointments.domain.requirements import Item
from shared.web.fields import STRICT, BodyTime, Line, QueryDay, QueryInstant
from shared.web.pages import PageQuery

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_PROVIDER = "0190a1b2-0000-7000-8000-000000000011"
_TYPE = "0190a1b2-0000-7000-8000-000000000012"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"
_VIEW: dict[str, JsonValue] = {
    "id": "0190a1b2-0000-7000-8000-000000000013",
    "patient_id": _PATIENT,
    "clinic_id": _CLINIC,
    "provider_id": _PROVIDER,
    "appointment_type_id": _TYPE,
    "room_id": None,
    "further_provider_ids": None,
    "equipment_ids": None,
    "session_id": None,
    "seat": None,
    "series_id": None,
    "occurrence": None,
    "starts_at": "2026-11-30T16:00:00Z",
    "ends_at": "2026-11-30T16:40:00Z",
    "time_zone": "America/Denver",
    "local_start": "2026-11-30T09:00:00-07:00",
    "lifecycle": "booked",
    "confirmation": "unsent",
    "flow": "expected",
    "modality": "in_person",
    "new_patient": True,
    "walk_in": False,
    "self_booked": False,
    "overbooked": False,
    "moves": 0,
    "booked_at": "2026-11-23T15:00:00Z",
    "checked_in_at": None,
    "checked_out_at": None,
    "cancelled_at": None,
    "cancel_reason": None,
    "late_cancel": False,
    "cancelled_by": None,
    "cancel_notice_minutes": None,
    "keeps_time": False,
    "decided_by": None,
    "version": 1,
}

Wanted = Annotated[
    BodyTime,
    Field(description="RFC 3339 with the offset that the clinic's zone has then, or UTC."),
]
"""A time as the caller gave it; the clinic's zone judges it, so a naive one gets proposals."""


class BookAppointment(BaseModel):
    """A visit to book."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "clinic_id": _CLINIC,
                    "provider_id": _PROVIDER,
                    "appointment_type_id": _TYPE,
                    "starts_at": "2026-11-30T09:00:00-07:00",
                }
            ]
        },
    )

    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: Wanted
    ends_at: Wanted | None = None
    room_id: UUID | None = None
    further_provider_ids: Annotated[list[UUID], Field(max_length=3)] = []
    walk_in: bool = False
    overbook: bool = False
    overlap_reason: Line | None = None
    hold_id: UUID | None = None
    modality: Literal["in_person", "video", "phone"] = "in_person"


class CheckInVisit(BaseModel):
    """What the person at the desk settles with a word. Each is kept with the visit."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"balance_acknowledged": True}]}
    )

    cover_override_reason: Line | None = None
    self_pay_acknowledged: bool = False
    balance_acknowledged: bool = False


class RuleVersion(BaseModel):
    """A rule of the network that decided, in the version that held."""

    rule: str
    version: int


class AppointmentView(BaseModel):
    """A visit, in four dimensions of status (readiness is at `/requirements`)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    room_id: UUID | None
    further_provider_ids: list[UUID] | None
    equipment_ids: list[UUID] | None
    session_id: UUID | None
    seat: int | None
    series_id: UUID | None
    occurrence: int | None
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    local_start: str
    lifecycle: str
    confirmation: str
    flow: str
    modality: str
    new_patient: bool
    walk_in: bool
    self_booked: bool
    """The patient booked it, or somebody who may act for them, and not the desk."""
    overbooked: bool
    moves: int
    booked_at: datetime
    checked_in_at: datetime | None
    checked_out_at: datetime | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    late_cancel: bool
    cancelled_by: str | None
    cancel_notice_minutes: int | None
    keeps_time: bool
    decided_by: list[RuleVersion] | None
    """The booking rules of the network that decided, in the versions that held."""
    version: int

    @classmethod
    def of(cls, row: t.Appointment, time_zone: str) -> Self:
        """The view of a row, with its start as the clinic's clocks show it."""
        local = row.starts_at.astimezone(ZoneInfo(time_zone)).isoformat()
        own = {"time_zone", "local_start"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        return cls(**members, time_zone=time_zone, local_start=local)


class AppointmentPage(BaseModel):
    """Visits in the order of their start."""

    items: list[AppointmentView]
    next: str | None


class ListAppointments(PageQuery):
    """Of a clinic, also on a local day alone, or of a patient; also those alone that patients
    booked themselves, or that were booked since an instant."""

    clinic_id: UUID | None = None
    day: QueryDay | None = None
    patient_id: UUID | None = None
    self_booked: bool | None = None
    booked_since: QueryInstant | None = None


class RequirementView(BaseModel):
    """One thing that check-in asks for."""

    code: str
    state: Literal["open", "met", "waived"]
    why: str
    closers: list[str]

    @classmethod
    def of(cls, item: Item) -> Self:
        """The view of a requirement."""
        return cls(
            code=item.code,
            state=item.state.value,
            why=item.why,
            closers=[closer.value for closer in item.closers],
        )


class RequirementsView(BaseModel):
    """What check-in of a visit asks for, and how it stands."""

    appointment_id: UUID
    ready: bool
    items: list[RequirementView]
    chart_packet_id: UUID | None


class MoveView(BaseModel):
    """One move of a visit."""

    move: int
    from_starts_at: datetime
    from_provider_id: UUID
    to_starts_at: datetime
    to_provider_id: UUID
    reason: str
    moved_at: datetime
    moved_by: str


class MoveList(BaseModel):
    """Where a visit has been."""

    items: list[MoveView]
