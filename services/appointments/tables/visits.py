"""Visits, their moves, and the time they take."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Column, Computed, Uuid
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE
from sqlmodel import Field

from services.appointments.tables.registered import Base


class Appointment(Base, table=True):
    """A visit, in four dimensions of status.

    utc_offset_minutes: of the clinic at its start, with which it was booked. self_booked: by the
    patient, or somebody who may act for them.
    """

    __tablename__ = "appointments"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    room_id: UUID | None = None
    further_provider_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    equipment_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    session_id: UUID | None = None
    seat: int | None = None
    series_id: UUID | None = None
    occurrence: int | None = None
    starts_at: datetime
    ends_at: datetime
    utc_offset_minutes: int
    lifecycle: str = "booked"
    confirmation: str = "unsent"
    flow: str = "expected"
    readiness: str = "unknown"
    modality: str = "in_person"
    new_patient: bool = False
    walk_in: bool = False
    self_booked: bool = False
    overbooked: bool = False
    overlap_reason: str | None = None
    moves: int = 0
    booked_at: datetime
    arrived_at: datetime | None = None
    call_day: date | None = None
    call_number: int | None = None
    checked_in_at: datetime | None = None
    checked_out_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    late_cancel: bool = False
    cancelled_by: str | None = None
    cancel_notice_minutes: int | None = None
    keeps_time: bool = False
    waivers: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    decided_by: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB))
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

    session_id: the group session that occupies it. seat_of, seats: of a seat, the session and how
    many it has. hold_id, expires_at: what holds it, and until when; then it is free for anybody.
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
    session_id: UUID | None = None
    seat_of: UUID | None = None
    seats: int | None = None
    hold_id: UUID | None = None
    expires_at: datetime | None = None
    block_id: UUID | None = None
    only_type_id: UUID | None = None
    active: bool = True
    during: object = Field(
        default=None,
        sa_column=Column(TSTZRANGE, Computed("tstzrange(starts_at, ends_at)", persisted=True)),
    )
