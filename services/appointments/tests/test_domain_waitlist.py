"""Who gets a time that has become free?"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.waitlist import (
    LEVEL_EVERY,
    OFFERS_OF_A_SLOT,
    Entry,
    Priority,
    Slot,
    Wishes,
    best_match,
    level,
    may_be_offered,
    offer_ttl,
    require_reason,
    suits,
    visit_in,
)
from shared.values.errors import Invalid
from shared.values.interval import Interval

NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NORTH, SOUTH, OKAFOR, LIU, TYPE = (UUID(int=number) for number in range(1, 6))
STARTS = datetime(2027, 3, 3, 17, tzinfo=UTC)
"""A Wednesday, 10:00 in Denver."""
SLOT = Slot(NORTH, OKAFOR, Interval(STARTS, STARTS + 40 * MINUTE), ZoneInfo("America/Denver"))


def entry(number: int = 100, **more: Any) -> Entry:
    ids = {"id": UUID(int=number), "patient_id": UUID(int=1000 + number), "type_id": TYPE}
    return Entry(**{**ids, "length": 20 * MINUTE, "since": NOW - DAY, **more})


WISHES = {
    "any": ({}, True),
    "this clinic or another": ({"clinic_ids": frozenset({NORTH, SOUTH})}, True),
    "another clinic": ({"clinic_ids": frozenset({SOUTH})}, False),
    "this provider": ({"provider_ids": frozenset({OKAFOR})}, True),
    "another provider": ({"provider_ids": frozenset({LIU})}, False),
    "wednesdays": ({"weekdays": frozenset({3})}, True),
    "mondays": ({"weekdays": frozenset({1})}, False),
    "just these hours": ({"opens": time(10), "closes": time(10, 20)}, True),
    "begins too early": ({"opens": time(10, 1)}, False),
    "ends too late": ({"closes": time(10, 19)}, False),
    "until midnight": ({"opens": time(10)}, True),
    "this day": ({"earliest": date(2027, 3, 3), "latest": date(2027, 3, 3)}, True),
    "later days": ({"earliest": date(2027, 3, 4)}, False),
    "earlier days": ({"latest": date(2027, 3, 2)}, False),
    "notice that there is": ({"notice": 50 * HOUR}, True),
    "notice that there is not": ({"notice": 50 * HOUR + MINUTE}, False),
    "earlier than the visit replaced": ({"before": STARTS + MINUTE}, True),
    "not earlier than the visit replaced": ({"before": STARTS}, False),
}


@pytest.mark.parametrize(("wishes", "fits"), WISHES.values(), ids=WISHES.keys())
def test_what_suits(wishes: dict[str, Any], fits: bool) -> None:
    assert suits(SLOT, entry(wishes=Wishes(**wishes)), NOW) is fits


def test_a_visit_longer_than_the_slot_does_not_suit() -> None:
    assert suits(SLOT, entry(length=40 * MINUTE), NOW)
    assert not suits(SLOT, entry(length=41 * MINUTE), NOW)


def test_a_seat_suits_its_own_type_of_visit_and_takes_all_of_the_session() -> None:
    seat = replace(SLOT, seat_of=entry().type_id)
    assert suits(seat, entry(length=41 * MINUTE), NOW)
    assert not suits(replace(SLOT, seat_of=UUID(int=99)), entry(), NOW)
    assert not suits(seat, entry(wishes=Wishes(before=STARTS + DAY)), NOW)
    assert suits(SLOT, entry(wishes=Wishes(before=STARTS + DAY)), NOW)
    at_its_end = Interval(STARTS + 30 * MINUTE, STARTS + 40 * MINUTE)
    assert not may_be_offered(seat, entry(length=20 * MINUTE, busy=(at_its_end,)), NOW)
    assert may_be_offered(SLOT, entry(length=20 * MINUTE, busy=(at_its_end,)), NOW)


def test_a_time_that_has_begun_suits_nobody() -> None:
    assert not suits(SLOT, entry(), STARTS)


def test_hours_are_the_clinics_on_either_side_of_a_clock_change() -> None:
    ten = entry(wishes=Wishes(opens=time(10), closes=time(11)))
    summer = datetime(2027, 3, 17, 16, tzinfo=UTC)
    assert suits(replace(SLOT, interval=Interval(summer, summer + HOUR)), ten, NOW)
    late = Interval(summer + HOUR, summer + 2 * HOUR)
    assert not suits(replace(SLOT, interval=late), ten, NOW)


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"weekdays": frozenset({0})}, "waitlist.weekday"),
        ({"opens": time(10), "closes": time(9)}, "waitlist.hours_reversed"),
        ({"earliest": date(2027, 3, 2), "latest": date(2027, 3, 1)}, "waitlist.days_reversed"),
        ({"notice": -MINUTE}, "waitlist.notice"),
    ],
    ids=["weekday", "hours", "days", "notice"],
)
def test_wishes_that_nothing_meets_are_refused(wishes: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        Wishes(**wishes)
    assert refused.value.code == code


def test_a_high_priority_needs_a_reason() -> None:
    require_reason(Priority.HIGH, "post-operative")
    require_reason(Priority.NORMAL, None)
    with pytest.raises(Invalid):
        require_reason(Priority.HIGH, None)


OLD = NOW - 3 * DAY
FIRST = {
    "priority": ({"priority": Priority.HIGH}, {"since": OLD}),
    "fewest offers": ({}, {"since": OLD, "offers": 1}),
    "longest wait": ({"since": OLD}, {}),
    "passed over before": ({"since": OLD, "offers": 4, "passed_over": True}, {}),
    "aged beyond high": (
        {"priority": Priority.LOW, "since": NOW - 3 * LEVEL_EVERY},
        {"priority": Priority.HIGH},
    ),
    "who let none expire today": (
        {},
        {"priority": Priority.HIGH, "since": OLD, "expired_today": True},
    ),
    "who let another expire today, before this one": (
        {"expired_today": True},
        {"priority": Priority.HIGH, "expired_here": 1, "expired_today": True},
    ),
    "who let none of this slot expire": ({}, {"priority": Priority.HIGH, "expired_here": 1}),
}


@pytest.mark.parametrize(("first", "second"), FIRST.values(), ids=FIRST.keys())
def test_who_comes_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    match = best_match(SLOT, [entry(2, **second), entry(3, **first)], NOW)
    assert match is not None
    assert match.entry.id == UUID(int=3)


def test_who_declined_a_slot_is_not_asked_for_it_again() -> None:
    assert best_match(SLOT, [entry(declined_here=True)], NOW) is None


def test_who_let_it_expire_is_asked_once_more_where_nobody_else_fits() -> None:
    assert best_match(SLOT, [entry(expired_here=OFFERS_OF_A_SLOT - 1)], NOW) is not None
    assert best_match(SLOT, [entry(expired_here=OFFERS_OF_A_SLOT)], NOW) is None


def test_whom_the_bookings_rules_refuse_is_left_out() -> None:
    match = best_match(SLOT, [entry(2, since=OLD), entry(3)], NOW, but={UUID(int=2)})
    assert match is not None
    assert (match.entry.id, match.passed_over) == (UUID(int=3), None)


@pytest.mark.parametrize(
    ("left", "lasts"),
    [
        (3 * DAY, 30 * MINUTE),
        (4 * HOUR, 10 * MINUTE),
        (12 * MINUTE, 6 * MINUTE),
        (2 * MINUTE, MINUTE),
        (MINUTE, None),
    ],
    ids=["days", "hours", "soon", "at once", "too late"],
)
def test_how_long_an_offer_lasts(left: timedelta, lasts: timedelta | None) -> None:
    assert offer_ttl(NOW + left, NOW) == lasts


def _wishes() -> st.SearchStrategy[Wishes]:
    return st.builds(
        Wishes,
        clinic_ids=st.frozensets(st.sampled_from([NORTH, SOUTH])),
        provider_ids=st.frozensets(st.sampled_from([OKAFOR, LIU])),
        weekdays=st.frozensets(st.integers(1, 7)),
        opens=st.sampled_from([time(0), time(9), time(11)]),
        closes=st.sampled_from([time(0), time(12), time(18)]),
        notice=st.sampled_from([timedelta(0), HOUR, 3 * DAY]),
    )


@st.composite
def _entries(draw: st.DrawFn) -> list[Entry]:
    busy = Interval(STARTS + 10 * MINUTE, STARTS + HOUR)
    return [
        entry(
            number,
            wishes=draw(_wishes()),
            priority=draw(st.sampled_from(list(Priority))),
            since=NOW - draw(st.integers(0, 60)) * DAY,
            length=draw(st.sampled_from([20, 40, 60])) * MINUTE,
            offers=draw(st.integers(0, 3)),
            passed_over=draw(st.booleans()),
            busy=draw(st.sampled_from([(), (busy,)])),
            has_offer=draw(st.booleans()),
            expired_here=draw(st.integers(0, 2)),
            expired_today=draw(st.booleans()),
            declined_here=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 8)))
    ]


@given(_entries(), st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(entries: list[Entry], random: Any) -> None:
    mixed = random.sample(entries, len(entries))
    assert best_match(SLOT, mixed, NOW) == best_match(SLOT, entries, NOW)


@given(_entries())
def test_nobody_is_chosen_who_does_not_fit(entries: list[Entry]) -> None:
    match = best_match(SLOT, entries, NOW)
    if match is None:
        assert not any(may_be_offered(SLOT, each, NOW) for each in entries)
        return
    chosen = match.entry
    assert suits(SLOT, chosen, NOW)
    assert not chosen.has_offer
    assert not chosen.declined_here
    assert not any(taken.overlaps(visit_in(SLOT, chosen)) for taken in chosen.busy)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), min_size=2, max_size=6))
def test_who_waits_longest_of_a_priority_is_not_passed_over_twice(
    standing: list[tuple[int, int]],
) -> None:
    waiting = {
        UUID(int=number): entry(number, since=NOW - days * HOUR, offers=offers)
        for number, (days, offers) in enumerate(standing)
    }
    passed: dict[UUID, int] = {}
    for turn in range(12):
        # One more comes in each turn, without any offer: who had some must not wait for ever.
        waiting[UUID(int=50 + turn)] = entry(50 + turn, since=NOW)
        longest = min(waiting.values(), key=lambda each: (each.since, each.id))
        match = best_match(SLOT, waiting.values(), NOW)
        assert match is not None
        if match.entry.id != longest.id:
            assert match.passed_over == longest.id
            passed[longest.id] = passed.get(longest.id, 0) + 1
            assert passed[longest.id] == 1
            waiting[longest.id] = replace(longest, passed_over=True)
        del waiting[match.entry.id]


def test_who_waits_is_overtaken_by_no_newcomer_for_ever() -> None:
    low = entry(2, priority=Priority.LOW, offers=9, since=NOW - 3 * LEVEL_EVERY)
    new = [entry(number, priority=Priority.HIGH, since=NOW) for number in range(3, 9)]
    assert level(low, NOW) > level(new[0], NOW)
    match = best_match(SLOT, [*new, low], NOW)
    assert match is not None
    assert match.entry == low
