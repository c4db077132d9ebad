"""What is said of the forms that a patient fills in."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from shared.contracts.envelope import Code, Event

_PATIENT = "0190a1b2-0000-7000-8000-000000000001"


class PacketSubmitted(Event):
    """A patient handed in a packet of forms, for one visit or for any. Codes, never answers."""

    producer: ClassVar[str] = "patients"
    aggregate: ClassVar[str] = "intake_packet"
    subject_field: ClassVar[str] = "packet_id"
    name: ClassVar[str] = "packet.submitted"
    expected: ClassVar[bool] = True
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "packet_id": "0190a1b2-0000-7000-8000-000000000004",
                    "patient_id": _PATIENT,
                    "appointment_id": "0190a1b2-0000-7000-8000-000000000013",
                    "forms": ["history", "medications"],
                    "submitted_at": "2026-11-29T20:00:00Z",
                }
            ]
        }
    )

    packet_id: UUID
    patient_id: UUID
    appointment_id: UUID | None = None
    forms: list[Code] = Field(max_length=50)
    submitted_at: AwareDatetime
