"""Drawers: float, expected, count, variance, close."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.drawer import (
    NOTHING,
    Closing,
    Move,
    Status,
    Tally,
    cash_of,
    close,
    counted,
    expected,
    gives_out,
    next_status,
    opening_float,
    takes_money,
)
from shared.values.errors import Conflict, IllegalTransition, Invalid

ALLOWED = {
    (Status.OPEN, Move.COUNT): Status.COUNTED,
    (Status.COUNTED, Move.COUNT): Status.COUNTED,
    (Status.COUNTED, Move.CLOSE): Status.CLOSED,
}


@pytest.mark.parametrize(("now", "move"), list(product(Status, Move)))
def test_a_drawer_is_counted_before_it_is_closed(now: Status, move: Move) -> None:
    if (now, move) in ALLOWED:
        assert next_status(now, move) is ALLOWED[now, move]
        return
    with pytest.raises(IllegalTransition, match=r"drawer\.illegal_transition"):
        next_status(now, move)


def test_only_an_open_drawer_takes_money() -> None:
    takes_money(Status.OPEN)
    for status in (Status.COUNTED, Status.CLOSED):
        with pytest.raises(Conflict, match=r"drawer\.not_open"):
            takes_money(status)


def test_what_is_expected_is_the_float_and_what_went_in_less_what_went_out() -> None:
    found = expected(
        20000, cash_in_cents=9000, cash_out_cents=3000, check_count=2, check_cents=6000
    )
    assert found == Tally(26000, 2, 6000)


def test_a_count_as_expected_closes_without_a_reason() -> None:
    closing = close(Tally(26000, 2, 6000), Tally(26000, 2, 6000), "not needed")
    assert closing.variance == NOTHING
    assert closing.reason is None


@pytest.mark.parametrize(
    "found",
    [
        Tally(25999, 2, 6000),
        Tally(26001, 2, 6000),
        Tally(26000, 1, 3000),
        Tally(26000, 2, 6001),
        Tally(26000, 3, 6000),
    ],
)
def test_a_variance_of_a_cent_or_a_check_needs_a_reason(found: Tally) -> None:
    due = Tally(26000, 2, 6000)
    for reason in (None, "", "  "):
        with pytest.raises(Conflict) as caught:
            close(due, found, reason)
        assert caught.value.code == "drawer.variance_unexplained"
        assert caught.value.facts == {
            "cash_cents": found.cash_cents - 26000,
            "check_count": found.check_count - 2,
            "check_cents": found.check_cents - 6000,
        }
    assert close(due, found, " a cent rolled away ") == Closing(due, found, "a cent rolled away")


def test_a_drawer_gives_no_more_cash_than_it_holds() -> None:
    gives_out(Tally(3000), 3000)
    with pytest.raises(Conflict, match=r"drawer\.not_enough"):
        gives_out(Tally(2999), 3000)


@pytest.mark.parametrize("cents", [-1, True, 1.5, "100", None, 10_000_001])
def test_a_float_and_a_count_are_whole_numbers_from_zero_up(cents: int) -> None:
    with pytest.raises(Invalid, match=r"drawer\.float"):
        opening_float(cents)
    with pytest.raises(Invalid, match=r"drawer\.count"):
        counted(cents)


def test_checks_have_a_number_and_an_amount_or_neither() -> None:
    assert counted(100, check_count=1, check_cents=3000) == Tally(100, 1, 3000)
    for count, cents in ((1, 0), (0, 3000)):
        with pytest.raises(Invalid, match=r"drawer\.count"):
            counted(100, check_count=count, check_cents=cents)


def test_a_count_by_coin_and_note_adds_up() -> None:
    assert cash_of({10_000: 1, 2_000: 3, 25: 4, 1: 7}) == 16107
    assert cash_of({}) == 0


@pytest.mark.parametrize("pieces", [{3: 1}, {100: -1}, {100: True}, {7_500: 1}])
def test_a_coin_that_does_not_exist_or_less_than_none_is_refused(pieces: dict[int, int]) -> None:
    with pytest.raises(Invalid, match=r"drawer\.(denomination|count)"):
        cash_of(pieces)


def test_a_currency_without_known_coins_is_not_counted_by_piece() -> None:
    with pytest.raises(Invalid, match=r"drawer\.denomination"):
        cash_of({100: 1}, "CAD")


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_expected_and_variance_make_up_the_count(due: int, found: int) -> None:
    closing = close(Tally(due), Tally(found), "counted twice")
    assert closing.expected.cash_cents + closing.variance.cash_cents == found
    assert (closing.reason is None) == (due == found)
