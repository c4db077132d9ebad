"""Tables of money that came in or went back, and of its receipts."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.payments.tables.registry import Base


class Payment(Base, table=True):
    """Money that came in, or was meant to.

    refunded_cents: what was given back or may yet be; a declined refund gives its share back.
    twin_of: another payment of the same sum by the same person moments before.
    """

    __tablename__ = "payments"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_id: UUID | None = None
    method: str
    status: str
    amount_cents: int = Field(sa_type=BigInteger)
    currency: str
    refunded_cents: int = Field(default=0, sa_type=BigInteger)
    tendered_cents: int | None = Field(default=None, sa_type=BigInteger)
    check_number: str | None = None
    drawer_id: UUID | None = None
    note: str | None = None
    card_brand: str | None = None
    card_last4: str | None = None
    approval_code: str | None = None
    processor_reference: str | None = None
    decline_code: str | None = None
    twin_of: UUID | None = None
    business_date: date
    taken_at: datetime
    taken_by: str
    posted_at: datetime | None = None
    version: int = 1


class Refund(Base, table=True):
    """Money that went back, or is meant to."""

    __tablename__ = "refunds"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    payment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    method: str
    status: str
    amount_cents: int = Field(sa_type=BigInteger)
    currency: str
    reason: str
    check_number: str | None = None
    drawer_id: UUID | None = None
    approval_code: str | None = None
    processor_reference: str | None = None
    decline_code: str | None = None
    business_date: date
    asked_at: datetime
    asked_by: str
    posted_at: datetime | None = None
    version: int = 1


class ReceiptCounter(Base, table=True):
    """The last receipt number of a clinic; raised in the transaction that gives the next."""

    __tablename__ = "receipt_counters"

    network_id: UUID = Field(primary_key=True)
    clinic_id: UUID = Field(primary_key=True)
    last_number: int = 0


class ReceiptRow(Base, table=True):
    """A receipt as it was issued. Only the state of its PDF ever changes.

    content: what it says, without any name. instrument: what was paid with.
    """

    __tablename__ = "receipts"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    number: int
    direction: str
    payment_id: UUID
    refund_id: UUID | None = None
    patient_id: UUID
    amount_cents: int = Field(sa_type=BigInteger)
    currency: str
    owed_after_cents: int = Field(sa_type=BigInteger)
    time_zone: str
    issued_at: datetime
    visit_on: date | None = None
    instrument: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    content: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    pdf_state: str = "waiting"
    version: int = 1


class ReceiptPdf(Base, table=True):
    """The printed receipt, with the names that were asked for when it was printed."""

    __tablename__ = "receipt_pdfs"

    network_id: UUID = Field(primary_key=True)
    receipt_id: UUID = Field(primary_key=True)
    pdf: bytes
    rendered_at: datetime
