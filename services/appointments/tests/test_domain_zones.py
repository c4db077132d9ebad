"""What becomes of an instant when its zone's rules change."""

import importlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.zones import (
    Unclear,
    in_order,
    instant_now,
    offset_minutes,
    wall_time,
)

ZONES = sorted(name for name in available_timezones() if "/" in name and name[:2] != "Et")
DENVER = ZoneInfo("America/Denver")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 10 * 365 * 24 * 60).map(lambda n: FIRST + timedelta(minutes=n))


@given(INSTANTS, st.sampled_from(ZONES))
def test_while_the_rules_are_the_same_nothing_moves(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    offset = offset_minutes(at, zone)
    assert instant_now(at, offset, zone) == at
    assert wall_time(at, offset) == at.astimezone(zone).replace(tzinfo=None)


@given(INSTANTS, st.sampled_from(ZONES), st.integers(-180, 180))
def test_what_moves_is_shown_at_the_wall_time_that_was_booked_and_moves_once(
    at: datetime, name: str, change: int
) -> None:
    zone = ZoneInfo(name)
    offset = offset_minutes(at, zone) + change
    to = instant_now(at, offset, zone)
    if isinstance(to, Unclear):
        assert to.wall == wall_time(at, offset)
        return
    assert to.astimezone(zone).replace(tzinfo=None) == wall_time(at, offset)
    assert instant_now(to, offset_minutes(to, zone), zone) == to


@pytest.mark.parametrize(
    ("at", "offset", "expected"),
    [
        pytest.param("2027-06-01T16:00", -360, "2027-06-01T16:00", id="as-it-was"),
        pytest.param("2027-06-01T17:00", -420, "2027-06-01T16:00", id="summer-time-is-new"),
        pytest.param("2027-12-01T16:00", -360, "2027-12-01T17:00", id="summer-time-is-over"),
        pytest.param("2027-03-14T09:30", -420, "time.nonexistent", id="into-the-gap"),
        pytest.param("2027-11-07T08:30", -420, "2027-11-07T08:30", id="the-second-time-stays"),
        pytest.param("2027-11-07T07:30", -360, "2027-11-07T07:30", id="the-first-time-stays"),
        pytest.param("2027-11-07T06:30", -300, "time.ambiguous", id="into-the-fold"),
    ],
)
def test_the_instant_of_a_wall_time(at: str, offset: int, expected: str) -> None:
    found = instant_now(datetime.fromisoformat(at).replace(tzinfo=UTC), offset, DENVER)
    if isinstance(found, Unclear):
        assert found.why == expected
    else:
        assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    at: datetime
    to: datetime


TEN = datetime(2027, 6, 1, 10, tzinfo=UTC)


@given(st.lists(st.integers(0, 60), unique=True), st.sampled_from([-60, -30, 30, 60]))
def test_neighbours_that_move_alike_are_never_in_each_others_way(
    quarters: list[int], minutes: int
) -> None:
    places = [TEN + timedelta(minutes=15 * quarter) for quarter in quarters]
    moving = [Place(at, at + timedelta(minutes=minutes)) for at in places]
    taken = set(places)
    for each in in_order(moving):
        taken.remove(each.at)
        assert each.to not in taken
        taken.add(each.to)
    assert taken == {each.to for each in moving}


@pytest.mark.parametrize(
    "name", ["America/Denver", "America/Phoenix", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_the_migration_knows_the_stretches_of_one_offset(name: str) -> None:
    migration = importlib.import_module("services.appointments.migrations.versions.0014_zones")
    zone, since, until = (
        ZoneInfo(name),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2029, 1, 1, tzinfo=UTC),
    )
    found = list(migration.stretches(zone, since, until))
    assert (found[0][0], found[-1][1] > until) == (since, True)
    for (_, end, _), (start, _, _) in pairwise(found):
        assert end == start
    for start, end, offset in found:
        for at in (start, start + (end - start) / 2, end - timedelta(minutes=1)):
            assert offset_minutes(at, zone) == offset
