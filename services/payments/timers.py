"""What payments does by the clock: ask again about money whose fate is unknown."""

from collections.abc import Sequence

from services.payments.commands import cards
from services.payments.commands.payments import payment_lock
from services.payments.commands.refunds import refund_lock
from shared.db.locks import LockKey
from shared.db.timers import DueTimer, Timers
from shared.db.work import Work


async def on_ask_about_payment(work: Work, due: DueTimer) -> None:
    """An unknown payment has rested long enough."""
    await cards.ask_about_charge(work, due.subject_id)


async def on_ask_about_refund(work: Work, due: DueTimer) -> None:
    """An unknown refund has rested long enough."""
    await cards.ask_about_refund(work, due.subject_id)


def locks(due: DueTimer) -> Sequence[LockKey]:
    """What the functions above change."""
    if due.kind == cards.ASK_REFUND:
        return (refund_lock(due.subject_id),)
    return (payment_lock(due.subject_id),)


TIMERS = Timers(
    {cards.ASK_PAYMENT: on_ask_about_payment, cards.ASK_REFUND: on_ask_about_refund}, locks
)
