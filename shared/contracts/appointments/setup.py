"""What a network enters: clinics and kinds of visit."""

from typing import ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field

from shared.contracts.appointments.samples import CLINIC, TYPE
from shared.contracts.envelope import Code, Event


class ClinicOpened(Event):
    """A clinic exists: its zone and currency are what others reckon with."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "clinic"
    subject_field: ClassVar[str] = "clinic_id"
    name: ClassVar[str] = "clinic.opened"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"clinic_id": CLINIC, "time_zone": "America/Denver", "currency": "USD"}]
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
                    "appointment_type_id": TYPE,
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
