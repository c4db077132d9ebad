"""Money: integer minor units and a currency (ISO 4217). Never a float, not even to display."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.values.errors import Invalid

CENTS_MAX = 2**53 - 1
"""The largest amount that every JSON reader keeps exact (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in cents of one currency. May be negative: a ledger line is signed."""

    cents: int
    currency: str = "USD"

    def __post_init__(self) -> None:
        if isinstance(self.cents, bool) or not isinstance(self.cents, int):
            raise Invalid("amount.not_integer", "An amount is a whole number of cents.")
        if abs(self.cents) > CENTS_MAX:
            raise Invalid("amount.too_large", "The amount is too large.")

    def __add__(self, other: "Money") -> "Money":
        """Sum. Raises Invalid where the currencies differ."""
        return Money(self.cents + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Difference. Raises Invalid where the currencies differ."""
        return Money(self.cents - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.cents, self.currency)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise Invalid("amount.currency_mismatch", "The amounts are in different currencies.")
        return other.cents


def total(amounts: Iterable[Money], currency: str = "USD") -> Money:
    """Sum of amounts, zero of `currency` where there are none. Raises Invalid on a mixed list."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


def split(cents: int, weights: Sequence[int]) -> list[int]:
    """Split `cents` by weight so that the parts sum to the cent.

    What is left after rounding down goes, a cent each, to the largest remainders; ties go to the
    earlier part. Weights are not negative and not all zero.
    """
    whole = sum(weights)
    if whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights must be non-negative and not all zero")
    parts = [cents * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(cents * weights[i] % whole), i))
    for i in by_remainder[: cents - sum(parts)]:
        parts[i] += 1
    return parts
