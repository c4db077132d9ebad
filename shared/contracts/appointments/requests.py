"""Times that patients ask the desk for."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from shared.contracts.appointments.samples import APPOINTMENT, CLINIC, PATIENT, PROVIDER, TYPE
from shared.contracts.envelope import Event

_REQUEST: dict[str, JsonValue] = {
    "request_id": "0190a1b2-0000-7000-8000-000000000019",
    "patient_id": PATIENT,
    "clinic_id": CLINIC,
    "appointment_type_id": TYPE,
}


class AppointmentRequestEvent(Event):
    """Where every event of one request stands. What they say beside it stays with the clinic."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "appointment_request"
    subject_field: ClassVar[str] = "request_id"

    request_id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID


class AppointmentRequestMade(AppointmentRequestEvent):
    """A patient asks for one of some times, the one they like best first; nothing is booked."""

    name: ClassVar[str] = "appointment_request.made"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_REQUEST, "provider_id": PROVIDER, "wished": ["2026-11-30T16:00:00Z"]}]
        }
    )

    provider_id: UUID | None = None
    wished: Annotated[list[AwareDatetime], Field(min_length=1, max_length=3)]


class AppointmentRequestAccepted(AppointmentRequestEvent):
    """The desk has booked it."""

    name: ClassVar[str] = "appointment_request.accepted"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_REQUEST, "appointment_id": APPOINTMENT}]}
    )

    appointment_id: UUID


class AppointmentRequestDeclined(AppointmentRequestEvent):
    """The desk says no, and why."""

    name: ClassVar[str] = "appointment_request.declined"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_REQUEST, "reason": "no_time_free"}]}
    )

    reason: Literal[
        "no_time_free", "another_kind", "referral_needed", "cover_problem", "to_be_called", "other"
    ]


class AppointmentRequestWithdrawn(AppointmentRequestEvent):
    """They do not want it any more."""

    name: ClassVar[str] = "appointment_request.withdrawn"
    model_config = ConfigDict(json_schema_extra={"examples": [{**_REQUEST}]})


class AppointmentRequestExpired(AppointmentRequestEvent):
    """The last of the times has passed, and nobody had answered."""

    name: ClassVar[str] = "appointment_request.expired"
    model_config = ConfigDict(json_schema_extra={"examples": [{**_REQUEST}]})
