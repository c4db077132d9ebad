"""Coverages: their order, their days."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eligibility.domain.coverage import (
    ORDERS,
    Coverage,
    Order,
    applicable,
    checked,
    in_force,
)
from shared.values.errors import Conflict, Invalid

NEW_YEAR = date(2026, 1, 1)


def coverage(
    number: int, order: Order = "primary", start: int = 0, end: int | None = None
) -> Coverage:
    """A coverage; start and end in days from the new year."""
    return Coverage(
        UUID(int=number),
        order,
        NEW_YEAR + timedelta(days=start),
        None if end is None else NEW_YEAR + timedelta(days=end),
    )


@pytest.mark.parametrize(("day", "holds"), [(-1, False), (0, True), (10, True), (11, False)])
def test_both_its_days_are_included(day: int, holds: bool) -> None:
    assert coverage(1, start=0, end=10).in_force(NEW_YEAR + timedelta(days=day)) is holds


def test_without_a_last_day_it_holds_on() -> None:
    assert coverage(1).in_force(date(2999, 1, 1))


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        (coverage(2, "primary", 10), True),
        (coverage(2, "primary", 11), False),
        (coverage(2, "primary", -5, -1), False),
        (coverage(2, "primary", -5, 0), True),
        (coverage(2, "primary", -5), True),
        (coverage(2, "secondary", 0, 10), False),
        (coverage(1, "primary", 0, 10), False),  # the row that is being changed
    ],
)
def test_an_order_is_held_by_one_coverage_on_any_day(other: Coverage, taken: bool) -> None:
    mine = coverage(1, "primary", 0, 10)
    if not taken:
        assert checked(mine, [other]) == mine
        return
    with pytest.raises(Conflict) as caught:
        checked(mine, [other])
    assert caught.value.code == "coverage.order_taken"
    assert caught.value.facts == {"coverage_id": str(other.id)}


def test_a_last_day_before_the_first_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        checked(coverage(1, start=1, end=0), [])
    assert caught.value.code == "coverage.dates_reversed"


def test_they_pay_in_their_order() -> None:
    tertiary, primary = coverage(1, "tertiary"), coverage(2, "primary")
    ended = coverage(3, "secondary", -9, -1)
    assert in_force([tertiary, ended, primary], NEW_YEAR) == [primary, tertiary]
    assert applicable([tertiary, ended, primary], NEW_YEAR) == primary
    assert applicable([tertiary, ended], NEW_YEAR) == tertiary
    assert applicable([ended], NEW_YEAR) is None
    assert applicable([], NEW_YEAR) is None


SPANS = st.tuples(st.sampled_from(ORDERS), st.integers(0, 20), st.none() | st.integers(0, 20))


@given(st.lists(SPANS, max_size=8))
def test_however_they_are_added_no_day_has_two_of_one_order(
    spans: list[tuple[Order, int, int | None]],
) -> None:
    kept: list[Coverage] = []
    for number, (order, start, length) in enumerate(spans):
        end = None if length is None else start + length
        try:
            kept.append(checked(coverage(number, order, start, end), kept))
        except Conflict:
            continue
    for day in range(45):
        orders = [held.order for held in in_force(kept, NEW_YEAR + timedelta(days=day))]
        assert len(orders) == len(set(orders))
        assert orders == sorted(orders, key=ORDERS.index)
