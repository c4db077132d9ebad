"""Group sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Column, Uuid
from sqlmodel import Field

from services.appointments.tables.registered import Base


class Session(Base, table=True):
    """A time of a provider and a room, with seats that patients take.

    utc_offset_minutes: of the clinic at its start, with which it was entered.
    """

    __tablename__ = "sessions"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    provider_id: UUID
    further_provider_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    appointment_type_id: UUID
    room_id: UUID | None = None
    equipment_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    starts_at: datetime
    ends_at: datetime
    utc_offset_minutes: int
    seats: int
    state: str = "open"
    moves: int = 0
    opened_at: datetime
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    version: int = 1
    event_seq: int = 0
