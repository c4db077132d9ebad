"""The tables of eligibility, on a registry of their own."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """Holds this service's metadata apart from every other service's in the process."""


metadata = Base.metadata


class Payer(Base, table=True):
    """Whom we ask, and as whom. Where they are asked is the deployment's setting.

    payer_id: NM109 of the payer, with its qualifier. sender_id, receiver_id: the addresses on the
    interchange. provider_name, provider_npi: the information receiver. service_types: what is asked
    for, X12 code list 1365.
    """

    __tablename__ = "payers"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    name: str
    payer_id_qualifier: str = "PI"
    payer_id: str
    sender_id: str
    receiver_id: str
    provider_name: str
    provider_npi: str
    service_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    version: int = 1


class Coverage(Base, table=True):
    """A patient's cover, as the card says. The patient is the dependent, or the subscriber.

    place: which one pays first. edition: goes up when the card is changed; a check asked about one
    edition says nothing of the next.
    """

    __tablename__ = "coverages"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    payer_id: UUID
    place: str
    state: str = "active"
    member_id: str
    group_number: str | None = None
    plan_name: str | None = None
    relationship: str
    subscriber_family_name: str
    subscriber_given_name: str | None = None
    subscriber_birth_date: date | None = None
    subscriber_gender: str | None = None
    dependent_family_name: str | None = None
    dependent_given_name: str | None = None
    dependent_birth_date: date | None = None
    dependent_gender: str | None = None
    effective_from: date
    effective_to: date | None = None
    edition: int = 1
    version: int = 1
    event_seq: int = 0


class SelfPayMark(Base, table=True):
    """What the patient said about paying themselves, for a visit or for all. The latest counts."""

    __tablename__ = "self_pay_marks"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    appointment_id: UUID | None = None
    self_pay: bool
    marked_at: datetime
    marked_by: str


class Check(Base, table=True):
    """One question to a payer about one coverage on one day, and what came of it.

    number: the order in which the coverage was asked about. request, response: the 270 and the 271
    as they went over the wire. benefits: what a payer that verified says; refusal: why one refuses.
    fault: why nothing of an answer is used, or why there is none.
    """

    __tablename__ = "checks"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    coverage_id: UUID
    edition: int
    appointment_id: UUID | None = None
    service_date: date
    number: int
    state: str = "queued"
    reason: str | None = None
    fault: str | None = None
    trace: str
    request: bytes
    response: bytes | None = None
    benefits: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    refusal: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    sentence: str | None = None
    requested_at: datetime
    requested_by: str
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    version: int = 1


class VisitCover(Base, table=True):
    """The verdict on a visit's cover, as it was last said."""

    __tablename__ = "visit_covers"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    verdict: str
    reason: str
    coverage_id: UUID | None = None
    check_id: UUID | None = None
    decided_at: datetime
    version: int = 1
    event_seq: int = 0


class Estimate(Base, table=True):
    """What a visit will likely cost the patient; `revision` is the one that counts."""

    __tablename__ = "estimates"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    revision: int = 0
    version: int = 1
    event_seq: int = 0


class EstimateRevision(Base, table=True):
    """One estimate of a visit, with what it was made from. It never changes."""

    __tablename__ = "estimate_revisions"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    id: UUID
    service_code: str
    fee_id: UUID
    check_id: UUID | None = None
    verdict: str
    verdict_reason: str
    currency: str
    fee_cents: int = Field(sa_type=BigInteger)
    patient_cents: int = Field(sa_type=BigInteger)
    copay_cents: int = Field(sa_type=BigInteger)
    low_cents: int = Field(sa_type=BigInteger)
    high_cents: int = Field(sa_type=BigInteger)
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    reasons: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime


class KnownVisit(Base, table=True):
    """What this service has heard of a visit. placed_at: when it was booked or last moved."""

    __tablename__ = "known_visits"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    new_patient: bool
    state: str = "booked"
    placed_at: datetime


class KnownPatient(Base, table=True):
    """A person who is a patient of the network."""

    __tablename__ = "known_patients"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    registered_at: datetime


class KnownClinic(Base, table=True):
    """A clinic: the zone in which the day of a visit is told."""

    __tablename__ = "known_clinics"

    network_id: UUID = Field(primary_key=True)
    clinic_id: UUID = Field(primary_key=True)
    time_zone: str


class KnownType(Base, table=True):
    """A kind of visit: the service that it is priced as."""

    __tablename__ = "known_types"

    network_id: UUID = Field(primary_key=True)
    appointment_type_id: UUID = Field(primary_key=True)
    service_code_new: str
    service_code_known: str


class KnownFee(Base, table=True):
    """A clinic's price of one service from a day on."""

    __tablename__ = "known_fees"

    network_id: UUID = Field(primary_key=True)
    fee_id: UUID = Field(primary_key=True)
    clinic_id: UUID
    service_code: str
    amount_cents: int = Field(sa_type=BigInteger)
    currency: str
    effective_from: date


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
