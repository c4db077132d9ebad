"""Models of documents and chart packets."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from services.documents import tables as t
from services.documents.domain.classification import DocumentClass
from services.documents.queries.alike import Alike
from shared.web.fields import STRICT, Line
from shared.web.minimum import minimum
from shared.web.pages import PageQuery

_DOCUMENT = "0190a1b2-0000-7000-8000-000000000040"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"
_VIEW: dict[str, JsonValue] = {
    "id": _DOCUMENT,
    "state": "indexed",
    "source": "scan",
    "document_class": "insurance_card",
    "filename": "card.png",
    "content_type": "image/png",
    "byte_count": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "patient_id": _PATIENT,
    "appointment_id": _APPOINTMENT,
    "duplicate_of": None,
    "same_bytes_elsewhere": False,
    "superseded_by": None,
    "received_at": "2026-11-30T15:40:00Z",
    "received_by": "person/0190a1b2-0000-7000-8000-000000000099",
    "indexed_at": "2026-11-30T15:41:00Z",
    "version": 1,
}

Kind = Annotated[DocumentClass, Field(strict=False)]
"""What a document is."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
"""A SHA-256 in hexadecimal."""


class ReceiveDocument(BaseModel):
    """What the sender says of a file. With a kind and a patient it is filed at once."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"source": "scan", "document_class": "insurance_card"}]},
    )

    source: Literal["upload", "scan", "fax", "mail", "email", "portal"]
    document_class: Kind | None = None
    patient_id: UUID | None = None
    appointment_id: UUID | None = None
    sha256: Sha256 | None = None


class ClassifyDocument(BaseModel):
    """What a document is. For one that is filed, why it is corrected."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"document_class": "insurance_card"}]}
    )

    document_class: Kind
    reason: Line | None = None


class IndexDocument(BaseModel):
    """Whose a document is. For one that is filed elsewhere, why it is moved."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"patient_id": _PATIENT, "appointment_id": _APPOINTMENT}]},
    )

    patient_id: UUID
    appointment_id: UUID | None = None
    reason: Line | None = None


class EnterInError(BaseModel):
    """Why a document should not be here."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"reason": "Scanned twice"}]}
    )

    reason: Line


class DocumentView(BaseModel):
    """A document. `same_bytes_elsewhere`: one of the two is probably filed with the wrong patient.

    `duplicate_of`: the first document with the same bytes. Who is bound to clinics, or is a
    patient, is told neither of what they may not see.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    id: UUID
    state: Literal["received", "classified", "indexed", "entered_in_error"]
    source: str
    document_class: DocumentClass | None
    filename: str
    content_type: str
    byte_count: int
    sha256: str
    patient_id: UUID | None
    appointment_id: UUID | None
    duplicate_of: UUID | None
    same_bytes_elsewhere: bool
    superseded_by: UUID | None
    received_at: datetime
    received_by: str
    indexed_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: t.Document, said: Alike) -> Self:
        """The view of a row. said: what the caller may be told of others like it."""
        names = set(cls.model_fields) - {"duplicate_of", "same_bytes_elsewhere"}
        members = {name: getattr(row, name) for name in names}
        return cls(**members, duplicate_of=said.duplicate_of, same_bytes_elsewhere=said.elsewhere)


class DocumentPage(BaseModel):
    """Documents in a fixed order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_VIEW], "next": None}]})

    items: list[DocumentView]
    next: str | None


_OF_A_CLAIM = (
    *("id", "state", "document_class", "filename", "content_type", "byte_count", "sha256"),
    *("patient_id", "appointment_id", "superseded_by", "received_at", "version"),
)
DocumentMinimum = minimum(DocumentView, "DocumentMinimum", *_OF_A_CLAIM)
DocumentPageMinimum = minimum(
    DocumentPage, "DocumentPageMinimum", "next", *(f"items.{name}" for name in _OF_A_CLAIM)
)


class ListDocuments(PageQuery):
    """Of a patient, of a visit, or both."""

    patient_id: UUID | None = None
    appointment_id: UUID | None = None


class ChartPacketView(BaseModel):
    """The chart packet of a visit. `document_id` is the last one made, at `revision`.

    `missing`: codes of what somebody still had to get when it was made.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0190a1b2-0000-7000-8000-000000000041",
                    "appointment_id": _APPOINTMENT,
                    "state": "ready",
                    "revision": 1,
                    "document_id": _DOCUMENT,
                    "missing": ["consent.treatment"],
                    "ready_at": "2026-11-29T18:00:00Z",
                    "problem": None,
                }
            ]
        }
    )

    id: UUID
    appointment_id: UUID
    state: Literal["planned", "assembling", "ready", "failed", "withdrawn"]
    revision: int
    document_id: UUID | None
    missing: list[str]
    ready_at: datetime | None
    problem: str | None

    @classmethod
    def of(cls, row: t.ChartPacket) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})
