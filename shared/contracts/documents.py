"""What the documents service says."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from shared.contracts.envelope import Code, Event

_DOCUMENT = "0190a1b2-0000-7000-8000-000000000040"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"


class DocumentEvent(Event):
    """Where all that happens to one document stands."""

    producer: ClassVar[str] = "documents"
    aggregate: ClassVar[str] = "document"
    subject_field: ClassVar[str] = "document_id"

    document_id: UUID


class DocumentReceived(DocumentEvent):
    """Bytes came in and are kept."""

    name: ClassVar[str] = "document.received"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document_id": _DOCUMENT,
                    "source": "upload",
                    "byte_count": 48213,
                    "received_at": "2026-11-30T15:40:00Z",
                }
            ]
        }
    )

    source: Code
    byte_count: int
    received_at: AwareDatetime


class DocumentIndexed(DocumentEvent):
    """A document is filed with a patient, and with a visit where it belongs to one."""

    name: ClassVar[str] = "document.indexed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document_id": _DOCUMENT,
                    "patient_id": _PATIENT,
                    "appointment_id": _APPOINTMENT,
                    "document_class": "insurance_card",
                    "indexed_at": "2026-11-30T15:41:00Z",
                }
            ]
        }
    )

    patient_id: UUID
    appointment_id: UUID | None = None
    document_class: Code
    indexed_at: AwareDatetime


class DocumentEnteredInError(DocumentEvent):
    """A document should not be there: what was said of it before no longer counts."""

    name: ClassVar[str] = "document.entered_in_error"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document_id": _DOCUMENT,
                    "patient_id": _PATIENT,
                    "marked_at": "2026-11-30T15:50:00Z",
                }
            ]
        }
    )

    patient_id: UUID | None = None
    marked_at: AwareDatetime


class PacketReady(Event):
    """The chart packet of a visit is assembled; a later one for the visit replaces it."""

    producer: ClassVar[str] = "documents"
    aggregate: ClassVar[str] = "chart_packet"
    subject_field: ClassVar[str] = "appointment_id"
    name: ClassVar[str] = "packet.ready"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "packet_id": "0190a1b2-0000-7000-8000-000000000041",
                    "appointment_id": _APPOINTMENT,
                    "patient_id": _PATIENT,
                    "document_id": _DOCUMENT,
                    "revision": 1,
                    "ready_at": "2026-11-29T18:00:00Z",
                }
            ]
        }
    )

    packet_id: UUID
    appointment_id: UUID
    patient_id: UUID
    document_id: UUID
    revision: int
    ready_at: AwareDatetime


EVENTS: tuple[type[Event], ...] = (
    DocumentReceived,
    DocumentIndexed,
    DocumentEnteredInError,
    PacketReady,
)
