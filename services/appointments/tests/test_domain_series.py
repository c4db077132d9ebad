"""Recurrence in wall time, and which occurrences an edit is about."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.series import (
    OCCURRENCES_MAX,
    Member,
    Occurrence,
    OnConflict,
    Scope,
    candidates,
    chosen,
    occurrences,
    read_rule,
    shifted,
    tolerance_of,
)
from shared.values.errors import Invalid

DENVER = ZoneInfo("America/Denver")
HOWE = ZoneInfo("Australia/Lord_Howe")
CAIRO = ZoneInfo("Africa/Cairo")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def expand(rule: str, first: str, zone: ZoneInfo = DENVER) -> list[Occurrence]:
    return occurrences(read_rule(rule), wall(first), zone)


def refused(rule: str, first: str = "2026-11-03T09:00") -> tuple[str, dict[str, object]]:
    with pytest.raises(Invalid) as error:
        expand(rule, first)
    return error.value.code, error.value.facts


def test_nine_stays_nine_over_a_change_of_the_clocks() -> None:
    found = expand("FREQ=WEEKLY;COUNT=3", "2026-10-27T09:00")
    assert [each.wall for each in found] == [
        wall("2026-10-27T09:00"),
        wall("2026-11-03T09:00"),
        wall("2026-11-10T09:00"),
    ]
    assert [each.at and each.at.hour for each in found] == [15, 16, 16]


@pytest.mark.parametrize(
    ("rule", "first", "zone", "number", "code"),
    [
        ("FREQ=WEEKLY;COUNT=3", "2027-03-07T02:30", DENVER, 2, "time.nonexistent"),
        ("FREQ=DAILY;COUNT=3", "2027-11-06T01:30", DENVER, 2, "time.ambiguous"),
        ("FREQ=WEEKLY;COUNT=2", "2027-09-26T02:15", HOWE, 2, "time.nonexistent"),
        ("FREQ=WEEKLY;COUNT=2", "2027-04-23T00:30", CAIRO, 2, "time.nonexistent"),
    ],
    ids=["gap", "fold", "half-an-hour", "midnight"],
)
def test_an_occurrence_that_the_clocks_skip_or_show_twice_is_named_s3(
    rule: str, first: str, zone: ZoneInfo, number: int, code: str
) -> None:
    found = expand(rule, first, zone)
    wrong = [(each.number, each.problem.code) for each in found if each.problem]
    assert wrong == [(number, code)]
    assert [each.number for each in found if each.at is None] == [number]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;COUNT=10000",
        "FREQ=DAILY;COUNT=105",
        "FREQ=DAILY;COUNT=999999999999999999999999",
        "FREQ=DAILY;UNTIL=20991231",
        "FREQ=DAILY;UNTIL=20991231T000000Z",
    ],
)
def test_a_series_of_ten_thousand_is_refused_with_the_limit_s50(rule: str) -> None:
    code, facts = refused(rule)
    if code == "series.rule":
        assert len(rule) > 30
    else:
        assert (code, facts) == ("series.too_many", {"limit": OCCURRENCES_MAX})


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("FREQ=WEEKLY", "series.endless"),
        ("FREQ=HOURLY;COUNT=3", "series.rule"),
        ("FREQ=SECONDLY;COUNT=3", "series.rule"),
        ("FREQ=WEEKLY;COUNT=3;BYHOUR=9", "series.rule"),
        ("FREQ=WEEKLY;COUNT=3;COUNT=4", "series.rule"),
        ("FREQ=WEEKLY;COUNT=3;UNTIL=20270101", "series.rule"),
        ("FREQ=WEEKLY;COUNT=0", "series.rule"),
        ("FREQ=WEEKLY;COUNT=-1", "series.rule"),
        ("FREQ=WEEKLY;COUNT=\u0663", "series.rule"),
        ("FREQ=DAILY;INTERVAL=0;COUNT=2", "series.rule"),
        ("FREQ=DAILY;INTERVAL=99999;COUNT=2", "series.rule"),
        ("FREQ=WEEKLY;UNTIL=20270230", "series.rule"),
        ("FREQ=WEEKLY;UNTIL=20270101T090000", "series.rule"),
        ("FREQ=WEEKLY;UNTIL=TODAY", "series.rule"),
        ("FREQ=WEEKLY;BYDAY=XX;COUNT=2", "series.rule"),
        ("FREQ=MONTHLY;BYMONTHDAY=x;COUNT=2", "series.rule"),
        ("FREQ=WEEKLY;BYEASTER=1;COUNT=2", "series.rule"),
        ("DTSTART:20200101T000000\nRRULE:FREQ=DAILY;COUNT=2", "series.rule"),
        ("COUNT=2", "series.rule"),
        ("", "series.rule"),
        ("FREQ=WEEKLY;BYDAY=FR;COUNT=3", "series.start"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", "series.start"),
        ("FREQ=WEEKLY;UNTIL=20261101", "series.start"),
    ],
)
def test_what_is_no_rule_of_days_is_refused(rule: str, code: str) -> None:
    assert refused(rule)[0] == code


def test_an_end_is_included_as_a_day_and_as_an_instant() -> None:
    by_day = expand("RRULE:FREQ=WEEKLY;UNTIL=20261117", "2026-11-03T09:00")
    to_the_minute = expand("FREQ=WEEKLY;UNTIL=20261117T160000Z", "2026-11-03T09:00")
    before_it = expand("FREQ=WEEKLY;UNTIL=20261117T155959Z", "2026-11-03T09:00")
    assert [len(each) for each in (by_day, to_the_minute, before_it)] == [3, 3, 2]


def test_a_second_tuesday_is_found() -> None:
    found = expand("FREQ=MONTHLY;BYDAY=2TU;COUNT=3", "2026-11-10T09:00")
    assert [each.wall.date() for each in found] == [
        date(2026, 11, 10), date(2026, 12, 8), date(2027, 1, 12),
    ]  # fmt: skip


@given(
    st.sampled_from(["America/Denver", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo"]),
    st.dates(date(2024, 1, 1), date(2034, 1, 1)),
    st.integers(0, 95),
    st.integers(1, OCCURRENCES_MAX),
    st.integers(1, 4),
)
def test_every_occurrence_shows_the_wall_time_or_has_a_problem(
    name: str, day: date, quarter: int, count: int, interval: int
) -> None:
    zone, minutes = ZoneInfo(name), timedelta(minutes=15 * quarter)
    first = datetime.combine(day, time(0)) + minutes
    found = occurrences(read_rule(f"FREQ=DAILY;INTERVAL={interval};COUNT={count}"), first, zone)
    assert [each.number for each in found] == list(range(1, count + 1))
    for each in found:
        assert each.wall == first + (each.number - 1) * interval * DAY
        if each.at is None:
            assert each.problem is not None
            assert each.problem.code in ("time.nonexistent", "time.ambiguous")
        else:
            assert each.at.astimezone(zone).replace(tzinfo=None) == each.wall


def test_the_nearest_times_come_first_and_stay_within_the_tolerance() -> None:
    at = datetime(2026, 11, 3, 16, tzinfo=UTC)
    wanted = Occurrence(1, wall("2026-11-03T09:00"), at)
    quarter = timedelta(minutes=15)
    found = candidates(wanted, DENVER, timedelta(minutes=44))
    assert found == [at - quarter, at + quarter, at - 2 * quarter, at + 2 * quarter]
    (gone,) = [e for e in expand("FREQ=DAILY;COUNT=2", "2027-03-13T02:30") if e.at is None]
    # 02:30 with the offset before the change is 03:30 on the clocks.
    assert candidates(gone, DENVER, quarter)[0] == datetime(2027, 3, 14, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [0, 14, 241])
def test_a_tolerance_is_a_quarter_of_an_hour_to_four_hours(minutes: int) -> None:
    with pytest.raises(Invalid) as error:
        tolerance_of(OnConflict.NEAREST, timedelta(minutes=minutes))
    assert error.value.code == "series.tolerance"
    assert tolerance_of(OnConflict.SKIP, timedelta(minutes=minutes)) == timedelta(0)
    assert tolerance_of(OnConflict.NEAREST, HOUR) == HOUR


MEMBERS = [
    Member(n, UUID(int=n), wall("2026-11-03T09:00") + 7 * (n - 1) * DAY, waiting=n != 2)
    for n in range(1, 6)
]


@pytest.mark.parametrize(
    ("scope", "numbers"),
    [(Scope.THIS, [3]), (Scope.FOLLOWING, [3, 4, 5]), (Scope.ALL, [1, 3, 4, 5])],
)
def test_a_scope_leaves_out_what_does_not_wait(scope: Scope, numbers: list[int]) -> None:
    assert [each.number for each in chosen(MEMBERS, 3, scope)] == numbers


@pytest.mark.parametrize("pivot", [2, 6])
def test_an_edit_begins_at_a_visit_that_waits(pivot: int) -> None:
    with pytest.raises(Invalid) as error:
        chosen(MEMBERS, pivot, Scope.ALL)
    assert error.value.code == "series.occurrence"


def test_those_that_move_make_way_for_each_other() -> None:
    later = shifted(MEMBERS, 3, MEMBERS[2].wall + 7 * DAY, DENVER)
    assert [member.number for member, _ in later] == [5, 4, 3, 2, 1]
    earlier = shifted(MEMBERS, 3, MEMBERS[2].wall - HOUR, DENVER)
    assert [member.number for member, _ in earlier] == [1, 2, 3, 4, 5]
    assert {to.wall.time() for _, to in earlier} == {time(8)}
