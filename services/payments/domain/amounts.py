"""What an amount of money may be when a person asks for it, and how it is shown. No float."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.values.errors import Invalid
from shared.values.money import Money

MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {"USD": 2, "CAD": 2, "EUR": 2, "GBP": 2, "MXN": 2, "JPY": 0}
)
"""Currencies that are taken, with the digits of their minor unit (ISO 4217)."""

SIGNS: Mapping[str, str] = MappingProxyType({"USD": "$"})

AMOUNT_CENTS_MAX = 10_000_000
"""The most that one payment, refund or price may be: 100,000.00."""


def known_currency(code: str, *, pointer: str = "/currency") -> str:
    """The code itself. Raises Invalid ``amount.currency_unknown`` for any other."""
    if code not in MINOR_DIGITS:
        raise Invalid("amount.currency_unknown", "The currency is not one taken.", pointer=pointer)
    return code


def payable(
    cents: int,
    currency: str = "USD",
    *,
    cents_max: int = AMOUNT_CENTS_MAX,
    pointer: str = "/amount_cents",
) -> Money:
    """An amount that may be paid, charged or given back: a whole number of cents, 1 to `cents_max`.

    Raises Invalid: ``amount.not_integer`` (a bool, a float, a text), ``amount.not_positive``,
    ``amount.too_large``, ``amount.currency_unknown``.
    """
    _whole(cents, pointer)
    if cents <= 0:
        raise Invalid("amount.not_positive", "The amount must be above zero.", pointer=pointer)
    return Money(_at_most(cents, cents_max, pointer), known_currency(currency))


def price(cents: int, currency: str = "USD", *, pointer: str = "/price_cents") -> Money:
    """An amount that may stand in a fee schedule: like `payable`, but zero is a price too."""
    _whole(cents, pointer)
    if cents < 0:
        raise Invalid("amount.negative", "A price is not negative.", pointer=pointer)
    return Money(_at_most(cents, AMOUNT_CENTS_MAX, pointer), known_currency(currency))


def _whole(cents: object, pointer: str) -> None:
    if isinstance(cents, bool) or not isinstance(cents, int):
        raise Invalid(
            "amount.not_integer", "An amount is a whole number of cents.", pointer=pointer
        )


def _at_most(cents: int, cents_max: int, pointer: str) -> int:
    if cents > cents_max:
        facts = {"cents_max": cents_max}
        raise Invalid("amount.too_large", "The amount is too large.", pointer=pointer, facts=facts)
    return cents


def shown(money: Money) -> str:
    """The amount as a person writes it: ``$1,234.50``, ``-$0.05``, ``JPY 1,234``.

    Made from the digits of the integer: a float would round 2**53 + 1 cents.
    """
    digits = MINOR_DIGITS[known_currency(money.currency)]
    sign = "-" if money.cents < 0 else ""
    units, rest = divmod(abs(money.cents), 10**digits)
    number = f"{units:,}" + (f".{rest:0{digits}d}" if digits else "")
    mark = SIGNS.get(money.currency, f"{money.currency} ")
    return f"{sign}{mark}{number}"
