"""The tables of appointments, on a registry of their own."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import BigInteger, Column, Computed
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Base(SQLModel, registry=registry()):
    """Holds this service's metadata apart from every other service's in the process."""


metadata = Base.metadata


class Clinic(Base, table=True):
    """A place where patients are seen."""

    __tablename__ = "clinics"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    name: str
    time_zone: str
    currency: str
    phone: str | None = None
    address: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = 1
    event_seq: int = 0


class Room(Base, table=True):
    """A room of a clinic; `position` is the order in which rooms fill up."""

    __tablename__ = "rooms"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    name: str
    capacity: int = 1
    position: int = 0
    version: int = 1


class Provider(Base, table=True):
    """Who sees patients. The NPI is kept only when its check digit holds."""

    __tablename__ = "providers"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    family_name: str
    given_name: str | None = None
    npi: str | None = None
    active_from: date | None = None
    active_until: date | None = None
    capacity: int = 1
    overbook_quota: int = 1
    version: int = 1


class ProviderClinic(Base, table=True):
    """A provider works at a clinic."""

    __tablename__ = "provider_clinics"

    network_id: UUID = Field(primary_key=True)
    provider_id: UUID = Field(primary_key=True)
    clinic_id: UUID = Field(primary_key=True)


class AppointmentType(Base, table=True):
    """A kind of visit."""

    __tablename__ = "appointment_types"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    name: str
    minutes_new: int
    minutes_known: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    needs_room: bool = False
    lead_time_minutes: int = 0
    horizon_days: int = 366
    service_code_new: str
    service_code_known: str
    version: int = 1
    event_seq: int = 0


class WeeklySchedule(Base, table=True):
    """A provider is in at a clinic on a weekday, in wall time."""

    __tablename__ = "weekly_schedules"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    provider_id: UUID
    clinic_id: UUID
    weekday: int
    opens: time
    closes: time
    effective_from: date | None = None
    effective_until: date | None = None


class Appointment(Base, table=True):
    """A visit, in four dimensions of status."""

    __tablename__ = "appointments"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    room_id: UUID | None = None
    starts_at: datetime
    ends_at: datetime
    lifecycle: str = "booked"
    confirmation: str = "unconfirmed"
    flow: str = "expected"
    readiness: str = "unknown"
    new_patient: bool = False
    walk_in: bool = False
    overbooked: bool = False
    overlap_reason: str | None = None
    moves: int = 0
    booked_at: datetime
    checked_in_at: datetime | None = None
    checked_out_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    late_cancel: bool = False
    waivers: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = 1
    event_seq: int = 0


class AppointmentMove(Base, table=True):
    """One move of a visit: where it was and where it went."""

    __tablename__ = "appointment_moves"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    move: int = Field(primary_key=True)
    id: UUID
    from_clinic_id: UUID
    from_provider_id: UUID
    from_room_id: UUID | None = None
    from_starts_at: datetime
    from_ends_at: datetime
    to_clinic_id: UUID
    to_provider_id: UUID
    to_room_id: UUID | None = None
    to_starts_at: datetime
    to_ends_at: datetime
    reason: str
    moved_at: datetime
    moved_by: str


class Occupancy(Base, table=True):
    """Time that is taken of a provider, a room or a patient. Lane 0 is every lane: a block."""

    __tablename__ = "occupancies"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    resource_kind: str
    resource_id: UUID
    lane: int
    starts_at: datetime
    ends_at: datetime
    appointment_id: UUID | None = None
    active: bool = True
    during: object = Field(
        default=None,
        sa_column=Column(TSTZRANGE, Computed("tstzrange(starts_at, ends_at)", persisted=True)),
    )


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
