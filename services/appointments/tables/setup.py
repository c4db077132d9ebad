"""What a network enters before it can book."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.appointments.tables.registered import Base


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
    hours: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSONB, nullable=False)
    )
    holidays: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSONB, nullable=False)
    )
    credential_kind: str | None = None
    credential_region: str | None = None
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
    kind: str | None = None
    version: int = 1


class Equipment(Base, table=True):
    """An item of a clinic; `position` is the order in which items of a kind are used.

    out_from, out_until: the local days on which it is out of service.
    """

    __tablename__ = "equipment"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    kind: str
    name: str
    capacity: int = 1
    position: int = 0
    out_from: date | None = None
    out_until: date | None = None
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
    room_kind: str | None = None
    equipment: dict[str, int] | None = Field(default=None, sa_column=Column(JSONB))
    providers: int = 1
    lead_time_minutes: int = 0
    horizon_days: int = 366
    modalities: list[str] = Field(default=["in_person"], sa_column=Column(JSONB, nullable=False))
    service_code_new: str
    service_code_known: str
    version: int = 1
    event_seq: int = 0


class WeeklySchedule(Base, table=True):
    """A provider is in at a clinic on a weekday of a rhythm, in wall time."""

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
    rhythm: str = "weekly"
    anchor: date | None = None
    nth: int | None = None
    called_off_at: datetime | None = None
    version: int = 1
    event_seq: int = 0
