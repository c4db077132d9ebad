"""The life of a payment and of a refund: closed tables, and how much may still be given back.

Cash and checks are posted at once. A card payment is initiated by the request, sent by an errand,
and posted by its answer; an answer that never came makes it `unknown` until the processor is asked.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from services.payments.domain.amounts import payable, shown
from shared.values.errors import Conflict, IllegalTransition, Invalid
from shared.values.money import Money


class Method(StrEnum):
    """How money changes hands."""

    CASH = "cash"
    CHECK = "check"
    CARD = "card"


class Status(StrEnum):
    """Where a payment stands. Only posted money, refunded or not, is in the ledger."""

    INITIATED = "initiated"
    PENDING = "pending"
    UNKNOWN = "unknown"
    POSTED = "posted"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can happen to a payment or a refund."""

    SEND = "send"
    """The processor is about to be asked; after `lose`: asked again, with the same id."""
    APPROVE = "approve"
    DECLINE = "decline"
    LOSE = "lose"
    """The answer never came: nobody knows."""
    CANCEL = "cancel"
    REFUND_PART = "refund_part"
    REFUND_REST = "refund_rest"


_CARD_MOVES: Mapping[Status, Mapping[Move, Status]] = {
    Status.INITIATED: {Move.SEND: Status.PENDING, Move.CANCEL: Status.CANCELLED},
    Status.PENDING: {
        Move.APPROVE: Status.POSTED,
        Move.DECLINE: Status.DECLINED,
        Move.LOSE: Status.UNKNOWN,
    },
    Status.UNKNOWN: {
        Move.APPROVE: Status.POSTED,
        Move.DECLINE: Status.DECLINED,
        Move.SEND: Status.PENDING,
    },
    Status.DECLINED: {},
    Status.CANCELLED: {},
}

MOVES: Mapping[Status, Mapping[Move, Status]] = MappingProxyType(
    {
        **_CARD_MOVES,
        Status.POSTED: {
            Move.REFUND_PART: Status.PARTIALLY_REFUNDED,
            Move.REFUND_REST: Status.REFUNDED,
        },
        Status.PARTIALLY_REFUNDED: {
            Move.REFUND_PART: Status.PARTIALLY_REFUNDED,
            Move.REFUND_REST: Status.REFUNDED,
        },
        Status.REFUNDED: {},
    }
)

REFUND_MOVES: Mapping[Status, Mapping[Move, Status]] = MappingProxyType(
    {**_CARD_MOVES, Status.POSTED: {}}
)
"""A refund goes the way of a card payment, and is not itself refunded."""

UNSETTLED = frozenset({Status.INITIATED, Status.PENDING, Status.UNKNOWN})
"""Money whose fate is open: a day with any of these is not closed."""

IN_LEDGER = frozenset({Status.POSTED, Status.PARTIALLY_REFUNDED, Status.REFUNDED})
"""Statuses of money that came in (or, for a refund, went out)."""


def first_status(method: Method) -> Status:
    """The status in which a payment or a refund of this method begins."""
    return Status.INITIATED if method is Method.CARD else Status.POSTED


def next_status(now: Status, move: Move) -> Status:
    """The status of a payment after a move. Raises IllegalTransition."""
    return _next("payment", MOVES, now, move)


def next_refund_status(now: Status, move: Move) -> Status:
    """The status of a refund after a move. Raises IllegalTransition."""
    return _next("refund", REFUND_MOVES, now, move)


def _next(
    dimension: str, table: Mapping[Status, Mapping[Move, Status]], now: Status, move: Move
) -> Status:
    allowed = table.get(now, {})
    if move not in allowed:
        raise IllegalTransition(dimension, now, move, [each.value for each in allowed])
    return allowed[move]


def change_due(amount: Money, tendered_cents: int) -> Money:
    """The change for cash handed over. Raises Invalid ``payment.tendered_short``."""
    tendered = payable(tendered_cents, amount.currency, pointer="/tendered_cents")
    if tendered.cents < amount.cents:
        raise Invalid(
            "payment.tendered_short",
            "Less was handed over than is paid.",
            pointer="/tendered_cents",
        )
    return tendered - amount


def check_number(number: str) -> str:
    """The number of a check as printed on it: 1 to 20 digits. Raises Invalid ``check.number``."""
    if not (number.isascii() and number.isdigit() and len(number) <= 20):
        raise Invalid("check.number", "A check number has 1 to 20 digits.", pointer="/check_number")
    return number


def refundable(paid: Money, status: Status, refunded_cents: Sequence[int], asked: Money) -> Money:
    """What is left of a payment after a refund of `asked`, which may be given.

    refunded_cents: the amounts of its refunds that were posted or may yet be; a declined or
    cancelled one counts for nothing. Raises Invalid ``refund.above_paid`` above the payment
    itself and ``amount.currency_mismatch``; Conflict ``refund.nothing_left`` and
    ``refund.above_remaining`` (facts: what is left); IllegalTransition where nothing was posted.
    """
    payable(asked.cents, asked.currency)
    if asked.currency != paid.currency:
        raise Invalid("amount.currency_mismatch", "The payment is in another currency.")
    if asked.cents > paid.cents:
        raise Invalid(
            "refund.above_paid", "More is asked back than was paid.", pointer="/amount_cents"
        )
    if status not in IN_LEDGER:
        allowed = [each.value for each in MOVES[status]]
        raise IllegalTransition("payment", status, Move.REFUND_PART, allowed)
    left = paid - Money(sum(refunded_cents), paid.currency)
    if left.cents <= 0:
        raise Conflict("refund.nothing_left", "All of this payment has been given back.")
    if asked.cents > left.cents:
        facts = {"remaining_cents": left.cents, "remaining": shown(left)}
        raise Conflict("refund.above_remaining", "Less than that is left to refund.", facts=facts)
    return left - asked


def refund_move(paid: Money, posted_cents: Sequence[int]) -> Move:
    """What a refund that was just posted makes of its payment.

    posted_cents: the amounts of all its posted refunds, this one included.
    """
    return Move.REFUND_REST if sum(posted_cents) >= paid.cents else Move.REFUND_PART
