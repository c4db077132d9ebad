"""The algebra of half-open intervals, checked against sets of minutes."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values.errors import Invalid
from shared.values.interval import Interval, at_most_a_day, normalised, subtracted

T0 = datetime(2027, 3, 1, tzinfo=UTC)
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def minute(number: int) -> datetime:
    return T0 + timedelta(minutes=number)


def interval(start: int, end: int) -> Interval:
    return Interval(minute(start), minute(end))


def covered(intervals: list[Interval]) -> set[int]:
    """The minutes that a list covers."""
    found: set[int] = set()
    for one in intervals:
        start = (one.start - T0) // timedelta(minutes=1)
        found |= set(range(start, start + one.length // timedelta(minutes=1)))
    return found


INTERVALS = st.tuples(st.integers(0, 24), st.integers(1, 8)).map(
    lambda pair: interval(pair[0], pair[0] + pair[1])
)
LISTS = st.lists(INTERVALS, max_size=8)


@FEW
@given(LISTS)
def test_normalising_covers_the_same_and_leaves_gaps_between(intervals: list[Interval]) -> None:
    joined = normalised(intervals)
    assert covered(joined) == covered(intervals)
    assert all(a.end < b.start for a, b in pairwise(joined))
    assert normalised(joined) == joined


@FEW
@given(LISTS, LISTS)
def test_subtracting_leaves_exactly_what_was_not_taken(
    free: list[Interval], busy: list[Interval]
) -> None:
    left = subtracted(free, busy)
    assert covered(left) == covered(free) - covered(busy)
    assert left == normalised(left)


@FEW
@given(INTERVALS, INTERVALS)
def test_overlap_and_containment_agree_with_sets(one: Interval, other: Interval) -> None:
    mine, theirs = covered([one]), covered([other])
    assert one.overlaps(other) == other.overlaps(one) == bool(mine & theirs)
    assert one.contains(other) == (theirs <= mine)


def test_back_to_back_does_not_overlap() -> None:
    assert not interval(0, 30).overlaps(interval(30, 60))
    assert not interval(30, 60).overlaps(interval(0, 30))
    assert normalised([interval(30, 60), interval(0, 30)]) == [interval(0, 60)]


def test_widening_adds_a_buffer_on_either_side() -> None:
    wide = interval(30, 60).widened(timedelta(minutes=5), timedelta(minutes=10))
    assert wide == interval(25, 70)


@pytest.mark.parametrize("end", [0, -1])
def test_an_end_at_or_before_the_start_is_refused(end: int) -> None:
    with pytest.raises(Invalid) as refused:
        interval(0, end)
    assert refused.value.code == "interval.reversed"


@pytest.mark.parametrize("naive", ["start", "end"])
def test_a_naive_end_is_refused(naive: str) -> None:
    ends = {"start": minute(0), "end": minute(1)}
    ends[naive] = ends[naive].replace(tzinfo=None)
    with pytest.raises(Invalid) as refused:
        Interval(**ends)
    assert refused.value.code == "time.naive"


def test_the_edge_of_the_calendar_is_refused_not_an_overflow() -> None:
    edge = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    with pytest.raises(Invalid) as refused:
        Interval(edge, minute(0))
    assert refused.value.code == "time.range"


def test_length_over_a_clock_change_is_true_elapsed_time() -> None:
    denver = ZoneInfo("America/Denver")
    first = datetime(2027, 11, 7, 1, 45, tzinfo=denver, fold=0)
    second = datetime(2027, 11, 7, 1, 15, tzinfo=denver, fold=1)
    assert Interval(first, second).length == timedelta(minutes=30)


def test_a_day_is_the_longest() -> None:
    day = interval(0, 24 * 60)
    assert at_most_a_day(day) is day
    with pytest.raises(Invalid) as refused:
        at_most_a_day(interval(0, 24 * 60 + 1))
    assert refused.value.code == "interval.too_long"
