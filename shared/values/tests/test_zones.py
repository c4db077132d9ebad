"""Wall time and instants, over every clock change of every zone from 2024 to 2030."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from shared.values.errors import Invalid
from shared.values.zones import (
    day_bounds,
    first_at,
    instant_in,
    instants_of,
    resolved,
    zone,
)

DENVER = ZoneInfo("America/Denver")
MINUTE = timedelta(minutes=1)


@cache
def changes() -> tuple[tuple[ZoneInfo, datetime], ...]:
    """Every (zone, instant of a change) from 2024 to 2030; zones of one history count once."""
    seen: dict[tuple[object, ...], list[tuple[ZoneInfo, datetime]]] = {}
    for name in sorted(available_timezones()):
        here = ZoneInfo(name)
        at, found, offsets = datetime(2024, 1, 1, tzinfo=UTC), [], []
        before = at.astimezone(here).utcoffset()
        offsets.append(before)
        while at.year < 2031:
            after = at + timedelta(days=11)
            offset = after.astimezone(here).utcoffset()
            if offset != before:
                found.append((here, _bisected(here, at, after)))
                offsets.append(offset)
            at, before = after, offset
        seen.setdefault((*offsets, *(change for _, change in found)), found)
    return tuple(change for found in seen.values() for change in found)


def _bisected(here: ZoneInfo, low: datetime, high: datetime) -> datetime:
    offset = high.astimezone(here).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(here).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


def walls_around(here: ZoneInfo, change: datetime) -> tuple[datetime, datetime]:
    """What the clocks show at a change: with the offset before it, and with the one after."""
    before = (change - timedelta(seconds=1)).astimezone(here).replace(tzinfo=None)
    return before + timedelta(seconds=1), change.astimezone(here).replace(tzinfo=None, fold=0)


def test_there_are_changes_to_try_of_every_kind() -> None:
    shifts = {after - before for before, after in (walls_around(*each) for each in changes())}
    assert len(changes()) > 400
    assert {timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=30)} <= shifts


def test_a_time_in_any_gap_is_refused_with_the_two_readings() -> None:
    gaps = 0
    for here, change in changes():
        before, after = walls_around(here, change)
        if before < after:
            gaps += 1
            for wall in (before, after - MINUTE):
                assert instants_of(wall, here) == ()
                assert first_at(wall, here) == change
                with pytest.raises(Invalid) as refused:
                    resolved(wall, here)
                assert refused.value.code == "time.nonexistent"
                shift = after - before
                early, late = map(datetime.fromisoformat, refused.value.facts["proposals"])
                assert early < change <= late
                assert late - early == shift
    assert gaps > 180


def test_a_time_in_any_fold_is_refused_with_both_instants() -> None:
    folds = 0
    for here, change in changes():
        before, after = walls_around(here, change)
        if after < before:
            folds += 1
            for wall in (after, before - MINUTE):
                both = instants_of(wall, here)
                assert both[0] < change <= both[1]
                assert first_at(wall, here) == both[0]
                with pytest.raises(Invalid) as refused:
                    resolved(wall, here)
                assert refused.value.code == "time.ambiguous"
                offered = [datetime.fromisoformat(at) for at in refused.value.facts["proposals"]]
                assert tuple(offered) == both
    assert folds > 180


def test_just_outside_of_any_change_a_time_is_one_instant() -> None:
    for here, change in changes():
        low, high = sorted(walls_around(here, change))
        for wall in (low - MINUTE, high):
            instant = resolved(wall, here)
            assert instant.astimezone(here).replace(tzinfo=None) == wall
            assert first_at(wall, here) == instant


def test_days_with_a_change_tile_the_time_and_begin_with_their_first_instant() -> None:
    for here, change in changes():
        day = change.astimezone(here).date()
        bounds = [day_bounds(day + timedelta(days=n), here) for n in (-1, 0, 1)]
        assert bounds[0][1] == bounds[1][0]
        assert bounds[1][1] == bounds[2][0]
        start, end = bounds[1]
        assert end - start == timedelta(days=1) - _shift_on(here, day, change)
        assert (start - timedelta(seconds=1)).astimezone(here).date() < day
        assert start.astimezone(here).date() == day


def _shift_on(here: ZoneInfo, day: date, change: datetime) -> timedelta:
    """How far the clocks go forward on a day, as far as one change brings it about."""
    start, end = day_bounds(day, here)
    if not start < change < end:
        return timedelta(0) if change != start else _skipped_at_midnight(here, day, change)
    before, after = walls_around(here, change)
    return after - before


def _skipped_at_midnight(here: ZoneInfo, day: date, change: datetime) -> timedelta:
    """What a change at the very start takes off: Cairo skips 00:00 to 01:00."""
    return change.astimezone(here).replace(tzinfo=None) - datetime.combine(day, time(0))


def test_a_gap_over_midnight_ends_the_day_at_the_change() -> None:
    apia = ZoneInfo("Pacific/Apia")
    start, end = day_bounds(date(2011, 12, 30), apia)
    assert start == end == datetime(2011, 12, 30, 10, tzinfo=UTC)
    toronto = ZoneInfo("America/Toronto")
    change = datetime(1919, 3, 31, 4, 30, tzinfo=UTC)
    assert day_bounds(date(1919, 3, 31), toronto)[0] == change
    assert day_bounds(date(1919, 3, 30), toronto)[1] == change


@pytest.mark.parametrize(
    "name", ["EST", "MST7MDT", "Mars/Phobos", "", "../etc/passwd", "a/b\x00", "Europe/", "a/\ud800"]
)
def test_a_name_that_is_no_region_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        zone(name)
    assert refused.value.code == "time.zone_unknown"


@pytest.mark.parametrize("tree", ["posix", "right"])
def test_trees_that_only_some_machines_have_are_refused(tree: str) -> None:
    with pytest.raises(Invalid):
        zone(f"{tree}/America/Denver")


def test_a_region_and_utc_are_zones() -> None:
    assert zone("America/Denver").key == "America/Denver"
    assert zone("UTC").key == "UTC"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "instant"),
    [
        ("2027-07-01T09:00:00-06:00", "2027-07-01T15:00:00+00:00"),
        ("2027-07-01T15:00:00+00:00", "2027-07-01T15:00:00+00:00"),
        ("2027-11-07T01:30:00-06:00", "2027-11-07T07:30:00+00:00"),
        ("2027-11-07T01:30:00-07:00", "2027-11-07T08:30:00+00:00"),
    ],
)
def test_a_moment_whose_offset_the_zone_has_is_its_instant(moment: str, instant: str) -> None:
    assert instant_in(at(moment), DENVER) == at(instant)


@pytest.mark.parametrize(
    ("moment", "code", "proposals"),
    [
        ("2027-07-01T09:00:00", "time.naive", ["2027-07-01T09:00:00-06:00"]),
        (
            "2027-03-14T02:30:00",
            "time.nonexistent",
            ["2027-03-14T01:30:00-07:00", "2027-03-14T03:30:00-06:00"],
        ),
        (
            "2027-03-14T02:30:00-07:00",
            "time.nonexistent",
            ["2027-03-14T01:30:00-07:00", "2027-03-14T03:30:00-06:00"],
        ),
        (
            "2027-11-07T01:30:00",
            "time.ambiguous",
            ["2027-11-07T01:30:00-06:00", "2027-11-07T01:30:00-07:00"],
        ),
        ("2027-07-01T09:00:00-07:00", "time.offset", None),
        ("9999-12-31T23:59:00-06:00", "time.range", None),
        ("0001-01-01T00:00:00+14:00", "time.range", None),
    ],
)
def test_a_moment_that_the_zone_does_not_have_is_refused(
    moment: str, code: str, proposals: list[str] | None
) -> None:
    with pytest.raises(Invalid) as refused:
        instant_in(at(moment), DENVER)
    assert refused.value.code == code
    assert refused.value.facts.get("proposals") == proposals


def test_wall_times_out_of_range_are_refused_not_an_overflow() -> None:
    for wall in (datetime.combine(date.max, time(23)), datetime.combine(date.min, time(0))):
        with pytest.raises(Invalid) as refused:
            resolved(wall, DENVER)
        assert refused.value.code == "time.range"


@pytest.mark.parametrize(
    ("year", "kept"), [(1899, False), (1900, True), (2200, True), (2201, False)]
)
def test_years_are_kept_from_1900_to_2200(year: int, kept: bool) -> None:
    if kept:
        assert instant_in(datetime(year, 6, 1, tzinfo=UTC), DENVER).year == year
    else:
        with pytest.raises(Invalid):
            instant_in(datetime(year, 6, 1, tzinfo=UTC), DENVER)


def test_an_offset_of_the_zone_at_another_time_of_year_is_refused() -> None:
    winter = datetime(2027, 1, 5, 9, tzinfo=timezone(timedelta(hours=-6)))
    with pytest.raises(Invalid) as refused:
        instant_in(winter, DENVER)
    assert refused.value.code == "time.offset"
