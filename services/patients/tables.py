"""The tables of patients, on a registry of their own."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """Holds this service's metadata apart from every other service's in the process."""


metadata = Base.metadata


class MrnSeries(Base, table=True):
    """The last number given of a network's series; locked by the registration that takes one."""

    __tablename__ = "mrn_series"

    network_id: UUID = Field(primary_key=True)
    last_number: int


class Patient(Base, table=True):
    """A person, with the search forms of the name beside it."""

    __tablename__ = "patients"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    mrn: str
    family: str | None = None
    given: str | None = None
    middle: str | None = None
    suffix: str | None = None
    preferred: str | None = None
    birth_date: date
    death_date: date | None = None
    gender: str
    family_search: str
    given_search: str
    preferred_search: str
    family_sound: str
    given_sound: str
    registered_at: datetime
    version: int = 1
    event_seq: int = 0


class PatientPhone(Base, table=True):
    """A telephone number in E.164, from when it was entered until it was replaced."""

    __tablename__ = "patient_phones"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    position: int
    number: str
    use: str
    ended_at: datetime | None = None


class PatientEmail(Base, table=True):
    """An e-mail address, and the form in which it is compared."""

    __tablename__ = "patient_emails"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    position: int
    address: str
    search: str
    ended_at: datetime | None = None


class PatientAddress(Base, table=True):
    """A postal address, from when it was entered until it was replaced."""

    __tablename__ = "patient_addresses"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    position: int
    use: str
    lines: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    city: str
    state: str | None = None
    postal_code: str | None = None
    country: str
    ended_at: datetime | None = None


class MatchKey(Base, table=True):
    """What a person shares with others who could be the same; see `domain.matching`."""

    __tablename__ = "match_keys"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    active: bool = True


class PassedOver(Base, table=True):
    """Somebody alike who was on record when a person was registered all the same, and why."""

    __tablename__ = "passed_over"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    alike_id: UUID = Field(primary_key=True)
    grade: str
    score: int
    reason: str
    decided_at: datetime
    decided_by: str


class Contact(Base, table=True):
    """Another person to turn to, who may be a patient too."""

    __tablename__ = "contacts"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    kind: str
    relationship: str
    contact_patient_id: UUID | None = None
    family: str | None = None
    given: str | None = None
    phone: str | None = None
    email: str | None = None
    lines: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    added_at: datetime
    ended_at: datetime | None = None


class ConsentGiven(Base, table=True):
    """A consent to one version of a text. `time_zone` judges the last day on which it holds."""

    __tablename__ = "consents"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    kind: str
    text_version: str
    granted_at: datetime
    time_zone: str
    expires_on: date | None = None
    recorded_at: datetime
    recorded_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None


class MessagePreference(Base, table=True):
    """What a patient wants messages to come by, in order, and the zone of their clocks."""

    __tablename__ = "message_preferences"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    channels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    time_zone: str | None = None
    preferred_at: datetime
    preferred_by: str


class FieldVerified(Base, table=True):
    """One field was gone through with the person."""

    __tablename__ = "verifications"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    field: str
    outcome: str
    verified_at: datetime
    verified_by: str


class FieldAmended(Base, table=True):
    """When a field's value last changed: a verification from before it says nothing any more."""

    __tablename__ = "amendments"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    field: str = Field(primary_key=True)
    amended_at: datetime


class KnownVisit(Base, table=True):
    """What this service has heard of a visit, from appointments."""

    __tablename__ = "known_visits"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    clinic_id: UUID
    starts_at: datetime
    status: str
    checked_out_at: datetime | None = None


class KnownClinic(Base, table=True):
    """A clinic of the network, for the day that its clocks show."""

    __tablename__ = "known_clinics"

    network_id: UUID = Field(primary_key=True)
    clinic_id: UUID = Field(primary_key=True)
    time_zone: str


class ProxyPolicy(Base, table=True):
    """At what age somebody of a network comes of age. Without a row it is 18."""

    __tablename__ = "proxy_policies"

    network_id: UUID = Field(primary_key=True)
    majority_age: int
    set_at: datetime
    set_by: str


class ProxyEntry(Base, table=True):
    """Who may act for a patient. `lapses_at`: when that ends by itself, by `until_at` or by age."""

    __tablename__ = "proxies"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    proxy_subject: str | None = None
    proxy_key: str | None = None
    proxy_patient_id: UUID | None = None
    authority: str
    scope: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    begins_at: datetime
    until_at: datetime | None = None
    majority_at: datetime | None = None
    lapses_at: datetime | None = None
    evidence_document_id: UUID | None = None
    verified_at: datetime
    verified_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None
    end_note: str | None = None


class EmergencyAccess(Base, table=True):
    """Who broke the glass for whose record, why, and what was found afterwards."""

    __tablename__ = "emergency_access"

    id: UUID = Field(primary_key=True)
    network_id: UUID = Field(primary_key=True)
    patient_id: UUID
    person: str
    reason: str
    note: str
    opened_at: datetime
    expires_at: datetime
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
    finding: str | None = None
    review_note: str | None = None
