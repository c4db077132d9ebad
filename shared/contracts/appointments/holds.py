"""Time that is held for some minutes."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, JsonValue

from shared.contracts.appointments.samples import APPOINTMENT, CLINIC, PATIENT, PROVIDER, TYPE
from shared.contracts.envelope import Event

_HOLD: dict[str, JsonValue] = {
    "hold_id": "0190a1b2-0000-7000-8000-000000000014",
    "patient_id": PATIENT,
    "clinic_id": CLINIC,
    "provider_id": PROVIDER,
    "appointment_type_id": TYPE,
    "starts_at": "2026-11-30T16:00:00Z",
    "ends_at": "2026-11-30T16:30:00Z",
    "purpose": "booking",
}


class HoldEvent(Event):
    """Where every event of one hold stands. Nobody may be known yet whom it is for."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "hold"
    subject_field: ClassVar[str] = "hold_id"

    hold_id: UUID
    patient_id: UUID | None
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    purpose: Literal["booking", "offer"]


class AppointmentHeld(HoldEvent):
    """Time is held until `expires_at`; said again when a hold is extended."""

    name: ClassVar[str] = "appointment.held"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_HOLD, "expires_at": "2026-11-23T15:05:00Z", "extended": False}]
        }
    )

    expires_at: AwareDatetime
    extended: bool


class HoldReleased(HoldEvent):
    """A hold ended before its time: given back, or a visit took its place."""

    name: ClassVar[str] = "hold.released"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_HOLD, "cause": "booked", "appointment_id": APPOINTMENT}]
        }
    )

    cause: Literal["given_back", "booked"]
    appointment_id: UUID | None


class HoldExpired(HoldEvent):
    """A hold ran out."""

    name: ClassVar[str] = "hold.expired"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_HOLD, "expired_at": "2026-11-23T15:05:00Z"}]}
    )

    expired_at: AwareDatetime
