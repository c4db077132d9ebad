"""Putting entries into the ledger, and keeping accounts equal to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.payments.domain.accounts import Kind
from services.payments.domain.allocation import Part
from services.payments.domain.ledger import Entry, postable
from services.payments.queries.accounts import account_of
from services.payments.queries.books import Books, closed_days
from services.payments.tables import Account, Allocation, LedgerEntry, LedgerLine
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Invalid

PATIENT_KINDS = (Kind.PATIENT_RECEIVABLE, Kind.PATIENT_CREDIT)


def account_lock(patient_id: UUID) -> LockKey:
    """A patient's account, and all that is allocated in it."""
    return lock_key("account", patient_id)


def day_lock(clinic_id: UUID, business_date: date) -> LockKey:
    """The books of a clinic's day: what is posted into it, and its close."""
    return lock_key("day", f"{clinic_id}/{business_date.isoformat()}")


def receipts_lock(clinic_id: UUID) -> LockKey:
    """The receipt numbers of a clinic."""
    return lock_key("receipts", clinic_id)


@dataclass(frozen=True, slots=True)
class Source:
    """What an entry is the record of, on which day of whose books, and for whom."""

    id: UUID
    business_date: date
    patient_id: UUID | None = None


async def open_account(work: Work, patient_id: UUID, currency: str) -> Account:
    """The patient's account, made with its first posting. It is written when the work ends.

    Raises Invalid ``amount.currency_mismatch`` where the account is kept in another currency.
    """
    row = await account_of(work, patient_id)
    if row is None:
        row = Account(network_id=work.network_id, patient_id=patient_id, currency=currency)
        work.add(row)
        return row
    if row.currency != currency:
        raise Invalid("amount.currency_mismatch", "The account is kept in another currency.")
    work.save(row)
    return row


async def post(
    work: Work, entry: Entry, books: Books, source: Source, account: Account | None = None
) -> LedgerEntry:
    """Post an entry, and move the balance of `account` by what it does to its patient.

    Raises what `ledger.postable` raises: a closed day, a day to come, an entry that is not whole.
    """
    closed = await closed_days(work, books.clinic_id, source.business_date)
    postable(entry, business_date=source.business_date, today=books.today, days_closed=closed)
    row = LedgerEntry(
        id=work.new_id(f"entry/{entry.kind}/{source.id}"),
        network_id=work.network_id,
        clinic_id=books.clinic_id,
        patient_id=source.patient_id,
        kind=entry.kind.value,
        source_id=source.id,
        business_date=source.business_date,
        posted_at=work.now,
        posted_by=str(work.actor),
    )
    work.add(row, *_lines(row, entry))
    if account is not None:
        account.balance_cents += sum(
            line.cents for line in entry.lines if line.account.kind in PATIENT_KINDS
        )
    return row


def _lines(row: LedgerEntry, entry: Entry) -> Iterable[LedgerLine]:
    return [
        LedgerLine(
            network_id=row.network_id,
            entry_id=row.id,
            line=number,
            account_kind=line.account.kind.value,
            owner_id=line.account.owner,
            cents=line.cents,
            currency=line.currency,
        )
        for number, line in enumerate(entry.lines, start=1)
    ]


def allocate_rows(
    work: Work, account: Account, payment_id: UUID, entry: LedgerEntry, parts: Sequence[Part]
) -> None:
    """Write where cents of a payment come to stand, or (below zero) what they leave."""
    for part in parts:
        account.allocated += 1
        work.add(
            Allocation(
                network_id=work.network_id,
                patient_id=account.patient_id,
                position=account.allocated,
                payment_id=payment_id,
                charge_id=part.charge_id,
                visit_id=part.visit_id,
                purpose=part.purpose.value,
                cents=part.cents,
                entry_id=entry.id,
            )
        )
