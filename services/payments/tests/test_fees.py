"""Fee schedules: one price on one day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.fees import Fee, checked, price_on, repriced
from shared.values.errors import Conflict, Invalid
from shared.values.money import Money

NEW_YEAR = date(2026, 1, 1)
JULY = date(2026, 7, 1)
OLD = Fee("V-EST", Money(15000), NEW_YEAR, JULY)
NOW = Fee("V-EST", Money(18000), JULY)
TECHNICAL = Fee("V-EST", Money(9000), JULY, modifier="TC")


@pytest.mark.parametrize(
    ("day", "cents"),
    [
        (NEW_YEAR, 15000),
        (date(2026, 6, 30), 15000),
        (JULY, 18000),
        (date(2090, 1, 1), 18000),
    ],
)
def test_the_price_is_that_of_the_day(day: date, cents: int) -> None:
    assert price_on([OLD, NOW], "V-EST", day).price == Money(cents)


def test_a_priced_modifier_goes_before_the_plain_price() -> None:
    fees = [OLD, NOW, TECHNICAL]
    assert price_on(fees, "V-EST", JULY, ["25", "TC"]).price == Money(9000)
    assert price_on(fees, "V-EST", JULY, ["25"]).price == Money(18000)
    assert price_on(fees, "V-EST", NEW_YEAR, ["TC"]).price == Money(15000)


def test_no_price_and_no_price_on_that_day_are_told_apart() -> None:
    with pytest.raises(Invalid, match=r"fee\.none$"):
        price_on([NOW], "V-NEW", JULY)
    with pytest.raises(Invalid, match=r"fee\.none_on_day"):
        price_on([NOW], "V-EST", date(2026, 6, 30))


def test_a_new_price_ends_the_open_one_on_the_day_it_begins() -> None:
    new = Fee("v-est", Money(19000), date(2027, 1, 1))
    change = repriced([OLD, NOW, TECHNICAL], new)
    assert change.added.code == "V-EST"
    assert change.current == NOW
    assert change.ended == Fee("V-EST", Money(18000), JULY, date(2027, 1, 1))


def test_the_first_price_of_a_code_ends_nothing() -> None:
    change = repriced([NOW], Fee("V-NEW", Money(25000), JULY))
    assert (change.current, change.ended) == (None, None)


@pytest.mark.parametrize(
    "new",
    [
        Fee("V-EST", Money(1), JULY),
        Fee("V-EST", Money(1), date(2026, 6, 1)),
        Fee("V-EST", Money(1), date(2026, 2, 1), date(2026, 3, 1)),
        Fee("V-EST", Money(1), date(2025, 1, 1)),
    ],
)
def test_a_price_for_days_that_have_one_is_refused(new: Fee) -> None:
    with pytest.raises(Conflict, match=r"fee\.overlap"):
        repriced([OLD, NOW], new)


def test_a_price_for_days_before_all_others_is_taken() -> None:
    early = Fee("V-EST", Money(1), date(2025, 1, 1), NEW_YEAR)
    assert repriced([OLD, NOW], early).added == early


def test_a_price_holds_for_a_day_at_least_and_is_not_negative() -> None:
    with pytest.raises(Invalid, match=r"fee\.period"):
        checked(Fee("V-EST", Money(1), JULY, JULY))
    with pytest.raises(Invalid, match=r"amount\.negative"):
        checked(Fee("V-EST", Money(-1), JULY))
    with pytest.raises(Invalid, match=r"code\.modifiers"):
        checked(Fee("V-EST", Money(1), JULY, modifier="T"))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 10_000)), max_size=12))
def test_whatever_is_repriced_a_day_has_one_price_at_most(steps: list[tuple[int, int]]) -> None:
    schedule: list[Fee] = []
    for offset, cents in steps:
        new = Fee("V-EST", Money(cents), NEW_YEAR + timedelta(days=offset))
        try:
            change = repriced(schedule, new)
        except Conflict:
            continue
        schedule = [fee for fee in schedule if fee is not change.current]
        schedule += [fee for fee in (change.ended, change.added) if fee is not None]
    for offset in range(401):
        day = NEW_YEAR + timedelta(days=offset)
        assert sum(fee.holds_on(day) for fee in schedule) <= 1
    if schedule:
        assert price_on(schedule, "V-EST", date(2090, 1, 1)).effective_to is None
