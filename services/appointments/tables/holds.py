"""Time that is held for some minutes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Column, Uuid
from sqlmodel import Field

from services.appointments.tables.registered import Base


class Hold(Base, table=True):
    """Time that is kept for a patient, or for nobody yet, until `expires_at`.

    purpose: `booking` counts against the cap of who holds it; `offer` is held by the service.
    session_id: the group session of which it holds a seat.
    """

    __tablename__ = "holds"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID | None = None
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    room_id: UUID | None = None
    modality: str = "in_person"
    further_provider_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    starts_at: datetime
    ends_at: datetime
    overbooked: bool = False
    overlap_reason: str | None = None
    session_id: UUID | None = None
    purpose: str = "booking"
    state: str = "held"
    held_by: str
    held_at: datetime
    expires_at: datetime
    extended: bool = False
    ended_at: datetime | None = None
    appointment_id: UUID | None = None
    version: int = 1
    event_seq: int = 0
