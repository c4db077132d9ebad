"""Pricing what a clinic does."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.payments import events
from services.payments.domain.amounts import price
from services.payments.domain.fees import Fee, repriced
from services.payments.queries.books import books_of
from services.payments.queries.fees import fee_of, prices_of
from services.payments.tables import FeePrice
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict, Invalid


@dataclass(frozen=True, slots=True)
class PriceWish:
    """A price to enter."""

    clinic_id: UUID
    code: str
    amount_cents: int
    effective_from: date
    effective_to: date | None = None
    currency: str | None = None


def fees_lock(clinic_id: UUID) -> LockKey:
    """The fee schedule of a clinic."""
    return lock_key("fees", clinic_id)


def overlap() -> Conflict:
    """Two prices of one code on one day."""
    return Conflict("fee.overlap", "Another price holds on some of these days.")


async def set_price(work: Work, wish: PriceWish) -> FeePrice:
    """Enter a price. An open one of the same code ends on the day on which this one begins.

    Raises NotFound for an unknown clinic, and what `domain.fees.repriced` raises.
    """
    books = await books_of(work, wish.clinic_id)
    money = price(wish.amount_cents, wish.currency or books.currency, pointer="/amount_cents")
    if money.currency != books.currency:
        raise Invalid(
            "amount.currency_mismatch", "The clinic asks another currency.", pointer="/currency"
        )
    rows = await prices_of(work, wish.clinic_id, [wish.code.upper()])
    fees = {fee_of(row): row for row in rows}
    new = Fee(wish.code, money, wish.effective_from, wish.effective_to)
    decided = repriced(fees, new)
    if decided.current is not None and decided.ended is not None:
        ending = fees[decided.current]
        ending.effective_to = decided.ended.effective_to
        work.save(ending)
        # The days of the old price are free only once it is written.
        await work.flush()
    row = FeePrice(
        id=work.new_id("fee"),
        network_id=work.network_id,
        clinic_id=wish.clinic_id,
        code=decided.added.code,
        amount_cents=decided.added.price.cents,
        currency=decided.added.price.currency,
        effective_from=decided.added.effective_from,
        effective_to=decided.added.effective_to,
        priced_at=work.now,
        priced_by=str(work.actor),
    )
    work.add(row)
    work.say(events.fee_priced(row), of=row)
    return row
