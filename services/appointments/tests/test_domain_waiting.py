"""The order of a waiting room, what it promises, and the codes it calls by."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.waiting import (
    CALLS_MOST,
    WAITS_LEAST,
    WAITS_MOST,
    Basis,
    Expectation,
    Priority,
    Waiting,
    call_code,
    checked_priority,
    expectation,
    in_order,
    next_number,
    turn_at,
    waited,
)
from shared.values.errors import Conflict, Invalid

TEN = datetime(2026, 11, 5, 17, tzinfo=UTC)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def one(
    number: int, starts: int, arrived: int, priority: Priority = Priority.ROUTINE
) -> tuple[int, Waiting]:
    """Somebody by number; times in minutes around ten."""
    came, due = TEN + minutes(arrived), TEN + minutes(starts)
    return number, Waiting(UUID(int=number), priority, turn_at(due, came), came)


def order(*people: tuple[int, Waiting]) -> list[int]:
    return [w.appointment_id.int for w in in_order([w for _, w in people])]


def test_who_comes_early_overtakes_nobody_and_who_comes_late_lost_the_turn() -> None:
    early, on_time = one(1, starts=30, arrived=-60), one(2, starts=0, arrived=-5)
    late, walk_in = one(3, starts=-30, arrived=20), one(4, starts=10, arrived=10)
    assert order(early, on_time, late, walk_in) == [2, 4, 3, 1]


def test_priority_comes_before_the_turn() -> None:
    urgent, soon = one(1, 60, 40, Priority.URGENT), one(2, 0, 30, Priority.SOON)
    assert order(one(3, 0, 0), soon, urgent) == [1, 2, 3]


def test_of_one_turn_who_came_first_is_first() -> None:
    assert order(one(1, 0, -5), one(2, 0, -9)) == [2, 1]
    assert order(one(2, 0, -5), one(1, 0, -5)) == [1, 2]


@given(st.permutations([one(n, n % 3, n % 5, list(Priority)[n % 3]) for n in range(9)]))
def test_the_order_does_not_depend_on_how_the_room_is_read(
    people: list[tuple[int, Waiting]],
) -> None:
    assert order(*people) == order(*sorted(people, key=lambda p: p[0]))


def test_too_few_waits_promise_nothing() -> None:
    few = [60] * (WAITS_LEAST - 1)
    assert expectation(few, few) == Expectation(Basis.TOO_FEW)


def test_the_providers_own_waits_count_before_the_clinics() -> None:
    own, all_of = [600] * WAITS_LEAST, [1200] * 9
    assert expectation(own, all_of) == Expectation(Basis.PROVIDER, 10, 10)
    assert expectation(own[1:], all_of) == Expectation(Basis.CLINIC, 20, 20)


def test_the_median_and_the_ninetieth_of_ten_are_the_fifth_and_the_ninth() -> None:
    waits = [60 * n for n in range(1, 11)]
    assert expectation(waits, []) == Expectation(Basis.PROVIDER, 5, 9)
    # A minute that was begun is promised as a whole one.
    assert expectation([61] * 5, []).median == 2


@given(st.lists(st.integers(0, 7200), min_size=WAITS_LEAST, max_size=3 * WAITS_MOST))
def test_what_is_promised_lies_among_what_was_waited_lately(waits: list[int]) -> None:
    found = expectation(waits, [])
    recent = waits[:WAITS_MOST]
    assert found.median is not None
    assert found.p90 is not None
    assert min(recent) / 60 <= found.median <= found.p90 < max(recent) / 60 + 1


def test_a_wait_begins_with_the_turn() -> None:
    assert waited(TEN, TEN + minutes(7)) == 420
    assert waited(TEN, TEN - minutes(7)) == 0


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_to_be_seen_before_others_needs_a_reason(reason: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        checked_priority(Priority.URGENT, reason)
    assert refused.value.code == "override.reason_required"
    assert checked_priority(Priority.URGENT, "Chest pain.") is Priority.URGENT
    assert checked_priority(Priority.ROUTINE, reason) is Priority.ROUTINE


def test_each_number_of_a_day_has_a_code_of_its_own() -> None:
    codes = [call_code(number) for number in range(1, CALLS_MOST + 1)]
    assert (codes[0], codes[98], codes[99], codes[-1]) == ("A01", "A99", "B01", "Z99")
    assert len(set(codes)) == CALLS_MOST
    assert not {code[0] for code in codes} & set("IOQ")
    assert next_number(None) == 1
    assert next_number(CALLS_MOST - 1) == CALLS_MOST
    with pytest.raises(Conflict):
        next_number(CALLS_MOST)
