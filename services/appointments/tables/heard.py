"""What appointments has heard from other services."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.appointments.tables.registered import Base


class KnownPatient(Base, table=True):
    """What this service has heard of a patient, from patients and payments."""

    __tablename__ = "known_patients"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    registered: bool = False
    identity_verified_at: datetime | None = None
    balance_cents: int = Field(default=0, sa_type=BigInteger)
    visits: int = 0


class KnownConsent(Base, table=True):
    """A consent that this service has heard of."""

    __tablename__ = "known_consents"

    network_id: UUID = Field(primary_key=True)
    consent_id: UUID = Field(primary_key=True)
    patient_id: UUID
    kind: str
    text_version: str
    granted_at: datetime
    expires_on: date | None = None
    revoked_at: datetime | None = None


class KnownPreference(Base, table=True):
    """What a patient wants messages to come by, in order, and the zone of their clocks."""

    __tablename__ = "known_preferences"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    channels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    time_zone: str | None = None
    preferred_at: datetime


class VisitCover(Base, table=True):
    """The latest verdict on a visit's cover."""

    __tablename__ = "visit_covers"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    verdict: str
    reason: str
    decided_at: datetime


class VisitPacket(Base, table=True):
    """The latest chart packet of a visit."""

    __tablename__ = "visit_packets"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    document_id: UUID
    revision: int
    ready_at: datetime


class EmergencyAccess(Base, table=True):
    """Who reads a patient at any clinic, and until when."""

    __tablename__ = "emergency_access"

    id: UUID = Field(primary_key=True)
    network_id: UUID = Field(primary_key=True)
    patient_id: UUID
    person: str
    expires_at: datetime
