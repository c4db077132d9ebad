"""What this service has heard of others: copies to decide by, written by handlers alone."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.payments.tables.registry import Base


class KnownClinic(Base, table=True):
    """A clinic: the zone its days are reckoned in and the currency it asks."""

    __tablename__ = "known_clinics"

    network_id: UUID = Field(primary_key=True)
    clinic_id: UUID = Field(primary_key=True)
    time_zone: str
    currency: str


class KnownPatient(Base, table=True):
    """A person who is a patient of the network."""

    __tablename__ = "known_patients"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    registered_at: datetime


class KnownVisit(Base, table=True):
    """A visit. Its business date is the day of `starts_at` by the clocks of its clinic."""

    __tablename__ = "known_visits"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    clinic_id: UUID
    starts_at: datetime
    state: str = "booked"
    checked_out_at: datetime | None = None


class Estimate(Base, table=True):
    """What a visit will likely cost the patient, by the latest word of eligibility."""

    __tablename__ = "estimates"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    estimate_id: UUID
    patient_id: UUID
    patient_cents: int = Field(sa_type=BigInteger)
    copay_cents: int = Field(sa_type=BigInteger)
    currency: str
    created_at: datetime


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
