"""Schedules over every clock change of every IANA zone, 2024 to 2036, against plain arithmetic.

With FULL=1 all zones, otherwise every ninth. The expected instants know nothing of `first_at`: of
the one change near a day they take its instant and the offsets on both sides.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest

from services.appointments.domain.schedule import LAST, Rhythm, WeeklySchedule, openings
from shared.values.interval import Interval, normalised

ANN, NORTH = UUID(int=1), UUID(int=11)
DAY = timedelta(days=1)
NOTHING = timedelta(0)
FULL = os.environ.get("FULL") == "1"
EVERY = 1 if FULL else 9
ZONES = sorted(available_timezones())[::EVERY]
HOURS = (
    (time(0), time(0)),
    (time(0, 15), time(1, 15)),
    (time(1, 30), time(2, 30)),
    (time(2), time(3)),
    (time(9), time(17)),
    (time(22), time(0)),
)


@dataclass(frozen=True)
class Change:
    """The clocks of a zone change at an instant, from one offset to another."""

    at: datetime
    before: timedelta
    after: timedelta

    def first_reading(self, wall: datetime) -> datetime:
        """The first instant at which the clocks show this time or a later one."""
        early = wall.replace(tzinfo=UTC) - self.before
        if early < self.at:
            return early
        return max(self.at, wall.replace(tzinfo=UTC) - self.after)


def changes(zone: ZoneInfo) -> Iterator[Change]:
    """Every change of 2024 to 2036, to the second."""

    def offset(at: datetime) -> timedelta:
        return at.astimezone(zone).utcoffset() or NOTHING

    at, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
    while at < end:
        following = at + DAY
        before, after = offset(at), offset(following)
        if before != after:
            low, high = at, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            yield Change(high, before, after)
        at = following


def expected(change: Change, days: list[date], opens: time, closes: time) -> list[Interval]:
    """What wall time says of these days."""
    found = []
    for day in days:
        last = day + DAY if closes == time(0) else day
        start = change.first_reading(datetime.combine(day, opens))
        end = change.first_reading(datetime.combine(last, closes))
        if start < end:
            found.append(Interval(start, end))
    return normalised(found)


def templates(
    day: date, zone: ZoneInfo, opens: time, closes: time
) -> Iterator[tuple[list[date], list[WeeklySchedule]]]:
    """Schedules in each rhythm that are on around a day, and the days on which they are."""
    around = [day + n * DAY for n in range(-2, 3)]

    def of(weekday: int, **rhythm: object) -> WeeklySchedule:
        return WeeklySchedule(ANN, NORTH, zone, weekday, opens, closes, **rhythm)  # type: ignore[arg-type]

    yield around, [of(one.isoweekday()) for one in around]
    yield [day], [of(day.isoweekday(), rhythm=Rhythm.BIWEEKLY, anchor=day - 14 * DAY)]
    yield [], [of(day.isoweekday(), rhythm=Rhythm.BIWEEKLY, anchor=day + 7 * DAY)]
    nth = LAST if (day + 7 * DAY).month != day.month else (day.day - 1) // 7 + 1
    yield [day], [of(day.isoweekday(), rhythm=Rhythm.MONTHLY, nth=nth)]


@pytest.mark.timeout(300)
def test_no_schedule_differs_from_the_wall_at_any_change() -> None:
    seen, wrong = 0, []
    for name in ZONES:
        zone = ZoneInfo(name)
        for change in changes(zone):
            day = change.at.astimezone(zone).date()
            for opens, closes in HOURS:
                for days, schedules in templates(day, zone, opens, closes):
                    found = openings(schedules, day - 2 * DAY, day + 2 * DAY)
                    seen += 1
                    if [o.interval for o in found] != expected(change, days, opens, closes):
                        wrong.append(f"{name} {change.at} {opens} to {closes}: {found}")
    assert wrong == []
    assert len(ZONES) > 500 / EVERY
    assert seen > (100_000 if FULL else 10_000)
