"""Payments and refunds: the closed tables, and lists M14 and M24 to M26, M32."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.payment import (
    IN_LEDGER,
    MOVES,
    REFUND_MOVES,
    UNSETTLED,
    Method,
    Move,
    Status,
    change_due,
    check_number,
    first_status,
    next_refund_status,
    next_status,
    refund_move,
    refundable,
)
from shared.values.errors import Conflict, DomainError, IllegalTransition, Invalid
from shared.values.money import Money

ALLOWED = {
    (Status.INITIATED, Move.SEND): Status.PENDING,
    (Status.INITIATED, Move.CANCEL): Status.CANCELLED,
    (Status.PENDING, Move.APPROVE): Status.POSTED,
    (Status.PENDING, Move.DECLINE): Status.DECLINED,
    (Status.PENDING, Move.LOSE): Status.UNKNOWN,
    (Status.UNKNOWN, Move.APPROVE): Status.POSTED,
    (Status.UNKNOWN, Move.DECLINE): Status.DECLINED,
    (Status.UNKNOWN, Move.SEND): Status.PENDING,
    (Status.POSTED, Move.REFUND_PART): Status.PARTIALLY_REFUNDED,
    (Status.POSTED, Move.REFUND_REST): Status.REFUNDED,
    (Status.PARTIALLY_REFUNDED, Move.REFUND_PART): Status.PARTIALLY_REFUNDED,
    (Status.PARTIALLY_REFUNDED, Move.REFUND_REST): Status.REFUNDED,
}


@pytest.mark.parametrize(("now", "move"), list(product(Status, Move)))
def test_a_payment_moves_as_the_table_says_and_no_other_way(now: Status, move: Move) -> None:
    if (now, move) in ALLOWED:
        assert next_status(now, move) is ALLOWED[now, move]
        return
    with pytest.raises(IllegalTransition) as caught:
        next_status(now, move)
    assert caught.value.code == "payment.illegal_transition"
    assert caught.value.facts["allowed"] == sorted(m.value for (s, m) in ALLOWED if s is now)


@pytest.mark.parametrize(("now", "move"), list(product(Status, Move)))
def test_a_refund_moves_like_a_card_payment_but_is_not_refunded(now: Status, move: Move) -> None:
    refunding = move in (Move.REFUND_PART, Move.REFUND_REST)
    if (now, move) in ALLOWED and not refunding:
        assert next_refund_status(now, move) is ALLOWED[now, move]
        return
    with pytest.raises(IllegalTransition) as caught:
        next_refund_status(now, move)
    assert caught.value.code == "refund.illegal_transition"


def test_every_status_is_settled_or_not_and_every_open_one_has_a_way_out() -> None:
    for status in Status:
        assert (status in UNSETTLED) != (status in IN_LEDGER | {Status.DECLINED, Status.CANCELLED})
    assert all(MOVES[status] for status in UNSETTLED)
    assert all(REFUND_MOVES[status] for status in UNSETTLED)


def test_cash_and_checks_are_posted_at_once_and_cards_are_not() -> None:
    assert first_status(Method.CASH) is Status.POSTED
    assert first_status(Method.CHECK) is Status.POSTED
    assert first_status(Method.CARD) is Status.INITIATED


def test_m24_a_refund_above_what_was_paid_is_refused() -> None:
    with pytest.raises(Invalid, match=r"refund\.above_paid"):
        refundable(Money(3000), Status.POSTED, [], Money(3001))


def test_m24_a_refund_above_what_is_left_says_what_is_left() -> None:
    with pytest.raises(Conflict) as caught:
        refundable(Money(3000), Status.PARTIALLY_REFUNDED, [1000, 500], Money(1501))
    assert caught.value.code == "refund.above_remaining"
    assert caught.value.facts == {"remaining_cents": 1500, "remaining": "$15.00"}


def test_m25_a_refund_of_a_refunded_payment_is_refused() -> None:
    with pytest.raises(Conflict, match=r"refund\.nothing_left"):
        refundable(Money(3000), Status.REFUNDED, [3000], Money(1))


def test_m32_a_refund_that_is_still_on_its_way_counts() -> None:
    with pytest.raises(Conflict, match=r"refund\.above_remaining"):
        refundable(Money(3000), Status.POSTED, [2000], Money(2000))


@pytest.mark.parametrize("status", sorted(set(Status) - IN_LEDGER))
def test_money_that_never_came_is_not_given_back(status: Status) -> None:
    with pytest.raises(IllegalTransition, match=r"payment\.illegal_transition"):
        refundable(Money(3000), status, [], Money(1))


def test_m14_a_refund_is_in_the_currency_of_its_payment() -> None:
    with pytest.raises(Invalid, match=r"amount\.currency_mismatch"):
        refundable(Money(3000), Status.POSTED, [], Money(1, "CAD"))


@given(st.integers(1, 10_000_000), st.lists(st.integers(-5, 4_000_000), max_size=12))
def test_refunds_never_exceed_what_was_paid(paid_cents: int, asked: list[int]) -> None:
    paid, status, given_back = Money(paid_cents), Status.POSTED, list[int]()
    for cents in asked:
        left = paid_cents - sum(given_back)
        try:
            after = refundable(paid, status, given_back, Money(cents))
        except DomainError:
            assert cents <= 0 or cents > left
            continue
        given_back.append(cents)
        assert after.cents == paid_cents - sum(given_back) >= 0
        status = next_status(status, refund_move(paid, given_back))
        assert (status is Status.REFUNDED) == (after.cents == 0)
    assert sum(given_back) <= paid_cents


def test_change_is_what_was_handed_over_too_much() -> None:
    assert change_due(Money(3000), 5000) == Money(2000)
    assert change_due(Money(3000), 3000) == Money(0)
    with pytest.raises(Invalid, match=r"payment\.tendered_short"):
        change_due(Money(3000), 2999)
    with pytest.raises(Invalid, match=r"amount\.not_positive"):
        change_due(Money(3000), -1)


@pytest.mark.parametrize("number", ["1", "1042", "0" * 20])
def test_a_check_number_is_digits(number: str) -> None:
    assert check_number(number) == number


@pytest.mark.parametrize("number", ["", "12a", "1" * 21, "١٢", "1 2", "-1"])
def test_anything_else_is_no_check_number(number: str) -> None:
    with pytest.raises(Invalid, match=r"check\.number"):
        check_number(number)
