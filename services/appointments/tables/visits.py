"""Visits, their moves, and the time they take."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Computed
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE
from sqlmodel import Field

from services.appointments.tables.registered import Base


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
    """Time that is taken of a provider, a room or a patient. Lane 0 is every lane: a block.

    Lanes below 0 are fences of blocks: the rule takes them for every lane, and they stand beside
    visits that stay. `only_type_id`: for visits of this type a fence is open.
    """

    __tablename__ = "occupancies"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    resource_kind: str
    resource_id: UUID
    lane: int
    starts_at: datetime
    ends_at: datetime
    appointment_id: UUID | None = None
    block_id: UUID | None = None
    only_type_id: UUID | None = None
    active: bool = True
    during: object = Field(
        default=None,
        sa_column=Column(TSTZRANGE, Computed("tstzrange(starts_at, ends_at)", persisted=True)),
    )
