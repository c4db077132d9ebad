"""Rhythms of schedules, days that differ, and a clinic's own hours."""

import calendar
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.clinic_hours import ClinicHours, Holiday, OpenHours
from services.appointments.domain.schedule import (
    LAST,
    Opening,
    Rhythm,
    ScheduleException,
    WeeklySchedule,
    openings,
)
from shared.values.errors import Invalid
from shared.values.interval import Interval

ANN, BEN = UUID(int=1), UUID(int=2)
NORTH, SOUTH = UUID(int=11), UUID(int=12)
DENVER = ZoneInfo("America/Denver")
MONDAY = date(2026, 11, 2)
DAY = timedelta(days=1)


def weekly(weekday: int = 1, provider_id: UUID = ANN, clinic_id: UUID = NORTH) -> WeeklySchedule:
    return WeeklySchedule(provider_id, clinic_id, DENVER, weekday, time(9), time(17))


def at(day: date, opens: int, closes: int) -> Interval:
    start, end = (datetime.combine(day, time(hour), DENVER) for hour in (opens, closes))
    return Interval(start, end)


def days_of(found: list[Opening]) -> list[date]:
    return [opening.interval.start.astimezone(DENVER).date() for opening in found]


@given(
    weekday=st.integers(1, 7),
    offset=st.integers(-200, 200),
    first=st.dates(date(2024, 1, 1), date(2036, 12, 31)),
)
def test_every_second_week_is_counted_from_the_anchor_both_ways(
    weekday: int, offset: int, first: date
) -> None:
    anchor = first + timedelta(weeks=offset)
    anchor += timedelta(days=weekday - anchor.isoweekday())
    rule = WeeklySchedule(
        ANN, NORTH, DENVER, weekday, time(9), time(10), rhythm=Rhythm.BIWEEKLY, anchor=anchor
    )
    found = set(days_of(openings([rule], first, first + timedelta(days=27))))
    assert len(found) == 2
    assert all((day.toordinal() - anchor.toordinal()) % 14 == 0 for day in found)


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, LAST])
@pytest.mark.parametrize("weekday", range(1, 8))
def test_a_weekday_of_the_month_is_the_calendars(weekday: int, nth: int) -> None:
    rule = WeeklySchedule(
        ANN, NORTH, DENVER, weekday, time(9), time(10), rhythm=Rhythm.MONTHLY, nth=nth
    )
    for year in range(2024, 2037):
        found = days_of(openings([rule], date(year, 1, 1), date(year, 12, 31)))
        wanted = []
        for month in range(1, 13):
            weeks = calendar.monthcalendar(year, month)
            days = [week[weekday - 1] for week in weeks if week[weekday - 1]]
            if nth == LAST or nth <= len(days):
                wanted.append(date(year, month, days[nth if nth == LAST else nth - 1]))
        assert found == wanted


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rhythm": Rhythm.BIWEEKLY}, "schedule.anchor"),
        ({"anchor": MONDAY}, "schedule.anchor"),
        ({"rhythm": Rhythm.BIWEEKLY, "anchor": MONDAY + DAY}, "schedule.anchor"),
        ({"rhythm": Rhythm.MONTHLY}, "schedule.nth"),
        ({"nth": 1}, "schedule.nth"),
        ({"rhythm": Rhythm.MONTHLY, "nth": 0}, "schedule.nth"),
        ({"rhythm": Rhythm.MONTHLY, "nth": 6}, "schedule.nth"),
        ({"rhythm": Rhythm.MONTHLY, "nth": -2}, "schedule.nth"),
    ],
)
def test_a_rhythm_that_makes_no_sense_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        WeeklySchedule(ANN, NORTH, DENVER, 1, time(9), time(10), **change)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_who_is_away_is_in_nowhere_and_nobody_else_is_touched() -> None:
    schedules = [weekly(), weekly(2), weekly(clinic_id=SOUTH), weekly(provider_id=BEN)]
    away = ScheduleException(ANN, MONDAY, MONDAY)
    found = openings(schedules, MONDAY, MONDAY + DAY, [away])
    assert [(o.provider_id, o.clinic_id, o.interval) for o in found] == [
        (BEN, NORTH, at(MONDAY, 9, 17)),
        (ANN, NORTH, at(MONDAY + DAY, 9, 17)),
    ]


