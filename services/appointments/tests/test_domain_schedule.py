"""Weekly schedules in wall time, over the clock changes of many zones."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.appointments.domain.schedule import (
    DAYS_MAX,
    Opening,
    WeeklySchedule,
    local_days,
    openings,
)
from shared.values.errors import Invalid
from shared.values.interval import Interval

ANN, BEN = UUID(int=1), UUID(int=2)
NORTH, SOUTH = UUID(int=11), UUID(int=12)
DENVER = ZoneInfo("America/Denver")

# Changes by an hour and by half of one, at 02:00 and at midnight, in spring and in autumn, by
# Ramadan, into the day before, and none at all.
ZONES = [
    ZoneInfo(name)
    for name in (
        "America/Denver",
        "America/Phoenix",
        "America/St_Johns",
        "America/Havana",
        "America/Nuuk",
        "America/Santiago",
        "Africa/Cairo",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Atlantic/Azores",
        "Australia/Lord_Howe",
        "Europe/Dublin",
        "Pacific/Chatham",
        "Pacific/Auckland",
        "UTC",
    )
]


def schedule(
    opens: time = time(9),
    closes: time = time(17),
    weekday: int = 1,
    zone: ZoneInfo = DENVER,
    effective_from: date | None = None,
    effective_until: date | None = None,
    provider_id: UUID = ANN,
    clinic_id: UUID = NORTH,
) -> WeeklySchedule:
    return WeeklySchedule(
        provider_id, clinic_id, zone, weekday, opens, closes, effective_from, effective_until
    )


def change_days(zone: ZoneInfo) -> list[date]:
    """The local days of 2026 and 2027 on which the clocks of a zone change."""
    noons = [datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(730)]
    offsets = [noon.astimezone(zone).utcoffset() for noon in noons]
    return [noons[n].astimezone(zone).date() for n in range(1, 730) if offsets[n] != offsets[n - 1]]


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_nine_stays_nine_on_both_sides_of_every_change(zone: ZoneInfo) -> None:
    for change in change_days(zone) or [date(2026, 6, 1)]:
        days = [change + timedelta(days=n) for n in range(-2, 3)]
        week = [schedule(weekday=n, zone=zone) for n in range(1, 8)]
        found = openings(week, days[0], days[-1])
        assert [wall(one.interval.start, zone) for one in found] == [
            datetime.combine(day, time(9)) for day in days
        ]
        assert [wall(one.interval.end, zone) for one in found] == [
            datetime.combine(day, time(17)) for day in days
        ]


MINUTES = st.integers(0, 24 * 60 - 1)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(ZONES), MINUTES, MINUTES, MINUTES, st.integers(0, 20))
def test_no_opening_is_negative_or_open_twice_on_a_day_of_change(
    zone: ZoneInfo, first: int, second: int, third: int, which: int
) -> None:
    days = change_days_of(zone)
    day = days[which % len(days)] if days else date(2026, 6, 1)
    a, b, c = sorted((first, second, third))
    cuts = [time(minute // 60, minute % 60) for minute in (a, b, c)]
    parts = [
        schedule(opens, closes, day.isoweekday(), zone).opening_on(day)
        for opens, closes in pairwise(cuts)
        if opens < closes
    ]
    there = [part for part in parts if part is not None]
    assert all(one.end <= other.start for one, other in pairwise(there))
    for part in there:
        assert timedelta(0) < part.length
    if a < c:
        whole = schedule(cuts[0], cuts[-1], day.isoweekday(), zone).opening_on(day)
        length = sum((part.length for part in there), timedelta(0))
        assert (whole.length if whole else timedelta(0)) == length
        # At most an hour more or less than the clock face says.
        assert abs(length - timedelta(minutes=c - a)) <= timedelta(hours=1)


_CHANGE_DAYS: dict[str, list[date]] = {}


def change_days_of(zone: ZoneInfo) -> list[date]:
    if zone.key not in _CHANGE_DAYS:
        _CHANGE_DAYS[zone.key] = change_days(zone)
    return _CHANGE_DAYS[zone.key]


SPRING, AUTUMN = date(2027, 3, 14), date(2027, 11, 7)


@pytest.mark.parametrize(
    ("day", "opens", "closes", "start", "minutes"),
    [
        (SPRING, time(1), time(4), "08:00", 120),
        (SPRING, time(2, 30), time(4), "09:00", 60),
        (SPRING, time(1), time(2, 30), "08:00", 60),
        (SPRING, time(2, 10), time(2, 50), None, 0),
        (AUTUMN, time(0), time(3), "06:00", 240),
        (AUTUMN, time(1), time(1, 30), "07:00", 30),
        (AUTUMN, time(1, 30), time(2), "07:30", 90),
        (AUTUMN, time(0, 30), time(1, 30), "06:30", 60),
    ],
)
def test_on_the_day_of_change_the_gap_is_the_change_and_the_fold_its_first_reading(
    day: date, opens: time, closes: time, start: str | None, minutes: int
) -> None:
    opening = schedule(opens, closes, 7).opening_on(day)
    if start is None:
        assert opening is None
        assert openings([schedule(opens, closes, 7)], day, day) == []
    else:
        assert opening is not None
        assert opening.start.strftime("%H:%M") == start
        assert opening.length == timedelta(minutes=minutes)


def test_midnight_closes_the_day() -> None:
    found = openings([schedule(time(20), time(0))], date(2027, 3, 15), date(2027, 3, 15))
    assert wall(found[0].interval.end, DENVER) == datetime.combine(date(2027, 3, 16), time(0))


def test_touching_and_overlapping_openings_of_one_provider_and_clinic_are_joined() -> None:
    monday = date(2027, 3, 15)
    day = [
        schedule(time(9), time(12)),
        schedule(time(12), time(15)),
        schedule(time(14), time(17)),
        schedule(time(10), time(11), clinic_id=SOUTH),
        schedule(time(9), time(10), provider_id=BEN),
    ]
    found = openings(day, monday, monday)
    assert [(one.provider_id, one.clinic_id, one.interval.length) for one in found] == [
        (BEN, NORTH, timedelta(hours=1)),
        (ANN, NORTH, timedelta(hours=8)),
        (ANN, SOUTH, timedelta(hours=1)),
    ]


def test_a_schedule_applies_between_its_days_both_included() -> None:
    mondays = [date(2027, 3, 1) + timedelta(weeks=n) for n in range(4)]
    one_day = schedule(effective_from=mondays[1], effective_until=mondays[1])
    assert len(openings([one_day], mondays[0], mondays[0] + timedelta(days=DAYS_MAX - 1))) == 1
    some = schedule(effective_from=mondays[1], effective_until=mondays[2])
    found = openings([some], mondays[0], mondays[3])
    assert [wall(one.interval.start, DENVER).date() for one in found] == mondays[1:3]
    assert isinstance(found[0], Opening)
    assert some.applies_on(mondays[1])
    assert not some.applies_on(mondays[1] + timedelta(days=1))


def test_the_days_that_touch_an_interval_include_the_evening_before() -> None:
    at = datetime(2027, 3, 15, 6, tzinfo=UTC)
    days = local_days(Interval(at, at + timedelta(minutes=30)), DENVER)
    assert days == (date(2027, 3, 14), date(2027, 3, 15))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"weekday": 0}, "schedule.weekday"),
        ({"weekday": 8}, "schedule.weekday"),
        ({"opens": time(9, 0, 1)}, "schedule.time"),
        ({"closes": time(17, 0, 0, 1)}, "schedule.time"),
        ({"opens": time(9, tzinfo=UTC)}, "schedule.time"),
        ({"opens": time(17)}, "schedule.reversed"),
        ({"opens": time(18)}, "schedule.reversed"),
        (
            {"effective_from": date(2027, 1, 2), "effective_until": date(2027, 1, 1)},
            "schedule.effective",
        ),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        schedule(**change)  # type: ignore[arg-type]
    assert refused.value.code == code


@pytest.mark.parametrize("days", [-1, DAYS_MAX])
def test_a_range_that_is_reversed_or_too_long_is_refused(days: int) -> None:
    with pytest.raises(Invalid) as refused:
        openings([], date(2027, 1, 1), date(2027, 1, 1) + timedelta(days=days))
    assert refused.value.code == "schedule.range"
