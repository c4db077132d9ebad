"""What the appointments service says."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from shared.contracts.envelope import Code, Event

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_PROVIDER = "0190a1b2-0000-7000-8000-000000000011"
_TYPE = "0190a1b2-0000-7000-8000-000000000012"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"
_VISIT: dict[str, JsonValue] = {
    "appointment_id": _APPOINTMENT,
    "patient_id": _PATIENT,
    "clinic_id": _CLINIC,
}


class ClinicOpened(Event):
    """A clinic exists: its zone and currency are what others reckon with."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "clinic"
    subject_field: ClassVar[str] = "clinic_id"
    name: ClassVar[str] = "clinic.opened"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"clinic_id": _CLINIC, "time_zone": "America/Denver", "currency": "USD"}]
        }
    )

    clinic_id: UUID
    time_zone: str = Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+\-]+)+$|^UTC$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class AppointmentTypePublished(Event):
    """A kind of visit: which service it is priced as when nothing else is known."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "appointment_type"
    subject_field: ClassVar[str] = "appointment_type_id"
    name: ClassVar[str] = "appointment_type.published"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_type_id": _TYPE,
                    "minutes": 30,
                    "service_code_new": "V-NEW",
                    "service_code_known": "V-EST",
                }
            ]
        }
    )

    appointment_type_id: UUID
    minutes: int
    service_code_new: Code
    service_code_known: Code


class VisitEvent(Event):
    """Where every event of one visit stands, from booking to the way out."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "appointment"
    subject_field: ClassVar[str] = "appointment_id"

    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID


class AppointmentBooked(VisitEvent):
    """A visit has its place and time."""

    name: ClassVar[str] = "appointment.booked"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_VISIT,
                    "provider_id": _PROVIDER,
                    "appointment_type_id": _TYPE,
                    "starts_at": "2026-11-30T16:00:00Z",
                    "ends_at": "2026-11-30T16:30:00Z",
                    "new_patient": True,
                    "walk_in": False,
                    "booked_at": "2026-11-23T15:00:00Z",
                }
            ]
        }
    )

    provider_id: UUID
    appointment_type_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    new_patient: bool
    walk_in: bool
    booked_at: AwareDatetime


class AppointmentRescheduled(VisitEvent):
    """A visit moved. It stays the same visit; `moves` counts how often it has moved."""

    name: ClassVar[str] = "appointment.rescheduled"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_VISIT,
                    "provider_id": _PROVIDER,
                    "previous_provider_id": _PROVIDER,
                    "starts_at": "2026-12-01T16:00:00Z",
                    "ends_at": "2026-12-01T16:30:00Z",
                    "previous_starts_at": "2026-11-30T16:00:00Z",
                    "previous_ends_at": "2026-11-30T16:30:00Z",
                    "moves": 1,
                    "reason": "patient_request",
                }
            ]
        }
    )

    provider_id: UUID
    previous_provider_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    previous_starts_at: AwareDatetime
    previous_ends_at: AwareDatetime
    moves: int
    reason: Code


class AppointmentCancelled(VisitEvent):
    """A visit was called off; `late` when within the clinic's notice."""

    name: ClassVar[str] = "appointment.cancelled"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_VISIT,
                    "reason": "patient_request",
                    "notice_minutes": 1440,
                    "late": False,
                    "cancelled_at": "2026-11-29T16:00:00Z",
                }
            ]
        }
    )

    reason: Code
    notice_minutes: int
    late: bool
    cancelled_at: AwareDatetime


class AppointmentConfirmed(VisitEvent):
    """The patient said that they will come."""

    name: ClassVar[str] = "appointment.confirmed"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_VISIT, "confirmed_at": "2026-11-28T16:00:00Z"}]}
    )

    confirmed_at: AwareDatetime


class AppointmentNoShow(VisitEvent):
    """Nobody came within the grace period; `cause` tells the clock's word from a person's."""

    name: ClassVar[str] = "appointment.no_show"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_VISIT, "cause": "timer", "recorded_at": "2026-11-30T16:30:00Z"}]
        }
    )

    cause: Literal["timer", "staff"]
    recorded_at: AwareDatetime


class PatientCheckedIn(VisitEvent):
    """The patient is here and what had to be settled first is settled, or waived with a reason."""

    name: ClassVar[str] = "patient.checked_in"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_VISIT, "checked_in_at": "2026-11-30T15:50:00Z", "waived": ["cover"]}]
        }
    )

    checked_in_at: AwareDatetime
    waived: list[Code] = Field(max_length=20)


class VisitCheckedOut(VisitEvent):
    """The visit is over: there is something to charge for, or a reason why there is not."""

    name: ClassVar[str] = "visit.checked_out"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_VISIT,
                    "appointment_type_id": _TYPE,
                    "new_patient": True,
                    "checked_out_at": "2026-11-30T16:40:00Z",
                }
            ]
        }
    )

    appointment_type_id: UUID
    new_patient: bool
    checked_out_at: AwareDatetime


class SlotReleased(VisitEvent):
    """Time that was taken is free again."""

    name: ClassVar[str] = "slot.released"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_VISIT,
                    "provider_id": _PROVIDER,
                    "appointment_type_id": _TYPE,
                    "starts_at": "2026-11-30T16:00:00Z",
                    "ends_at": "2026-11-30T16:30:00Z",
                    "cause": "cancelled",
                }
            ]
        }
    )

    provider_id: UUID
    appointment_type_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    cause: Literal["cancelled", "rescheduled", "no_show"]


EVENTS: tuple[type[Event], ...] = (
    ClinicOpened,
    AppointmentTypePublished,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentNoShow,
    PatientCheckedIn,
    VisitCheckedOut,
    SlotReleased,
)
