"""Taking money: cash and checks at once, cards by an errand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.payments import events
from services.payments.commands import receipts
from services.payments.commands.drawers import drawer_lock, require_takes_money
from services.payments.commands.posting import (
    Source,
    account_lock,
    allocate_rows,
    day_lock,
    open_account,
    post,
    receipts_lock,
)
from services.payments.domain import postings
from services.payments.domain.allocation import Due, Part, Purpose, allocate, applied_cents
from services.payments.domain.amounts import payable
from services.payments.domain.card_data import without_card_data
from services.payments.domain.payment import (
    Method,
    Move,
    change_due,
    check_number,
    first_status,
    next_status,
)
from services.payments.domain.receipt_text import Direction, Instrument, Item, day_text
from services.payments.queries.accounts import copay_of, dues_of
from services.payments.queries.books import (
    Books,
    books_of,
    require_open_day,
    require_patient,
    visit_of,
)
from services.payments.queries.money import twin_of
from services.payments.tables import Account, KnownVisit, Payment
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.money import Money

CHARGE_CARD = "charge_card"
CARD_TOKEN = "card_token"  # noqa: S105 - the name of the member
"""What the processor calls a card: it stands in the errand alone, until the outcome is known."""
NEEDED: Mapping[Method, str] = {
    Method.CASH: "drawer_id",
    Method.CHECK: "check_number",
    Method.CARD: "card_token",
}
TAKEN: Mapping[Method, tuple[str, ...]] = {
    Method.CASH: ("tendered_cents",),
    Method.CHECK: ("drawer_id",),
    Method.CARD: (),
}
"""What a payment of each method must name, and what it may name besides."""


@dataclass(frozen=True, slots=True)
class PaymentWish:
    """Money that somebody wants to pay. card_token: the processor's own, never a number."""

    patient_id: UUID
    clinic_id: UUID
    method: Method
    amount_cents: int
    currency: str | None = None
    appointment_id: UUID | None = None
    drawer_id: UUID | None = None
    tendered_cents: int | None = None
    check_number: str | None = None
    card_token: str | None = None
    note: str | None = None


def payment_lock(payment_id: UUID) -> LockKey:
    """One payment and its refunds."""
    return lock_key("payment", payment_id)


async def payment_locks(work: Work, wish: PaymentWish) -> Sequence[LockKey]:
    """The patient's account, the clinic's day and receipts, and the drawer."""
    books = await books_of(work, wish.clinic_id)
    keys = [
        account_lock(wish.patient_id),
        day_lock(wish.clinic_id, books.today),
        receipts_lock(wish.clinic_id),
    ]
    if wish.drawer_id is not None:
        keys.append(drawer_lock(wish.drawer_id))
    return keys


async def take(work: Work, wish: PaymentWish) -> Payment:
    """Take a payment: cash and checks are posted with a receipt, a card is sent for.

    Raises NotFound for an unknown clinic, patient, visit or drawer; Invalid for an amount or a
    means of payment that cannot be; Conflict ``ledger.day_closed`` and what drawers raise.
    """
    books = await books_of(work, wish.clinic_id)
    money = _amount(wish, books)
    _check_means(wish, money)
    await require_patient(work, wish.patient_id)
    visit = await _visit(work, wish)
    await require_open_day(work, books)
    if wish.drawer_id is not None:
        await require_takes_money(work, books, wish.drawer_id)
    account = await open_account(work, wish.patient_id, money.currency)
    row = Payment(
        id=work.new_id("payment"),
        network_id=work.network_id,
        patient_id=wish.patient_id,
        clinic_id=wish.clinic_id,
        appointment_id=wish.appointment_id,
        method=wish.method.value,
        status=first_status(wish.method).value,
        amount_cents=money.cents,
        currency=money.currency,
        tendered_cents=wish.tendered_cents,
        check_number=wish.check_number,
        drawer_id=wish.drawer_id,
        note=wish.note,
        twin_of=await twin_of(
            work, wish.patient_id, books.clinic_id, wish.method.value, money.cents, work.now
        ),
        business_date=books.today,
        taken_at=work.now,
        taken_by=str(work.actor),
    )
    work.add(row)
    if wish.method is Method.CARD:
        row.status = next_status(first_status(Method.CARD), Move.SEND).value
        work.intent(CHARGE_CARD, row.id, card_facts(row, wish.card_token or ""))
    else:
        await post_payment(work, row, account, books, visit)
    return row


