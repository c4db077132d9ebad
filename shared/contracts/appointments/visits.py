"""A visit, from booking to the way out."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from shared.contracts.appointments.samples import (
    PROVIDER,
    TYPE,
    VISIT,
)
from shared.contracts.envelope import Code, Event


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
                    **VISIT,
                    "provider_id": PROVIDER,
                    "appointment_type_id": TYPE,
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
                    **VISIT,
                    "provider_id": PROVIDER,
                    "previous_provider_id": PROVIDER,
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
                    **VISIT,
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
        json_schema_extra={"examples": [{**VISIT, "confirmed_at": "2026-11-28T16:00:00Z"}]}
    )

    confirmed_at: AwareDatetime


class AppointmentDeclined(VisitEvent):
    """The patient said that they will not come. The visit stands until somebody calls it off."""

    name: ClassVar[str] = "appointment.declined"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**VISIT, "declined_at": "2026-11-28T16:00:00Z"}]}
    )

    declined_at: AwareDatetime


class AppointmentNoShow(VisitEvent):
    """Nobody came within the grace period; `cause` tells the clock's word from a person's."""

    name: ClassVar[str] = "appointment.no_show"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**VISIT, "cause": "timer", "recorded_at": "2026-11-30T16:30:00Z"}]
        }
    )

    cause: Literal["timer", "staff"]
    recorded_at: AwareDatetime


class PatientCheckedIn(VisitEvent):
    """The patient is here and what had to be settled first is settled, or waived with a reason."""

    name: ClassVar[str] = "patient.checked_in"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**VISIT, "checked_in_at": "2026-11-30T15:50:00Z", "waived": ["cover"]}]
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
                    **VISIT,
                    "appointment_type_id": TYPE,
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
                    **VISIT,
                    "provider_id": PROVIDER,
                    "appointment_type_id": TYPE,
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
