"""Tables of prices and charges."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Integer, Text
from sqlmodel import Field

from services.payments.tables.registry import Base


class FeePrice(Base, table=True):
    """A clinic's price of a code on the days [effective_from, effective_to)."""

    __tablename__ = "fees"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    code: str
    amount_cents: int = Field(sa_type=BigInteger)
    currency: str
    effective_from: date
    effective_to: date | None = None
    priced_at: datetime
    priced_by: str
    version: int = 1
    event_seq: int = 0


class Charge(Base, table=True):
    """What was done at a visit and what it costs. At most one of a visit stands."""

    __tablename__ = "charges"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    status: str
    amount_cents: int = Field(sa_type=BigInteger)
    currency: str
    diagnoses: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    service_date: date
    business_date: date
    captured_at: datetime
    captured_by: str
    version: int = 1


class ChargeLine(Base, table=True):
    """One service of a charge, at the price of its day. Never changed."""

    __tablename__ = "charge_lines"

    network_id: UUID = Field(primary_key=True)
    charge_id: UUID = Field(primary_key=True)
    line: int = Field(primary_key=True)
    code: str
    units: int
    unit_price_cents: int = Field(sa_type=BigInteger)
    amount_cents: int = Field(sa_type=BigInteger)
    modifiers: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    diagnoses: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))


class NoCharge(Base, table=True):
    """A visit that costs nothing, and why. A charge of the visit outweighs it."""

    __tablename__ = "no_charges"

    network_id: UUID = Field(primary_key=True)
    appointment_id: UUID = Field(primary_key=True)
    reason: str
    note: str | None = None
    noted_at: datetime
    noted_by: str
    version: int = 1
