"""Tables of patient accounts and of the ledger. Ledger and allocations are only ever added to."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger
from sqlmodel import Field

from services.payments.tables.registry import Base


class Account(Base, table=True):
    """A patient's account: what they owe, equal to the sum of their two accounts in the ledger.

    allocated: how many allocations there are; the next one has the number after it.
    """

    __tablename__ = "accounts"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    currency: str
    balance_cents: int = Field(default=0, sa_type=BigInteger)
    allocated: int = 0
    version: int = 1
    event_seq: int = 0


class LedgerEntry(Base, table=True):
    """One entry. `source_id` is the charge, payment, refund or drawer that it is the record of."""

    __tablename__ = "ledger_entries"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    patient_id: UUID | None = None
    kind: str
    source_id: UUID
    business_date: date
    posted_at: datetime
    posted_by: str


class LedgerLine(Base, table=True):
    """One side of an entry: signed cents, a debit above zero and a credit below."""

    __tablename__ = "ledger_lines"

    network_id: UUID = Field(primary_key=True)
    entry_id: UUID = Field(primary_key=True)
    line: int = Field(primary_key=True)
    account_kind: str
    owner_id: UUID | None = None
    cents: int = Field(sa_type=BigInteger)
    currency: str


class Allocation(Base, table=True):
    """Cents of a payment that came to meet a charge or to stand as credit, or left it again.

    Without `charge_id` it is credit, kept for `visit_id` where that is set. Below zero: it left.
    """

    __tablename__ = "allocations"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True)
    payment_id: UUID
    charge_id: UUID | None = None
    visit_id: UUID | None = None
    purpose: str
    cents: int = Field(sa_type=BigInteger)
    entry_id: UUID
