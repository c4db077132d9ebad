"""Availability over several providers, and why there is none."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.appointments.domain.empty import Empty
from services.appointments.domain.grid import GRIDS, grid_starts
from services.appointments.domain.occupancy import Busy, Calendar, ResourceKind, provider_time
from services.appointments.domain.resources import AppointmentType, Provider, Room
from services.appointments.domain.schedule import WeeklySchedule, openings
from services.appointments.domain.slots import (
    Availability,
    Offer,
    Question,
    availability,
)
from shared.values.errors import Invalid
from shared.values.interval import Interval

DENVER = ZoneInfo("America/Denver")
ANN, BEN, PAT = UUID(int=1), UUID(int=2), UUID(int=3)
NORTH, SOUTH = UUID(int=11), UUID(int=12)
ROOM_1, ROOM_2 = UUID(int=21), UUID(int=22)
NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
MINUTES = [timedelta(minutes=n) for n in range(200)]
PROVIDER, ROOM, PATIENT = ResourceKind.PROVIDER, ResourceKind.ROOM, ResourceKind.PATIENT

TYPE = AppointmentType(
    UUID(int=31), length_new=MINUTES[40], length_known=MINUTES[20], horizon=timedelta(days=60)
)


def on_monday(start: str, end: str) -> Interval:
    """Wall times of Monday, 1 March 2027, in Denver (UTC-7)."""
    day = date(2027, 3, 1)
    ends = [datetime.combine(day, time.fromisoformat(at), DENVER) for at in (start, end)]
    return Interval(*ends)


def offer(open_time: Interval | None = None, provider_id: UUID = ANN, capacity: int = 1) -> Offer:
    times = (open_time or on_monday("09:00", "10:00"),)
    return Offer(Provider(provider_id, frozenset({NORTH}), capacity=capacity), NORTH, DENVER, times)


def question(window: Interval | None = None, **change: object) -> Question:
    asked = Question(window or on_monday("00:00", "23:00"), TYPE, known_patient=True)
    return replace(asked, **change)  # type: ignore[arg-type]


def by_oneself(**change: object) -> Question:
    return question(type=replace(TYPE, **change), self_service=True)  # type: ignore[arg-type]


def ask(
    asked: Question,
    offers: Iterable[Offer],
    busy: Iterable[Busy] = (),
    rooms: Iterable[Room] = (),
    now: datetime = NOW,
) -> Availability:
    return availability(asked, list(offers), list(rooms), Calendar(busy), now)


def starts(found: Availability) -> list[str]:
    return [slot.interval.start.astimezone(DENVER).strftime("%H:%M") for slot in found.slots]


def taken(start: str, end: str, lane: int | None = 1, by: UUID = ANN) -> Busy:
    return Busy(PROVIDER, by, lane, on_monday(start, end))


def test_slots_lie_on_the_grid_and_end_within_the_opening() -> None:
    found = ask(question(), [offer()])
    assert starts(found) == ["09:00", "09:15", "09:30"]
    assert {slot.interval.length for slot in found.slots} == {MINUTES[20]}
    assert (found.more, found.why) == (False, ())


def test_a_slot_may_end_with_the_opening_and_an_opening_before_the_window_has_none() -> None:
    hours = offer(on_monday("09:00", "09:50"))
    assert starts(ask(question(), [hours]))[-1] == "09:30"
    assert starts(ask(question(on_monday("09:50", "11:00")), [hours])) == []


def test_a_new_patient_needs_more_time() -> None:
    assert starts(ask(question(known_patient=False), [offer()])) == ["09:00", "09:15"]


def test_slots_of_several_providers_come_in_the_order_of_time() -> None:
    both = [offer(on_monday("09:00", "09:45")), offer(on_monday("09:15", "10:00"), BEN)]
    found = ask(question(), both)
    assert starts(found) == ["09:00", "09:15", "09:15", "09:30"]
    assert [slot.provider_id for slot in found.slots] == [ANN, ANN, BEN, BEN]


def test_the_window_bounds_the_starts() -> None:
    window = on_monday("09:10", "09:30")
    assert starts(ask(question(window), [offer()])) == ["09:15"]


def test_a_limit_cuts_and_says_so() -> None:
    found = ask(question(limit=2), [offer()])
    assert starts(found) == ["09:00", "09:15"]
    assert found.more
    assert not ask(question(limit=3), [offer()]).more


def test_buffers_count_as_taken_on_both_sides() -> None:
    buffered = replace(TYPE, buffer_before=MINUTES[5], buffer_after=MINUTES[10])
    busy = [taken("09:00", "09:30"), taken("10:30", "11:00")]
    hours = offer(on_monday("09:00", "11:00"))
    asked = question(type=buffered, grid=MINUTES[5])
    found = ask(asked, [hours], busy)
    assert starts(found) == ["09:35", "09:40", "09:45", "09:50", "09:55", "10:00"]


def test_a_capacity_of_two_takes_a_second_visit() -> None:
    busy = [taken("09:00", "10:00")]
    assert starts(ask(question(), [offer(capacity=2)], busy)) == ["09:00", "09:15", "09:30"]


def test_rooms_fill_up_in_order_and_by_capacity() -> None:
    roomed = replace(TYPE, needs_room=True)
    rooms = [Room(UUID(int=20), SOUTH), Room(ROOM_1, NORTH, capacity=2), Room(ROOM_2, NORTH)]
    busy = [
        Busy(ROOM, ROOM_1, 1, on_monday("09:00", "10:00")),
        Busy(ROOM, ROOM_1, 2, on_monday("09:00", "09:30")),
        Busy(ROOM, ROOM_2, 1, on_monday("09:00", "09:15")),
    ]
    found = ask(question(type=roomed), [offer()], busy, rooms)
    assert [(slot.room_id, at) for slot, at in zip(found.slots, starts(found), strict=True)] == [
        (ROOM_2, "09:15"),
        (ROOM_1, "09:30"),
    ]


ALL_DAY = ("09:00", "10:00")


@pytest.mark.parametrize(
    ("reason", "asked", "offered", "busy"),
    [
        (Empty.NO_TEMPLATE, question(), replace(offer(), open_times=()), []),
        (Empty.NO_TEMPLATE, question(on_monday("11:00", "12:00")), offer(), []),
        (Empty.NO_TEMPLATE, question(), offer(on_monday("09:00", "09:15")), []),
        (
            Empty.NO_TEMPLATE,
            question(),
            replace(offer(), provider=Provider(ANN, frozenset(), date(2027, 3, 2))),
            [],
        ),
        (Empty.PAST, question(on_monday("07:00", "07:45")), offer(on_monday("07:00", "08:00")), []),
        (Empty.TOO_FAR, question(), replace(offer(), last_day=date(2027, 2, 28)), []),
        (Empty.LEAD_TIME, by_oneself(lead_time=MINUTES[120]), offer(), []),
        (Empty.OUTSIDE_HORIZON, by_oneself(horizon=MINUTES[30]), offer(), []),
        (Empty.BLOCKED, question(), offer(), [taken(*ALL_DAY, None)]),
        (Empty.FULLY_BOOKED, question(), offer(), [taken(*ALL_DAY)]),
        (
            Empty.FULLY_BOOKED,
            question(),
            offer(),
            [taken("09:00", "09:30", None), taken("09:30", "10:00")],
        ),
        (
            Empty.PATIENT_BUSY,
            question(patient_id=PAT),
            offer(),
            [Busy(PATIENT, PAT, 1, on_monday(*ALL_DAY))],
        ),
        (
            Empty.ROOM_TAKEN,
            question(type=replace(TYPE, needs_room=True)),
            offer(),
            [Busy(ROOM, ROOM_1, 1, on_monday(*ALL_DAY))],
        ),
    ],
)
def test_an_empty_answer_says_which_step_left_nothing(
    reason: Empty, asked: Question, offered: Offer, busy: list[Busy]
) -> None:
    found = ask(asked, [offered], busy, [Room(ROOM_1, NORTH)])
    assert found.slots == ()
    assert [(why.provider_id, why.clinic_id, why.reason) for why in found.why] == [
        (ANN, NORTH, reason)
    ]


def test_the_reason_is_given_for_each_provider_without_a_slot() -> None:
    found = ask(question(), [offer(), offer(provider_id=BEN)], [taken(*ALL_DAY, by=BEN)])
    assert {slot.provider_id for slot in found.slots} == {ANN}
    assert [(why.provider_id, why.reason) for why in found.why] == [(BEN, Empty.FULLY_BOOKED)]


def test_the_ends_of_lead_time_and_horizon_are_included() -> None:
    start = on_monday("09:00", "10:00").start
    bounds: dict[str, Any] = {"lead_time": start - NOW, "horizon": start - NOW + MINUTES[15]}
    assert starts(ask(by_oneself(**bounds), [offer()])) == ["09:00", "09:15"]
    at_the_desk = question(type=replace(TYPE, **bounds))
    assert starts(ask(at_the_desk, [offer()])) == ["09:00", "09:15", "09:30"]


def test_a_patient_who_is_elsewhere_for_a_while_is_offered_the_rest() -> None:
    busy = [Busy(PATIENT, PAT, 1, on_monday("09:00", "09:20"))]
    assert starts(ask(question(patient_id=PAT), [offer()], busy)) == ["09:30"]


ZONES = [
    ZoneInfo(name)
    for name in ("America/Denver", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo")
]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(sorted(GRIDS)),
    st.integers(0, 364),
    st.integers(0, 59),
    st.integers(1, 300),
)
def test_starts_are_exactly_the_minutes_at_which_the_wall_clock_is_on_the_grid(
    zone: ZoneInfo, grid: timedelta, day: int, minute: int, length: int
) -> None:
    start = datetime(2027, 1, 1, 12, minute, tzinfo=UTC) + timedelta(days=day)
    each = [start + timedelta(minutes=n) for n in range(length)]
    step = grid // timedelta(minutes=1)
    expected = [at for at in each if at.astimezone(zone).minute % step == 0]
    found = grid_starts(Interval(start, start + timedelta(minutes=length)), grid, zone)
    assert list(found) == expected


def test_in_a_night_with_a_change_the_hour_is_left_out_or_there_twice() -> None:
    for day, marks in ((date(2027, 3, 14), [1, 3]), (date(2027, 11, 7), [1, 1, 2, 3])):
        opening = WeeklySchedule(ANN, NORTH, DENVER, 7, time(1), time(4)).opening_on(day)
        assert opening is not None
        found = grid_starts(opening, timedelta(hours=1), DENVER)
        assert [at.astimezone(DENVER).hour for at in found] == marks


SPANS = st.tuples(st.integers(0, 600), st.integers(1, 90))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(SPANS, max_size=12), st.integers(0, 15), st.integers(0, 15))
def test_every_slot_is_free_and_every_free_mark_is_a_slot(
    spans: list[tuple[int, int]], before: int, after: int
) -> None:
    kind = replace(TYPE, buffer_before=MINUTES[before], buffer_after=MINUTES[after])
    week = [WeeklySchedule(ANN, NORTH, DENVER, 1, time(9), time(17))]
    (opening,) = openings(week, date(2027, 3, 1), date(2027, 3, 1))
    base = opening.interval.start
    rows = [
        Busy(
            PROVIDER,
            ANN,
            1,
            Interval(base + timedelta(minutes=at), base + timedelta(minutes=at + length)),
        )
        for at, length in spans
    ]
    found = ask(question(type=kind), [offer(opening.interval)], rows)
    marks = [
        Interval(base + timedelta(minutes=n), base + timedelta(minutes=n + 20))
        for n in range(0, 480, 15)
    ]
    free = [
        mark
        for mark in marks
        if opening.interval.contains(mark)
        and not any(row.interval.overlaps(provider_time(mark, kind)) for row in rows)
    ]
    assert [slot.interval for slot in found.slots] == free


def test_a_question_may_go_to_its_bounds() -> None:
    widest = Interval(NOW, NOW + timedelta(days=93))
    for limit in (1, 1000):
        assert question(window=widest, limit=limit).window == widest


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"window": Interval(NOW, NOW + timedelta(days=94))}, "availability.window"),
        ({"grid": MINUTES[7]}, "availability.grid"),
        ({"grid": MINUTES[0]}, "availability.grid"),
        ({"limit": 0}, "availability.limit"),
        ({"limit": 1001}, "availability.limit"),
    ],
)
def test_a_question_out_of_bounds_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        question(**change)  # type: ignore[arg-type]
    assert refused.value.code == code
