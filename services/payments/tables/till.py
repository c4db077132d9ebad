"""Tables of drawers and of closed days."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.payments.tables.registry import Base


class Drawer(Base, table=True):
    """One session of a drawer, from its float to its count. One of a name is open at a clinic."""

    __tablename__ = "drawers"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    name: str
    status: str
    currency: str
    float_cents: int = Field(sa_type=BigInteger)
    business_date: date
    opened_at: datetime
    opened_by: str
    expected_cents: int | None = Field(default=None, sa_type=BigInteger)
    expected_check_count: int | None = None
    expected_check_cents: int | None = Field(default=None, sa_type=BigInteger)
    counted_cents: int | None = Field(default=None, sa_type=BigInteger)
    counted_check_count: int | None = None
    counted_check_cents: int | None = Field(default=None, sa_type=BigInteger)
    variance_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    version: int = 1
    event_seq: int = 0


class BusinessDay(Base, table=True):
    """A closed day of a clinic, with its report. There is none of a day that is open."""

    __tablename__ = "business_days"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    business_date: date
    report: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    closed_at: datetime
    closed_by: str
    version: int = 1
    event_seq: int = 0
