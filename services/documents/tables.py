"""The tables of documents, on a registry of their own."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """Holds this service's metadata apart from every other service's in the process."""


metadata = Base.metadata


class Document(Base, table=True):
    """A file that came in or was made here. Its bytes lie in the object store, under `sha256`.

    declared_type: what the sender called it; content_type: what the bytes show. elsewhere: the same
    bytes were filed with another patient when it came in.
    """

    __tablename__ = "documents"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    state: str = "received"
    source: str
    document_class: str | None = None
    filename: str
    declared_type: str
    content_type: str
    byte_count: int = Field(sa_type=BigInteger)
    sha256: str
    patient_id: UUID | None = None
    appointment_id: UUID | None = None
    duplicate_of: UUID | None = None
    elsewhere: bool = False
    superseded_by: UUID | None = None
    changes: int = 0
    received_at: datetime
    received_by: str
    indexed_at: datetime | None = None
    version: int = 1
    event_seq: int = 0


class DocumentChange(Base, table=True):
    """One move of a document: what was said of it before and after, by whom, and why."""

    __tablename__ = "document_changes"

    network_id: UUID = Field(primary_key=True)
    document_id: UUID = Field(primary_key=True)
    change: int = Field(primary_key=True)
    id: UUID
    move: str
    from_class: str | None = None
    to_class: str | None = None
    from_patient_id: UUID | None = None
    to_patient_id: UUID | None = None
    from_appointment_id: UUID | None = None
    to_appointment_id: UUID | None = None
    reason: str | None = None
    changed_at: datetime
    changed_by: str


class ChartPacket(Base, table=True):
    """The chart packet of a visit. `revision` counts those that were made; 0 before the first.

    facts_hash: of what the last one was made from. asked: the intent that makes one right now.
    asked_again: something changed meanwhile. missing: the codes of what was missing from the last.
    """

    __tablename__ = "chart_packets"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    id: UUID
    state: str = "planned"
    revision: int = 0
    document_id: UUID | None = None
    missing: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    facts_hash: str | None = None
    asked: UUID | None = None
    asked_again: bool = False
    problem: str | None = None
    ready_at: datetime | None = None
    version: int = 1
    event_seq: int = 0


class KnownVisit(Base, table=True):
    """What this service has heard of a visit from appointments. heard_*: by the latest event."""

    __tablename__ = "known_visits"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    ends_at: datetime
    state: str = "booked"
    new_patient: bool
    walk_in: bool
    moves: int = 0
    heard_at: datetime
    heard_event: UUID
    heard_actor: str


class KnownPatient(Base, table=True):
    """What this service has heard of a patient, from patients and payments.

    heard_at: when something that a packet says of the patient changed last.
    """

    __tablename__ = "known_patients"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    registered: bool = False
    identity_verified_at: datetime | None = None
    balance_cents: int = Field(default=0, sa_type=BigInteger)
    currency: str = "USD"
    heard_at: datetime | None = None


class KnownConsent(Base, table=True):
    """A consent that this service has heard of."""

    __tablename__ = "known_consents"

    network_id: UUID = Field(primary_key=True)
    consent_id: UUID = Field(primary_key=True)
    patient_id: UUID
    kind: str
    granted_at: datetime
    expires_on: date | None = None
    revoked_at: datetime | None = None


class VisitCover(Base, table=True):
    """The latest verdict on a visit's cover."""

    __tablename__ = "visit_covers"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    verdict: str
    reason: str
    decided_at: datetime


class VisitEstimate(Base, table=True):
    """The latest estimate of a visit."""

    __tablename__ = "visit_estimates"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    estimate_id: UUID
    fee_cents: int = Field(sa_type=BigInteger)
    patient_cents: int = Field(sa_type=BigInteger)
    copay_cents: int = Field(sa_type=BigInteger)
    currency: str
    certain: bool
    created_at: datetime


class EmergencyAccess(Base, table=True):
    """Who reads a patient at any clinic, and until when."""

    __tablename__ = "emergency_access"

    id: UUID = Field(primary_key=True)
    network_id: UUID = Field(primary_key=True)
    patient_id: UUID
    person: str
    expires_at: datetime


class ProxyEntry(Base, table=True):
    """Who may act for a patient, in what, and from when until when."""

    __tablename__ = "proxies"

    id: UUID = Field(primary_key=True)
    network_id: UUID = Field(primary_key=True)
    patient_id: UUID
    proxy_key: str | None = None
    proxy_patient_id: UUID | None = None
    scope: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    begins_at: datetime
    lapses_at: datetime | None = None
    ended_at: datetime | None = None
