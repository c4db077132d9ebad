"""What opens and closes time beyond the hours of a template."""

from datetime import date, datetime, time
from uuid import UUID

from sqlmodel import Field

from services.appointments.tables.registered import Base


class ScheduleException(Base, table=True):
    """Days on which a provider's hours differ: closed, or other hours at a clinic."""

    __tablename__ = "schedule_exceptions"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    provider_id: UUID
    first_day: date
    last_day: date
    clinic_id: UUID | None = None
    opens: time | None = None
    closes: time | None = None
    withdrawn_at: datetime | None = None
    version: int = 1


class ProviderCredential(Base, table=True):
    """What somebody may practise by, in a region, and when."""

    __tablename__ = "provider_credentials"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    provider_id: UUID
    kind: str
    region: str
    number: str
    effective_from: date
    effective_until: date | None = None
    version: int = 1


class Block(Base, table=True):
    """Time of providers and rooms that is not for visits, or for those of one type alone."""

    __tablename__ = "blocks"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    kind: str
    starts_at: datetime
    ends_at: datetime
    utc_offset_minutes: int
    end_utc_offset_minutes: int
    appointment_type_id: UUID | None = None
    note: str | None = None
    created_at: datetime
    created_by: str
    lifted_at: datetime | None = None
    version: int = 1
    event_seq: int = 0


class BlockResource(Base, table=True):
    """Whose time a block takes."""

    __tablename__ = "block_resources"

    network_id: UUID = Field(primary_key=True)
    block_id: UUID = Field(primary_key=True)
    resource_id: UUID = Field(primary_key=True)
    resource_kind: str


class CalendarFeed(Base, table=True):
    """What a calendar subscribes to. Of its secret the hash alone is kept."""

    __tablename__ = "calendar_feeds"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    provider_id: UUID | None = None
    clinic_id: UUID | None = None
    secret_hash: bytes | None = None
    created_at: datetime
    created_by: str
    rotated_at: datetime | None = None
    revoked_at: datetime | None = None
    version: int = 1


class OnCallShift(Base, table=True):
    """Somebody is on call for a role. `scope_id` stands for clinic, role and rank."""

    __tablename__ = "on_call_shifts"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID | None = None
    role: str
    rank: str
    scope_id: UUID
    provider_id: UUID
    starts_at: datetime
    ends_at: datetime
    utc_offset_minutes: int
    end_utc_offset_minutes: int
    time_zone: str
    withdrawn_at: datetime | None = None
    version: int = 1
