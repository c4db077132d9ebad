"""What a network asks of bookings."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.appointments.tables.registered import Base


class BookingRule(Base, table=True):
    """One version of a booking rule. It is never changed but to end it; a change is a new one.

    rule_version counts the versions of a kind with the same clinic, kind of visit and provider;
    version is the row's own, for its ETag.
    """

    __tablename__ = "booking_rules"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    kind: str
    rule_version: int
    value: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    binds: str
    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None
    provider_id: UUID | None = None
    effective_from: date | None = None
    effective_until: date | None = None
    entered_at: datetime
    entered_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    version: int = 1
