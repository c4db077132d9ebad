"""Issuing receipts, and keeping what was printed of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.payments.domain.payment import Method
from services.payments.domain.receipt_text import (
    Direction,
    Instrument,
    Item,
    Letterhead,
    Receipt,
    content,
)
from services.payments.queries.books import Books
from services.payments.queries.money import receipt_of
from services.payments.tables import ReceiptCounter, ReceiptPdf, ReceiptRow
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict
from shared.values.money import Money
from shared.values.zones import zone

RENDER = "render_receipt"
WITHOUT_NAMES = Letterhead("")
"""The letterhead of what is stored: names are asked for when a receipt is printed."""


def receipt_lock(receipt_id: UUID) -> LockKey:
    """One receipt, and what is printed of it."""
    return lock_key("receipt", receipt_id)


@dataclass(frozen=True, slots=True)
class Issue:
    """What a receipt is issued for. owed_after_cents: what the patient owes after."""

    direction: Direction
    payment_id: UUID
    refund_id: UUID | None
    patient_id: UUID
    amount: Money
    owed_after_cents: int
    instrument: Instrument
    items: Sequence[Item]
    visit_on: date | None


async def issue(work: Work, books: Books, given: Issue) -> ReceiptRow:
    """Issue a receipt with the clinic's next number, and have it printed.

    Called under the lock of the clinic's receipts, in the transaction of the posting: where that
    is rolled back the number is free again, so there is no hole.
    """
    number = await _next_number(work, books.clinic_id)
    receipt = Receipt(
        number=number,
        direction=given.direction,
        letterhead=WITHOUT_NAMES,
        issued_at=work.now,
        zone=books.zone,
        instrument=given.instrument,
        items=given.items,
        amount=given.amount,
        owed_after=Money(given.owed_after_cents, given.amount.currency),
        visit_on=given.visit_on,
    )
    row = ReceiptRow(
        id=work.new_id(f"receipt/{given.refund_id or given.payment_id}"),
        network_id=work.network_id,
        clinic_id=books.clinic_id,
        number=number,
        direction=given.direction.value,
        payment_id=given.payment_id,
        refund_id=given.refund_id,
        patient_id=given.patient_id,
        amount_cents=given.amount.cents,
        currency=given.amount.currency,
        owed_after_cents=given.owed_after_cents,
        time_zone=books.zone.key,
        issued_at=work.now,
        visit_on=given.visit_on,
        instrument=instrument_facts(given.instrument),
        content=content(receipt),
    )
    work.add(row)
    work.intent(RENDER, row.id)
    return row


async def _next_number(work: Work, clinic_id: UUID) -> int:
    rows = await work.load_where(ReceiptCounter, "clinic_id = $2", clinic_id)
    if rows:
        counter = rows[0]
        work.save(counter)
    else:
        counter = ReceiptCounter(network_id=work.network_id, clinic_id=clinic_id, last_number=0)
        work.add(counter)
    counter.last_number += 1
    return counter.last_number


def instrument_facts(instrument: Instrument) -> dict[str, Any]:
    """What was paid with, as plain JSON values."""
    tendered = instrument.tendered
    return {
        "method": instrument.method.value,
        "check_number": instrument.check_number,
        "card_brand": instrument.card_brand,
        "card_last4": instrument.card_last4,
        "approval_code": instrument.approval_code,
        "tendered_cents": tendered.cents if tendered else None,
    }


def printable(
    row: ReceiptRow, letterhead: Letterhead, received_from: str | None, mrn: str | None
) -> Receipt:
    """The receipt of a row, with the names that belong on it."""
    paid_with = row.instrument
    tendered = paid_with["tendered_cents"]
    return Receipt(
        number=row.number,
        direction=Direction(row.direction),
        letterhead=letterhead,
        issued_at=row.issued_at,
        zone=zone(row.time_zone),
        instrument=Instrument(
            method=Method(paid_with["method"]),
            check_number=paid_with["check_number"],
            card_brand=paid_with["card_brand"],
            card_last4=paid_with["card_last4"],
            approval_code=paid_with["approval_code"],
            tendered=None if tendered is None else Money(tendered, row.currency),
        ),
        items=[Item(i["text"], Money(i["cents"], row.currency)) for i in row.content["items"]],
        amount=Money(row.amount_cents, row.currency),
        owed_after=Money(row.owed_after_cents, row.currency),
        visit_on=row.visit_on,
        received_from=received_from,
        mrn=mrn,
    )


async def keep_pdf(work: Work, receipt_id: UUID, pdf: bytes) -> None:
    """Keep what was printed. Printed a second time, the first stays."""
    row = await receipt_of(work, receipt_id)
    if row.pdf_state == "rendered":
        return
    row.pdf_state = "rendered"
    work.save(row)
    work.add(
        ReceiptPdf(network_id=work.network_id, receipt_id=receipt_id, pdf=pdf, rendered_at=work.now)
    )


async def note_not_printed(work: Work, receipt_id: UUID) -> None:
    """Every try to print it failed; a person may ask for it again."""
    row = await receipt_of(work, receipt_id)
    if row.pdf_state == "waiting":
        row.pdf_state = "failed"
        work.save(row)


async def print_again(work: Work, receipt_id: UUID) -> ReceiptRow:
    """Have a receipt printed that could not be. Raises Conflict ``receipt.not_failed``."""
    row = await receipt_of(work, receipt_id)
    if row.pdf_state != "failed":
        raise Conflict("receipt.not_failed", "It is printed, or is being printed.")
    row.pdf_state = "waiting"
    work.save(row)
    work.intent(RENDER, row.id)
    return row
