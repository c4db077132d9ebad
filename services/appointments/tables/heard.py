"""What appointments has heard from other services."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.appointments.tables.registered import Base


class KnownPatient(Base, table=True):
    """What this service has heard of a patient, from patients and payments.

    merged_into: the record that stands for this one, where it was given up.
    """

    __tablename__ = "known_patients"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    registered: bool = False
    identity_verified_at: datetime | None = None
    balance_cents: int = Field(default=0, sa_type=BigInteger)
    visits: int = 0
    birth_year: int | None = None
    gender: str | None = None
    merged_into: UUID | None = None


class KnownCover(Base, table=True):
    """A cover of a patient, as eligibility says. place: which one pays first. first, last: its
    days, both included."""

    __tablename__ = "known_covers"

    network_id: UUID = Field(primary_key=True)
    coverage_id: UUID = Field(primary_key=True)
    patient_id: UUID
    payer_id: UUID
    place: str
    first: date
    last: date | None = None


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


class KnownVerification(Base, table=True):
    """When a field of a patient's demographics was last gone through with them."""

    __tablename__ = "known_verifications"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    field: str = Field(primary_key=True)
    verified_at: datetime


class KnownForm(Base, table=True):
    """A form that a patient handed in, for one visit or for any."""

    __tablename__ = "known_forms"

    network_id: UUID = Field(primary_key=True)
    packet_id: UUID = Field(primary_key=True)
    form: str = Field(primary_key=True)
    patient_id: UUID
    appointment_id: UUID | None = None
    submitted_at: datetime


class KnownAuthorization(Base, table=True):
    """The latest word of a payer on the authorization of a visit."""

    __tablename__ = "known_authorizations"

    network_id: UUID = Field(primary_key=True)
    authorization_id: UUID = Field(primary_key=True)
    patient_id: UUID
    appointment_id: UUID
    state: str
    valid_from: date | None = None
    valid_until: date | None = None
    decided_at: datetime


class VisitCopay(Base, table=True):
    """The copay that eligibility expects for a visit."""

    __tablename__ = "visit_copays"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    copay_cents: int = Field(sa_type=BigInteger)
    estimated_at: datetime


class VisitPayment(Base, table=True):
    """What was paid for a visit, less what was given back."""

    __tablename__ = "visit_payments"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    paid_cents: int = Field(sa_type=BigInteger)