def _amount(wish: PaymentWish, books: Books) -> Money:
    money = payable(wish.amount_cents, wish.currency or books.currency)
    if money.currency != books.currency:
        raise Invalid(
            "amount.currency_mismatch", "The clinic asks another currency.", pointer="/currency"
        )
    return money


def _check_means(wish: PaymentWish, money: Money) -> None:
    """Each method needs what belongs to it, and takes nothing that belongs to another."""
    for name in ("drawer_id", "check_number", "card_token", "tendered_cents"):
        given = getattr(wish, name) is not None
        if not given and name == NEEDED[wish.method]:
            raise Invalid("payment.means_missing", "This method needs it.", pointer=f"/{name}")
        if given and name not in (NEEDED[wish.method], *TAKEN[wish.method]):
            title = "This method does not take it."
            raise Invalid("payment.means_foreign", title, pointer=f"/{name}")
    for name in ("check_number", "card_token", "note"):
        text = getattr(wish, name)
        if text is not None:
            without_card_data(text, pointer=f"/{name}")
    if wish.check_number is not None:
        check_number(wish.check_number)
    if wish.tendered_cents is not None:
        change_due(money, wish.tendered_cents)


async def _visit(work: Work, wish: PaymentWish) -> KnownVisit | None:
    if wish.appointment_id is None:
        return None
    visit = await visit_of(work, wish.appointment_id)
    if visit.patient_id != wish.patient_id:
        raise Invalid(
            "payment.other_patient", "The visit is another patient's.", pointer="/appointment_id"
        )
    return visit


def card_facts(row: Payment, card_token: str) -> dict[str, object]:
    """What the errand that charges a card is told."""
    return {
        "patient_id": str(row.patient_id),
        "clinic_id": str(row.clinic_id),
        "business_date": row.business_date.isoformat(),
        "amount_cents": row.amount_cents,
        "currency": row.currency,
        CARD_TOKEN: card_token,
    }


async def post_payment(
    work: Work, row: Payment, account: Account, books: Books, visit: KnownVisit | None
) -> None:
    """Put a payment into the ledger: today's copay, then the oldest balance, then credit."""
    money = Money(row.amount_cents, row.currency)
    dues = await dues_of(work, row.patient_id)
    open_copay = 0
    if row.appointment_id is not None:
        open_copay = (await copay_of(work, row.patient_id, row.appointment_id)).open_cents
    parts = allocate(money.cents, dues, visit_id=row.appointment_id, copay_open_cents=open_copay)
    entry = postings.payment_posted(
        Method(row.method),
        row.patient_id,
        row.clinic_id,
        money,
        applied_cents=applied_cents(parts),
    )
    source = Source(row.id, row.business_date, row.patient_id)
    posted = await post(work, entry, books, source, account)
    allocate_rows(work, account, row.id, posted, parts)
    row.posted_at = work.now
    await receipts.issue(
        work,
        books,
        receipts.Issue(
            direction=Direction.PAYMENT,
            payment_id=row.id,
            refund_id=None,
            patient_id=row.patient_id,
            amount=money,
            owed_after_cents=account.balance_cents,
            instrument=instrument_of(row),
            items=_items(parts, dues, row.currency),
            visit_on=books.day_of(visit.starts_at) if visit else None,
        ),
    )
    work.say(events.payment_posted(row, account, work.now), of=account)


def instrument_of(row: Payment) -> Instrument:
    """What a payment was made with."""
    tendered = row.tendered_cents
    return Instrument(
        Method(row.method),
        check_number=row.check_number,
        card_brand=row.card_brand,
        card_last4=row.card_last4,
        approval_code=row.approval_code,
        tendered=None if tendered is None else Money(tendered, row.currency),
    )


def _items(parts: Sequence[Part], dues: Sequence[Due], currency: str) -> list[Item]:
    """A line of the receipt for each thing that the money was for."""
    days = {due.charge_id: due.business_date for due in dues}
    found: dict[str, int] = {}
    for part in parts:
        if part.purpose is Purpose.COPAY:
            text = "Copay"
        elif part.charge_id is not None:
            text = f"Balance of {day_text(days[part.charge_id])}"
        else:
            text = "Credit on the account"
        found[text] = found.get(text, 0) + part.cents
    return [Item(text, Money(cents, currency)) for text, cents in found.items()]
