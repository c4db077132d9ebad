"""Visits that repeat."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.appointments.tables.registered import Base


class Series(Base, table=True):
    """A rule by which visits repeat; each of them is an appointment of its own.

    first_start: the wall time of the first, in `time_zone`. left_out: the occurrences that are no
    visits, each with the code of what stood in its way.
    """

    __tablename__ = "series"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    rrule: str
    first_start: datetime
    time_zone: str
    on_conflict: str
    occurrences: int
    left_out: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB))
    made_at: datetime
    version: int = 1
    event_seq: int = 0
