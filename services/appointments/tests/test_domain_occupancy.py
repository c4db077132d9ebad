"""Lanes: which time of which resource is taken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.appointments.domain.occupancy import (
    EVERY_LANE,
    Busy,
    Calendar,
    ResourceKind,
    provider_time,
)
from services.appointments.domain.resources import AppointmentType, Provider
from shared.values.errors import Invalid
from shared.values.interval import Interval

T0 = datetime(2027, 3, 1, 16, tzinfo=UTC)
ROOM = ResourceKind.ROOM
HERE, VISIT = UUID(int=1), UUID(int=2)


def at(start: int, end: int) -> Interval:
    return Interval(T0 + timedelta(minutes=start), T0 + timedelta(minutes=end))


def busy(start: int, end: int, lane: int | None = 1, visit: UUID | None = None) -> Busy:
    return Busy(ROOM, HERE, lane, at(start, end), visit)


@pytest.mark.parametrize(
    ("start", "end", "free"),
    [
        (0, 30, True),
        (30, 60, False),
        (60, 90, True),
        (0, 31, False),
        (59, 90, False),
        (0, 90, False),
        (40, 50, False),
    ],
)
def test_a_lane_is_free_up_to_and_from_the_ends_of_what_is_taken(
    start: int, end: int, free: bool
) -> None:
    lane = Calendar([busy(30, 60)]).free_lane(ROOM, HERE, at(start, end))
    assert lane == (1 if free else None)


def test_the_lowest_lane_that_is_free_all_the_time_is_taken() -> None:
    calendar = Calendar([busy(0, 30, 1), busy(30, 60, 2)])
    assert calendar.free_lane(ROOM, HERE, at(0, 60), capacity=3) == 3
    assert calendar.free_lane(ROOM, HERE, at(0, 60), capacity=2) is None
    assert calendar.free_lane(ROOM, HERE, at(0, 30), capacity=2) == 2
    assert calendar.free_lane(ROOM, HERE, at(30, 60), capacity=2) == 1


def test_a_block_takes_every_lane() -> None:
    calendar = Calendar([busy(0, 30, EVERY_LANE)])
    assert calendar.blocked(ROOM, HERE, at(29, 60))
    assert not calendar.blocked(ROOM, HERE, at(30, 60))
    assert calendar.free_lane(ROOM, HERE, at(0, 30), capacity=5) is None


def test_a_further_lane_is_the_lowest_free_one_above_the_capacity() -> None:
    calendar = Calendar([busy(0, 30, lane) for lane in (1, 2, 3, 5)])
    assert calendar.further_lane(ROOM, HERE, at(0, 30), capacity=2) == 4
    assert calendar.further_lane(ROOM, HERE, at(30, 60), capacity=2) == 3


def test_other_resources_and_the_visit_that_moves_do_not_count() -> None:
    rows = [busy(0, 30, visit=VISIT), Busy(ROOM, VISIT, 1, at(0, 30))]
    assert Calendar(rows).free_lane(ROOM, HERE, at(0, 30)) is None
    assert Calendar(rows, ignoring=VISIT).free_lane(ROOM, HERE, at(0, 30)) == 1
    assert Calendar(rows).free_lane(ResourceKind.PATIENT, HERE, at(0, 30)) == 1


def test_a_block_is_not_ignored_with_the_visit_that_moves() -> None:
    calendar = Calendar([busy(0, 30, EVERY_LANE)], ignoring=VISIT)
    assert calendar.blocked(ROOM, HERE, at(0, 30))


SPANS = st.tuples(st.integers(0, 40), st.integers(1, 15), st.integers(1, 3))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(SPANS, max_size=10), SPANS)
def test_the_lane_chosen_overlaps_nothing_and_no_lower_lane_would_do(
    taken: list[tuple[int, int, int]], wanted: tuple[int, int, int]
) -> None:
    rows = [busy(start, start + length, lane) for start, length, lane in taken]
    start, length, capacity = wanted
    interval = at(start, start + length)
    lane = Calendar(rows).free_lane(ROOM, HERE, interval, capacity)
    used = {row.lane for row in rows if row.interval.overlaps(interval)}
    assert lane == min({*range(1, capacity + 1)} - used, default=None)


TYPE = AppointmentType(HERE, length_new=timedelta(minutes=40), length_known=timedelta(minutes=20))


def kind_of_visit(**change: timedelta) -> AppointmentType:
    return replace(TYPE, **change)  # type: ignore[arg-type]


def test_buffers_widen_the_time_of_the_provider() -> None:
    kind = kind_of_visit(buffer_before=timedelta(minutes=5), buffer_after=timedelta(minutes=10))
    assert provider_time(at(30, 60), kind) == at(25, 70)


def test_a_new_patient_takes_longer() -> None:
    assert kind_of_visit().length_for(known=False) == timedelta(minutes=40)
    assert kind_of_visit().length_for(known=True) == timedelta(minutes=20)


def test_a_type_may_go_to_its_bounds() -> None:
    longest = kind_of_visit(length_new=timedelta(hours=12), buffer_after=timedelta(hours=2))
    assert longest.length_for(known=False) == timedelta(hours=12)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"length_new": timedelta(0)}, "type.length"),
        ({"length_known": timedelta(hours=13)}, "type.length"),
        ({"length_known": timedelta(seconds=90)}, "type.length"),
        ({"buffer_before": timedelta(minutes=-1)}, "type.buffer"),
        ({"buffer_after": timedelta(hours=3)}, "type.buffer"),
        ({"buffer_after": timedelta(seconds=1)}, "type.buffer"),
        ({"lead_time": timedelta(minutes=-1)}, "type.lead_time"),
        ({"lead_time": timedelta(days=2), "horizon": timedelta(days=2)}, "type.lead_time"),
    ],
)
def test_a_type_that_makes_no_sense_is_refused(change: dict[str, timedelta], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        kind_of_visit(**change)
    assert refused.value.code == code


def test_a_provider_is_active_on_the_first_and_the_last_day() -> None:
    first, last = T0.date(), T0.date() + timedelta(days=7)
    one = Provider(HERE, frozenset(), first, last)
    days = [first - timedelta(days=1), first, last, last + timedelta(days=1)]
    assert [one.active_on(day) for day in days] == [False, True, True, False]
    assert Provider(HERE, frozenset()).active_on(first)
