"""Money is exact, in one currency at a time, and splits to the cent."""

from functools import partial
from operator import add, sub
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values.errors import Invalid
from shared.values.money import CENTS_MAX, Money, split, total

FEW = settings(max_examples=50, deadline=None, derandomize=True)
CENTS = st.integers(-(10**9), 10**9)
WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(lambda w: sum(w) > 0)


@FEW
@given(CENTS, WEIGHTS)
def test_parts_sum_to_the_cent_and_are_within_a_cent_of_their_share(
    cents: int, weights: list[int]
) -> None:
    parts = split(cents, weights)
    whole = sum(weights)
    assert sum(parts) == cents
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - cents * weight) < whole
        assert weight or part == 0


@pytest.mark.parametrize(
    ("cents", "weights", "parts"),
    [(100, [1, 1, 1], [34, 33, 33]), (-100, [1, 1, 1], [-33, -33, -34]), (1, [0, 5], [0, 1])],
)
def test_what_is_left_over_goes_to_the_largest_remainders_first(
    cents: int, weights: list[int], parts: list[int]
) -> None:
    assert split(cents, weights) == parts


@pytest.mark.parametrize("weights", [[], [0, 0], [3, -1]])
def test_weights_that_cannot_be_shared_by_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(100, weights)


@FEW
@given(st.lists(CENTS, max_size=10))
def test_a_total_is_the_sum_of_the_cents(amounts: list[int]) -> None:
    assert total([Money(cents) for cents in amounts]) == Money(sum(amounts))


@FEW
@given(CENTS, CENTS)
def test_subtracting_is_adding_the_negative(a: int, b: int) -> None:
    assert Money(a) - Money(b) == Money(a) + -Money(b) == Money(a - b)


def test_a_total_of_nothing_is_zero_of_the_currency_asked_for() -> None:
    assert total([], "CAD") == Money(0, "CAD")


@pytest.mark.parametrize("cents", [True, 1.0, "5", None])
def test_cents_that_are_no_integer_are_refused(cents: Any) -> None:
    with pytest.raises(Invalid) as refused:
        Money(cents)
    assert refused.value.code == "amount.not_integer"


def test_the_largest_amount_is_exact_in_every_json_reader() -> None:
    assert Money(CENTS_MAX).cents == Money(-CENTS_MAX).cents * -1 == 2**53 - 1
    for cents in (CENTS_MAX + 1, -CENTS_MAX - 1):
        with pytest.raises(Invalid) as refused:
            Money(cents)
        assert refused.value.code == "amount.too_large"


def test_currencies_do_not_mix() -> None:
    amounts = [Money(1, "CAD")]
    for mix in (partial(add, Money(1)), partial(sub, Money(1))):
        with pytest.raises(Invalid) as refused:
            mix(amounts[0])
        assert refused.value.code == "amount.currency_mismatch"
    with pytest.raises(Invalid) as refused:
        total(amounts)
    assert refused.value.code == "amount.currency_mismatch"
