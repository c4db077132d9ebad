"""Amounts: list M of bad inputs, by number, and how an amount is shown."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.amounts import AMOUNT_CENTS_MAX, MINOR_DIGITS, payable, price, shown
from shared.values.errors import Invalid
from shared.values.money import CENTS_MAX, Money


@pytest.mark.parametrize(
    ("number", "cents", "code"),
    [
        ("M1", -1, "amount.not_positive"),
        ("M2", 0, "amount.not_positive"),
        ("M3", -0, "amount.not_positive"),
        ("M4", 0.001, "amount.not_integer"),
        ("M5", 1e2, "amount.not_integer"),
        ("M6", float("nan"), "amount.not_integer"),
        ("M7", float("inf"), "amount.not_integer"),
        ("M9", "10.00", "amount.not_integer"),
        ("M10", "10,00", "amount.not_integer"),
        ("M11", 2**53 + 1, "amount.too_large"),
        ("M12", 2**63, "amount.too_large"),
        ("M16", True, "amount.not_integer"),
        ("over the limit", AMOUNT_CENTS_MAX + 1, "amount.too_large"),
        ("a decimal", Decimal(10), "amount.not_integer"),
        ("nothing", None, "amount.not_integer"),
    ],
)
def test_an_amount_that_cannot_be_paid_is_refused(number: str, cents: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        payable(cents)
    assert caught.value.code == code, number
    assert caught.value.pointer == "/amount_cents"


@pytest.mark.parametrize("cents", [1, 3000, AMOUNT_CENTS_MAX])
def test_an_amount_within_the_limits_is_itself(cents: int) -> None:
    assert payable(cents) == Money(cents, "USD")


@pytest.mark.parametrize("currency", ["XXX", "usd", "", "$", "USDD"])
def test_m13_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(Invalid, match=r"amount\.currency_unknown"):
        payable(100, currency)


def test_a_price_may_be_zero_but_not_below() -> None:
    assert price(0) == Money(0)
    with pytest.raises(Invalid, match=r"amount\.negative"):
        price(-1)
    with pytest.raises(Invalid, match=r"amount\.not_integer"):
        price(True)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(0), "$0.00"),
        (Money(5), "$0.05"),
        (Money(-5), "-$0.05"),
        (Money(123456), "$1,234.56"),
        (Money(-100_000_000), "-$1,000,000.00"),
        (Money(CENTS_MAX), "$90,071,992,547,409.91"),
        (Money(1234, "JPY"), "JPY 1,234"),
        (Money(1234, "CAD"), "CAD 12.34"),
    ],
)
def test_money_is_shown_to_the_cent(money: Money, text: str) -> None:
    assert shown(money) == text


@given(st.integers(-CENTS_MAX, CENTS_MAX), st.sampled_from(sorted(MINOR_DIGITS)))
def test_what_is_shown_reads_back_as_the_same_cents(cents: int, currency: str) -> None:
    digits = "".join(c for c in shown(Money(cents, currency)) if c.isdigit())
    sign = -1 if shown(Money(cents, currency)).startswith("-") else 1
    assert sign * int(digits) == cents