def test_other_hours_stand_instead_of_the_template_maybe_at_another_clinic() -> None:
    other = ScheduleException(ANN, MONDAY, MONDAY, SOUTH, DENVER, time(12), time(20))
    found = openings([weekly()], MONDAY, MONDAY, [other])
    assert [(o.clinic_id, o.interval) for o in found] == [(SOUTH, at(MONDAY, 12, 20))]


def test_other_hours_hold_on_days_without_a_template_and_add_up() -> None:
    saturday = MONDAY + timedelta(days=5)
    early = ScheduleException(ANN, saturday, saturday, NORTH, DENVER, time(8), time(10))
    late = ScheduleException(ANN, saturday, saturday, NORTH, DENVER, time(13), time(15))
    found = openings([weekly()], saturday, saturday, [late, early])
    assert [o.interval for o in found] == [at(saturday, 8, 10), at(saturday, 13, 15)]


def test_being_closed_wins_over_other_hours() -> None:
    other = ScheduleException(ANN, MONDAY, MONDAY, NORTH, DENVER, time(8), time(10))
    away = ScheduleException(ANN, MONDAY - DAY, MONDAY + DAY)
    for exceptions in ([other, away], [away, other]):
        assert openings([weekly()], MONDAY, MONDAY, exceptions) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"last_day": MONDAY - DAY}, "exception.days"),
        ({"opens": time(8), "closes": time(9)}, "exception.hours"),
        ({"clinic_id": NORTH, "zone": DENVER}, "exception.hours"),
        (
            {"clinic_id": NORTH, "zone": DENVER, "opens": time(9), "closes": time(8)},
            "schedule.reversed",
        ),
    ],
)
def test_an_exception_that_makes_no_sense_is_refused(change: dict[str, object], code: str) -> None:
    given: dict[str, object] = {"first_day": MONDAY, "last_day": MONDAY, **change}
    with pytest.raises(Invalid) as refused:
        ScheduleException(ANN, **given)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_outside_of_a_clinics_hours_nobody_is_in() -> None:
    hours = ClinicHours(DENVER, (OpenHours(1, time(8), time(12)), OpenHours(1, time(13), time(16))))
    found = openings([weekly(), weekly(2)], MONDAY, MONDAY + DAY, clinics={NORTH: hours})
    assert [o.interval for o in found] == [at(MONDAY, 9, 12), at(MONDAY, 13, 16)]


def test_a_holiday_closes_the_clinic_or_shortens_its_day() -> None:
    closed = ClinicHours(DENVER, holidays=(Holiday(MONDAY, "Founders' Day"),))
    assert openings([weekly()], MONDAY, MONDAY, clinics={NORTH: closed}) == []
    short = ClinicHours(
        DENVER,
        (OpenHours(1, time(8), time(17)),),
        (Holiday(MONDAY, "Founders' Day", time(10), time(14)),),
    )
    found = openings([weekly()], MONDAY, MONDAY, clinics={NORTH: short})
    assert [o.interval for o in found] == [at(MONDAY, 10, 14)]


def test_a_holiday_binds_other_hours_as_well() -> None:
    other = ScheduleException(ANN, MONDAY, MONDAY, NORTH, DENVER, time(8), time(20))
    hours = ClinicHours(DENVER, holidays=(Holiday(MONDAY, "Founders' Day", time(10), time(14)),))
    found = openings([], MONDAY, MONDAY, [other], {NORTH: hours})
    assert [o.interval for o in found] == [at(MONDAY, 10, 14)]


def test_a_clinic_without_hours_is_open_whenever_somebody_is_in() -> None:
    holidays = (Holiday(MONDAY + DAY, "Founders' Day"),)
    whole = WeeklySchedule(ANN, NORTH, DENVER, 1, time(0), time(0))
    found = openings([whole], MONDAY, MONDAY, clinics={NORTH: ClinicHours(DENVER, (), holidays)})
    assert [o.interval.length for o in found] == [timedelta(hours=24)]


def test_a_day_is_a_holiday_once_and_its_hours_are_whole() -> None:
    with pytest.raises(Invalid, match=r"holiday\.twice"):
        ClinicHours(DENVER, (), (Holiday(MONDAY, "One"), Holiday(MONDAY, "Two")))
    with pytest.raises(Invalid, match=r"holiday\.hours"):
        Holiday(MONDAY, "One", time(8))
