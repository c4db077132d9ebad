"""May a visit be booked? Numbers such as S24 are cases of the catalogue of bad input."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.appointments.domain.alternatives import alternatives
from services.appointments.domain.booking import (
    Booking,
    BookingFacts,
    BookingPolicy,
    Wish,
    decide_booking,
    months_after,
)
from services.appointments.domain.occupancy import Busy, Occupancy, ResourceKind
from services.appointments.domain.resources import AppointmentType, Provider, Room
from services.appointments.domain.slots import Slot
from shared.values.errors import Conflict, DomainError, Invalid, NotFound
from shared.values.interval import Interval

DENVER = ZoneInfo("America/Denver")
ANN, BEN, PAT = UUID(int=1), UUID(int=2), UUID(int=3)
NORTH, SOUTH = UUID(int=11), UUID(int=12)
ROOM_1, ROOM_2, ROOM_SOUTH = UUID(int=21), UUID(int=22), UUID(int=23)
NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
NAIVE = NOW.replace(tzinfo=None)
PROVIDER, ROOM, PATIENT = ResourceKind.PROVIDER, ResourceKind.ROOM, ResourceKind.PATIENT


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


TYPE = AppointmentType(
    UUID(int=31),
    length_new=minutes(40),
    length_known=minutes(20),
    buffer_before=minutes(5),
    buffer_after=minutes(10),
    lead_time=minutes(60),
    horizon=timedelta(days=60),
)
ROOMED = replace(TYPE, needs_room=True)


def wall(at: str, day: date = date(2027, 3, 1)) -> datetime:
    return datetime.combine(day, time.fromisoformat(at), DENVER)


def between(start: str, end: str) -> Interval:
    return Interval(wall(start), wall(end))


WISH = Wish(NORTH, PAT, wall("10:00"))
FACTS = BookingFacts(
    zone=DENVER,
    type=TYPE,
    provider=Provider(ANN, frozenset({NORTH}), date(2027, 1, 1), date(2028, 12, 31)),
    open_times=(between("09:00", "12:00"),),
    rooms=(Room(ROOM_SOUTH, SOUTH), Room(ROOM_1, NORTH), Room(ROOM_2, NORTH)),
)


def facts(*busy: Busy, **change: object) -> BookingFacts:
    return replace(FACTS, busy=busy, **change)  # type: ignore[arg-type]


def wish(**change: object) -> Wish:
    return replace(WISH, **change)  # type: ignore[arg-type]


def row(kind: ResourceKind, whose: UUID, start: str, end: str, lane: int | None = 1) -> Busy:
    return Busy(kind, whose, lane, between(start, end))


def refusal(asked: Wish, known: BookingFacts, now: datetime = NOW) -> DomainError:
    with pytest.raises(DomainError) as refused:
        decide_booking(asked, known, now)
    return refused.value


def test_a_booking_occupies_provider_with_buffers_and_patient_without() -> None:
    booking = decide_booking(WISH, FACTS, NOW)
    assert booking == Booking(
        interval=between("10:00", "10:20"),
        clinic_id=NORTH,
        patient_id=PAT,
        provider_id=ANN,
        room_id=None,
        occupancies=(
            Occupancy(PROVIDER, ANN, 1, between("09:55", "10:30")),
            Occupancy(PATIENT, PAT, 1, between("10:00", "10:20")),
        ),
        overbooked=False,
        overlap_reason=None,
    )


def test_a_new_patient_takes_longer_and_an_end_that_is_given_counts() -> None:
    assert decide_booking(wish(known_patient=False), FACTS, NOW).interval.length == minutes(40)
    given_end = decide_booking(wish(ends_at=wall("11:30")), FACTS, NOW)
    assert given_end.interval == between("10:00", "11:30")


def test_a_visit_that_needs_a_room_gets_the_first_that_is_free_at_the_clinic() -> None:
    taken = row(ROOM, ROOM_1, "10:10", "10:30")
    booking = decide_booking(WISH, facts(taken, type=ROOMED), NOW)
    assert booking.room_id == ROOM_2
    assert Occupancy(ROOM, ROOM_2, 1, between("10:00", "10:20")) in booking.occupancies


def test_a_room_that_is_asked_for_is_taken_though_the_type_needs_none() -> None:
    assert decide_booking(wish(room_id=ROOM_2), FACTS, NOW).room_id == ROOM_2


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        pytest.param(wall("10:00"), wall("10:00"), "interval.reversed", id="S22-equal"),
        pytest.param(wall("10:00"), wall("09:00"), "interval.reversed", id="S23-reversed"),
        pytest.param(
            wall("10:00"),
            wall("10:01", date(2027, 3, 2)),
            "interval.too_long",
            id="S24-over-a-day",
        ),
        pytest.param(NAIVE, None, "time.naive", id="S10-naive"),
        pytest.param(wall("10:00"), NAIVE, "time.naive", id="S10-naive-end"),
        pytest.param(wall("10:00:30"), None, "time.format", id="S20-seconds"),
        pytest.param(wall("10:00"), wall("10:20:00.5"), "time.format", id="S20-end"),
    ],
)
def test_an_interval_that_is_none_is_refused(
    start: datetime, end: datetime | None, code: str
) -> None:
    error = refusal(wish(starts_at=start, ends_at=end), FACTS)
    assert (type(error), error.code) == (Invalid, code)


@pytest.mark.parametrize(("late", "refused"), [(15, False), (16, True)])
def test_a_start_beyond_the_grace_has_passed_s44(late: int, refused: bool) -> None:
    now = wall("10:00").astimezone(UTC) + minutes(late)
    if refused:
        assert refusal(WISH, FACTS, now).code == "appointment.in_past"
    else:
        assert decide_booking(WISH, FACTS, now).interval.start == wall("10:00")


def test_more_than_eighteen_months_ahead_is_refused_s45() -> None:
    last, beyond = date(2028, 9, 1), date(2028, 9, 2)
    for day in (last, beyond):
        hours = (Interval(wall("09:00", day), wall("12:00", day)),)
        asked = wish(starts_at=wall("10:00", day))
        if day == last:
            assert decide_booking(asked, facts(open_times=hours), NOW).clinic_id == NORTH
        else:
            error = refusal(asked, facts(open_times=hours))
            assert (error.code, error.facts) == ("appointment.too_far", {"until": "2028-09-01"})


def test_the_policy_sets_grace_and_months() -> None:
    strict = BookingPolicy(past_grace=minutes(0), months_ahead=0)
    with pytest.raises(Invalid) as refused:
        decide_booking(WISH, FACTS, wall("10:01"), strict)
    assert refused.value.code == "appointment.in_past"
    assert decide_booking(WISH, FACTS, wall("10:00"), strict).overbooked is False


@pytest.mark.parametrize(
    ("active_from", "active_until"),
    [(date(2027, 3, 2), None), (None, date(2027, 2, 28))],
)
def test_a_provider_inactive_on_that_day_is_refused_s46(
    active_from: date | None, active_until: date | None
) -> None:
    provider = Provider(ANN, frozenset({NORTH}), active_from, active_until)
    error = refusal(WISH, facts(provider=provider))
    assert (type(error), error.code) == (Invalid, "provider.inactive")


def test_the_day_of_a_provider_is_that_of_the_clinic_not_of_utc() -> None:
    provider = Provider(ANN, frozenset({NORTH}), None, date(2027, 3, 1))
    evening = facts(provider=provider, open_times=(between("17:00", "23:00"),))
    assert decide_booking(wish(starts_at=wall("20:00")), evening, NOW).provider_id == ANN


def test_a_provider_of_another_clinic_does_not_exist_here_s47() -> None:
    error = refusal(wish(clinic_id=SOUTH), FACTS)
    assert (type(error), error.code) == (NotFound, "provider.not_found")


@pytest.mark.parametrize(
    ("start", "end"), [("08:59", "09:20"), ("11:50", "12:10"), ("07:45", "08:30")]
)
def test_outside_of_the_schedule_is_refused(start: str, end: str) -> None:
    now = wall("07:30")
    error = refusal(wish(starts_at=wall(start), ends_at=wall(end)), FACTS, now)
    assert (type(error), error.code) == (Conflict, "slot.outside_schedule")


def test_buffers_may_lie_outside_of_the_schedule() -> None:
    asked = wish(starts_at=wall("09:00"), ends_at=wall("12:00"))
    assert decide_booking(asked, FACTS, NOW).occupancies[0].interval == between("08:55", "12:10")


@pytest.mark.parametrize(
    ("start", "horizon", "code"),
    [
        (wall("08:59"), timedelta(days=60), "appointment.lead_time"),
        (wall("09:00"), timedelta(days=60), None),
        (wall("10:01"), minutes(121), None),
        (wall("10:02"), minutes(121), "appointment.outside_horizon"),
    ],
)
def test_lead_time_and_horizon_bind_who_books_for_themselves(
    start: datetime, horizon: timedelta, code: str | None
) -> None:
    known = facts(type=replace(TYPE, horizon=horizon), open_times=(between("08:00", "12:00"),))
    asked = wish(starts_at=start)
    now = wall("08:00")
    assert decide_booking(asked, known, now).patient_id == PAT
    if code:
        assert refusal(replace(asked, self_service=True), known, now).code == code
    else:
        assert decide_booking(replace(asked, self_service=True), known, now).patient_id == PAT


def test_a_visit_over_a_clock_change_keeps_its_length() -> None:
    night = date(2027, 11, 7)
    hours = Interval(wall("00:00", night), wall("04:00", night))
    asked = wish(starts_at=wall("01:50", night))
    booking = decide_booking(asked, facts(open_times=(hours,)), NOW)
    assert booking.interval.length == minutes(20)


SLOTS = st.lists(
    st.tuples(st.integers(-300, 300), st.sampled_from([ANN, BEN])).map(
        lambda pair: Slot(
            Interval(wall("10:00") + minutes(pair[0]), wall("10:00") + minutes(pair[0] + 20)),
            pair[1],
            NORTH,
            None,
        )
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(SLOTS)
def test_alternatives_are_the_three_nearest_in_the_order_of_time(slots: list[Slot]) -> None:
    offered = alternatives(between("10:00", "10:20"), ANN, slots)

    def distances(some: Iterable[Slot]) -> list[timedelta]:
        return sorted(abs(slot.interval.start - wall("10:00")) for slot in some)

    assert distances(offered) == distances(slots)[:3]
    assert list(offered) == sorted(offered, key=lambda slot: (slot.interval, slot.provider_id))


def test_at_the_same_distance_the_provider_asked_for_comes_first() -> None:
    at = [
        Slot(between("10:15", "10:35"), who, NORTH, None)
        for who in (UUID(int=0), BEN, UUID(int=5), ANN)
    ]
    assert ANN in {slot.provider_id for slot in alternatives(between("10:00", "10:20"), ANN, at)}


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2027, 3, 1), 18, date(2028, 9, 1)),
        (date(2027, 8, 31), 18, date(2029, 2, 28)),
        (date(2026, 8, 31), 18, date(2028, 2, 29)),
        (date(2027, 12, 31), 0, date(2027, 12, 31)),
        (date(2027, 12, 31), 12, date(2028, 12, 31)),
    ],
)
def test_months_end_on_the_last_day_of_a_shorter_one(
    day: date, months: int, expected: date
) -> None:
    assert months_after(day, months) == expected
