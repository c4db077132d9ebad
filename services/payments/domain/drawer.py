"""A drawer: opened with a float, counted blind, compared, closed.

The person who counts is not told what is expected until they have counted. Cash and checks are both
counted; what is not as expected needs a reason before the drawer closes. There is no reset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from services.payments.domain.amounts import AMOUNT_CENTS_MAX
from shared.values.errors import Conflict, IllegalTransition, Invalid


class Status(StrEnum):
    """Where a drawer session stands. It takes money only while open."""

    OPEN = "open"
    COUNTED = "counted"
    CLOSED = "closed"


class Move(StrEnum):
    """What can happen to a drawer session."""

    COUNT = "count"
    CLOSE = "close"


MOVES: Mapping[Status, Mapping[Move, Status]] = MappingProxyType(
    {
        Status.OPEN: {Move.COUNT: Status.COUNTED},
        Status.COUNTED: {Move.COUNT: Status.COUNTED, Move.CLOSE: Status.CLOSED},
        Status.CLOSED: {},
    }
)

DENOMINATIONS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "USD": frozenset(
            {1, 5, 10, 25, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000},
        )
    }
)
"""Cents of each coin and note in use, by currency."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What lies in a drawer: cents of cash, number and cents of checks."""

    cash_cents: int
    check_count: int = 0
    check_cents: int = 0

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(
            self.cash_cents - other.cash_cents,
            self.check_count - other.check_count,
            self.check_cents - other.check_cents,
        )


NOTHING = Tally(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Closing:
    """A drawer that may be closed: what was expected, what was counted, and why they differ."""

    expected: Tally
    counted: Tally
    reason: str | None

    @property
    def variance(self) -> Tally:
        """Counted less expected: above zero is over, below is short."""
        return self.counted - self.expected


def next_status(now: Status, move: Move) -> Status:
    """The status of a drawer session after a move. Raises IllegalTransition."""
    allowed = MOVES[now]
    if move not in allowed:
        raise IllegalTransition("drawer", now, move, [each.value for each in allowed])
    return allowed[move]


def opening_float(cents: int) -> int:
    """The float itself, zero or more cents. Raises Invalid ``drawer.float``."""
    return _whole("drawer.float", cents, "/float_cents")


def takes_money(now: Status) -> None:
    """Raise Conflict ``drawer.not_open`` unless the drawer is open."""
    if now is not Status.OPEN:
        raise Conflict("drawer.not_open", "This drawer is counted or closed; open another.")


def expected(
    float_cents: int,
    *,
    cash_in_cents: int,
    cash_out_cents: int,
    check_count: int = 0,
    check_cents: int = 0,
) -> Tally:
    """What must lie in the drawer: the float, and cash taken less cash given back; the checks."""
    return Tally(float_cents + cash_in_cents - cash_out_cents, check_count, check_cents)


def gives_out(expected_now: Tally, cents: int) -> None:
    """Raise Conflict ``drawer.not_enough`` where the drawer does not hold the cash to be given."""
    if cents > expected_now.cash_cents:
        raise Conflict("drawer.not_enough", "The drawer does not hold that much cash.")


def counted(cash_cents: int, *, check_count: int = 0, check_cents: int = 0) -> Tally:
    """What a person counted. Raises Invalid ``drawer.count`` for less than nothing."""
    checks_agree = (check_count == 0) == (check_cents == 0)
    tally = Tally(
        _whole("drawer.count", cash_cents, "/cash_cents"),
        _whole("drawer.count", check_count, "/check_count"),
        _whole("drawer.count", check_cents, "/check_cents"),
    )
    if not checks_agree:
        raise Invalid("drawer.count", "Checks have a number and an amount.", pointer="/check_count")
    return tally


def cash_of(pieces: Mapping[int, int], currency: str = "USD") -> int:
    """Cents of a count by coin and note: {cents of the piece: how many}.

    Raises Invalid ``drawer.denomination`` for a piece that the currency does not have and
    ``drawer.count`` for less than none of one.
    """
    known = DENOMINATIONS.get(currency, frozenset())
    if not pieces.keys() <= known:
        raise Invalid("drawer.denomination", "There is no such coin or note.", pointer="/pieces")
    numbers = [_whole("drawer.count", number, "/pieces") for number in pieces.values()]
    return sum(piece * number for piece, number in zip(pieces, numbers, strict=True))


def close(expected_now: Tally, counted_last: Tally, reason: str | None) -> Closing:
    """The closing of a counted drawer.

    Raises Conflict ``drawer.variance_unexplained``, with the variance as facts, where the count is
    not as expected and there is no reason. A reason for no variance is not kept.
    """
    given = (reason or "").strip() or None
    variance = counted_last - expected_now
    if variance == NOTHING:
        return Closing(expected_now, counted_last, None)
    if given is None:
        raise Conflict(
            "drawer.variance_unexplained",
            "The count is not as expected; say why.",
            pointer="/reason",
            facts={
                "cash_cents": variance.cash_cents,
                "check_count": variance.check_count,
                "check_cents": variance.check_cents,
            },
        )
    return Closing(expected_now, counted_last, given)


def _whole(code: str, number: int, pointer: str) -> int:
    whole = isinstance(number, int) and not isinstance(number, bool)
    if not whole or not 0 <= number <= AMOUNT_CENTS_MAX:
        raise Invalid(code, "A count is a whole number, zero or more.", pointer=pointer)
    return number
