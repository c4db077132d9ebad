"""Giving money back: cash and office checks at once, cards by an errand."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.payments import events
from services.payments.commands import receipts
from services.payments.commands.drawers import drawer_lock, require_takes_money
from services.payments.commands.payments import payment_lock
from services.payments.commands.posting import (
    Source,
    account_lock,
    allocate_rows,
    day_lock,
    open_account,
    post,
    receipts_lock,
)
from services.payments.domain import payment as rules
from services.payments.domain import postings
from services.payments.domain.allocation import Applied, Part, taken_back
from services.payments.domain.amounts import payable
from services.payments.domain.card_data import without_card_data
from services.payments.domain.drawer import gives_out
from services.payments.domain.payment import Method, Move
from services.payments.domain.receipt_text import Direction, Instrument, Item
from services.payments.queries.accounts import parts_of
from services.payments.queries.books import Books, books_of, require_open_day
from services.payments.queries.drawers import expected_in
from services.payments.queries.money import payment_of, posted_cents, refunds_of
from services.payments.tables import Account, LedgerEntry, Payment, Refund
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.money import Money

REFUND_CARD = "refund_card"


@dataclass(frozen=True, slots=True)
class RefundWish:
    """What of a payment is to go back, the way it came."""

    payment_id: UUID
    amount_cents: int
    reason: str
    drawer_id: UUID | None = None
    check_number: str | None = None


def refund_lock(refund_id: UUID) -> LockKey:
    """One refund."""
    return lock_key("refund", refund_id)


async def refund_locks(work: Work, wish: RefundWish) -> Sequence[LockKey]:
    """The payment, its patient's account, the clinic's day and receipts, and the drawer."""
    paid = await payment_of(work, wish.payment_id)
    books = await books_of(work, paid.clinic_id)
    keys = [
        payment_lock(paid.id),
        account_lock(paid.patient_id),
        day_lock(paid.clinic_id, books.today),
        receipts_lock(paid.clinic_id),
    ]
    if wish.drawer_id is not None:
        keys.append(drawer_lock(wish.drawer_id))
    return keys


async def give_back(work: Work, wish: RefundWish) -> Refund:
    """Give back a part of a payment or all of it, never more than is left of it.

    Its share is set aside at once, so two refunds never give the same cents. Raises NotFound, what
    `domain.payment.refundable` raises, Invalid for what the method does not take or needs,
    Conflict ``ledger.day_closed``, ``drawer.not_enough`` and what drawers raise.
    """
    paid = await payment_of(work, wish.payment_id)
    books = await books_of(work, paid.clinic_id)
    method = Method(paid.method)
    money = payable(wish.amount_cents, paid.currency)
    _check_means(wish, method)
    rules.refundable(
        Money(paid.amount_cents, paid.currency),
        rules.Status(paid.status),
        [paid.refunded_cents],
        money,
    )
    await require_open_day(work, books)
    if wish.drawer_id is not None:
        drawer = await require_takes_money(work, books, wish.drawer_id)
        gives_out(await expected_in(work, drawer), money.cents)
    paid.refunded_cents += money.cents
    work.save(paid)
    row = Refund(
        id=work.new_id("refund"),
        network_id=work.network_id,
        payment_id=paid.id,
        patient_id=paid.patient_id,
        clinic_id=paid.clinic_id,
        method=method.value,
        status=rules.first_status(method).value,
        amount_cents=money.cents,
        currency=money.currency,
        reason=wish.reason,
        check_number=wish.check_number,
        drawer_id=wish.drawer_id,
        business_date=books.today,
        asked_at=work.now,
        asked_by=str(work.actor),
    )
    work.add(row)
    if method is Method.CARD:
        row.status = rules.next_refund_status(rules.Status(row.status), Move.SEND).value
        work.intent(REFUND_CARD, row.id, refund_facts(row))
    else:
        account = await open_account(work, paid.patient_id, paid.currency)
        await post_refund(work, row, paid, account, books)
    return row


def _check_means(wish: RefundWish, method: Method) -> None:
    if method is Method.CASH and wish.drawer_id is None:
        raise Invalid("payment.means_missing", "Cash comes from a drawer.", pointer="/drawer_id")
    if method is not Method.CASH and wish.drawer_id is not None:
        title = "Only cash comes from a drawer."
        raise Invalid("payment.means_foreign", title, pointer="/drawer_id")
    if wish.check_number is not None:
        if method is not Method.CHECK:
            title = "This method does not take it."
            raise Invalid("payment.means_foreign", title, pointer="/check_number")
        rules.check_number(without_card_data(wish.check_number, pointer="/check_number"))
    without_card_data(wish.reason, pointer="/reason")


def refund_facts(row: Refund) -> dict[str, object]:
    """What the errand that refunds a card is told."""
    return {
        "payment_id": str(row.payment_id),
        "patient_id": str(row.patient_id),
        "clinic_id": str(row.clinic_id),
        "business_date": row.business_date.isoformat(),
        "amount_cents": row.amount_cents,
        "currency": row.currency,
    }


async def post_refund(
    work: Work, row: Refund, paid: Payment, account: Account, books: Books
) -> None:
    """Put a refund that went out into the ledger: out of credit first, the rest is owed again."""
    money = Money(row.amount_cents, row.currency)
    held = await parts_of(work, paid.id)
    from_credit, parts = _taken(paid.id, money.cents, held)
    posted = await _post(work, row, money, from_credit, account, books)
    allocate_rows(work, account, paid.id, posted, parts)
    row.posted_at = work.now
    given = [*posted_cents(await refunds_of(work, paid.id)), money.cents]
    move = rules.refund_move(Money(paid.amount_cents, paid.currency), given)
    paid.status = rules.next_status(rules.Status(paid.status), move).value
    work.save(paid)
    await receipts.issue(
        work,
        books,
        receipts.Issue(
            direction=Direction.REFUND,
            payment_id=paid.id,
            refund_id=row.id,
            patient_id=row.patient_id,
            amount=money,
            owed_after_cents=account.balance_cents,
            instrument=_instrument(row, paid),
            items=[Item(f"Refund of a payment of {books.day_of(paid.taken_at):%m/%d/%Y}", money)],
            visit_on=None,
        ),
    )
    refunded = events.payment_refunded(row, account, paid.appointment_id, work.now)
    work.say(refunded, of=account)


async def _post(
    work: Work, row: Refund, money: Money, from_credit: int, account: Account, books: Books
) -> LedgerEntry:
    source = Source(row.id, row.business_date, row.patient_id)
    if Method(row.method) is Method.CASH:
        entry = postings.refund_in_cash(
            row.patient_id, row.clinic_id, money, from_credit_cents=from_credit
        )
        return await post(work, entry, books, source, account)
    granted = postings.refund_granted(row.patient_id, money, from_credit_cents=from_credit)
    posted = await post(work, granted, books, source, account)
    await post(work, postings.refund_paid(Method(row.method), money), books, source)
    return posted


def _taken(payment_id: UUID, cents: int, held: Sequence[Part]) -> tuple[int, list[Part]]:
    """The cents that leave the payment's credit, and what leaves where its money stands.

    Credit that is kept for no visit goes before credit that is.
    """
    credit = sorted((p for p in held if p.charge_id is None), key=lambda p: p.visit_id is not None)
    met = [p for p in held if p.charge_id is not None]
    applied = [Applied(payment_id, p.charge_id, p.cents) for p in met if p.charge_id is not None]
    from_credit, again = taken_back(cents, sum(p.cents for p in credit), applied)
    parts = []
    wanted = from_credit
    for part in credit:
        out = min(wanted, part.cents)
        wanted -= out
        if out:
            parts.append(Part(part.purpose, -out, None, part.visit_id))
    # `taken_back` empties what was met last first, so its answer runs along the reversed list.
    for part, back in zip(reversed(met), again, strict=False):
        parts.append(Part(part.purpose, -back.cents, part.charge_id, part.visit_id))
    return from_credit, parts


def _instrument(row: Refund, paid: Payment) -> Instrument:
    return Instrument(
        Method(row.method),
        check_number=row.check_number,
        card_brand=paid.card_brand,
        card_last4=paid.card_last4,
        approval_code=row.approval_code,
    )
