"""Times that patients ask the desk for."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Column, DateTime
from sqlmodel import Field

from services.appointments.tables.registered import Base


class AppointmentRequest(Base, table=True):
    """A time that somebody asks for. wished: 1 to 3 starts, the one they like best first.

    last_wished: the latest of them; then it is over. note: what they say beside it; it stays here.
    reason: why it was declined.
    """

    __tablename__ = "appointment_requests"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    provider_id: UUID | None = None
    wished: list[datetime] = Field(sa_column=Column(ARRAY(DateTime(timezone=True)), nullable=False))
    last_wished: datetime
    note: str | None = None
    state: str = "open"
    made_at: datetime
    made_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str | None = None
    appointment_id: UUID | None = None
    version: int = 1
    event_seq: int = 0
