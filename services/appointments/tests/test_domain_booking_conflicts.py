"""What stands in the way of a booking: the time of provider, room and patient."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.appointments.domain.booking import (
    BookingFacts,
    Wish,
    decide_booking,
)
from services.appointments.domain.occupancy import Busy, Occupancy, ResourceKind
from services.appointments.domain.resources import AppointmentType, Provider, Room
from shared.values.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from shared.values.interval import Interval

DENVER = ZoneInfo("America/Denver")
ANN, PAT = UUID(int=1), UUID(int=3)
NORTH, SOUTH = UUID(int=11), UUID(int=12)
ROOM_1, ROOM_2, ROOM_SOUTH = UUID(int=21), UUID(int=22), UUID(int=23)
NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
PROVIDER, ROOM, PATIENT = ResourceKind.PROVIDER, ResourceKind.ROOM, ResourceKind.PATIENT

TYPE = AppointmentType(
    UUID(int=31),
    length_new=timedelta(minutes=40),
    length_known=timedelta(minutes=20),
    buffer_before=timedelta(minutes=5),
    buffer_after=timedelta(minutes=10),
)
ROOMED = replace(TYPE, needs_room=True)


def wall(at: str) -> datetime:
    return datetime.combine(date(2027, 3, 1), time.fromisoformat(at), DENVER)


def between(start: str, end: str) -> Interval:
    return Interval(wall(start), wall(end))


WISH = Wish(NORTH, PAT, wall("10:00"))
FACTS = BookingFacts(
    zone=DENVER,
    type=TYPE,
    provider=Provider(ANN, frozenset({NORTH})),
    open_times=(between("09:00", "12:00"),),
    rooms=(Room(ROOM_SOUTH, SOUTH), Room(ROOM_1, NORTH), Room(ROOM_2, NORTH)),
)


def facts(*busy: Busy, **change: object) -> BookingFacts:
    return replace(FACTS, busy=busy, **change)  # type: ignore[arg-type]


def wish(**change: object) -> Wish:
    return replace(WISH, **change)  # type: ignore[arg-type]


def row(kind: ResourceKind, whose: UUID, start: str, end: str, lane: int | None = 1) -> Busy:
    return Busy(kind, whose, lane, between(start, end))


def refusal(asked: Wish, known: BookingFacts) -> DomainError:
    with pytest.raises(DomainError) as refused:
        decide_booking(asked, known, NOW)
    return refused.value


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("09:55", "10:30", id="S27-same"),
        pytest.param("09:40", "09:56", id="S28-head"),
        pytest.param("10:29", "10:50", id="S29-tail"),
        pytest.param("10:00", "10:10", id="S30-contains"),
        pytest.param("09:00", "11:00", id="S31-contained"),
    ],
)
def test_time_of_the_provider_that_is_taken_is_refused(start: str, end: str) -> None:
    error = refusal(WISH, facts(row(PROVIDER, ANN, start, end)))
    assert (type(error), error.code) == (Conflict, "slot.taken")
    assert error.facts == {"resource": "provider", "blocked": False}


@pytest.mark.parametrize(("start", "end"), [("09:30", "09:55"), ("10:30", "11:00")])
def test_back_to_back_is_accepted_s35(start: str, end: str) -> None:
    assert decide_booking(WISH, facts(row(PROVIDER, ANN, start, end)), NOW).overbooked is False


def test_a_room_that_is_taken_is_refused_s32() -> None:
    taken = row(ROOM, ROOM_1, "10:00", "10:20")
    error = refusal(wish(room_id=ROOM_1), facts(taken))
    assert (error.code, error.facts["resource"]) == ("slot.taken", "room")
    both = facts(taken, row(ROOM, ROOM_2, "10:19", "11:00"), type=ROOMED)
    assert refusal(WISH, both).facts == {"resource": "room", "blocked": False}


def test_blocked_time_is_refused_and_no_permission_books_over_it_s34() -> None:
    blocked = facts(row(PROVIDER, ANN, "10:00", "11:00", None), may_overbook=True)
    error = refusal(wish(overbook=True), blocked)
    assert (error.code, error.facts) == ("slot.taken", {"resource": "provider", "blocked": True})
    closed = facts(row(ROOM, ROOM_1, "10:00", "11:00", None))
    assert refusal(wish(room_id=ROOM_1), closed).facts == {"resource": "room", "blocked": True}


def test_a_visit_that_needs_a_room_where_there_is_none_is_refused() -> None:
    error = refusal(WISH, facts(type=ROOMED, rooms=()))
    assert error.facts == {"resource": "room", "blocked": False}


@pytest.mark.parametrize("room_id", [ROOM_SOUTH, UUID(int=99)])
def test_a_room_of_another_clinic_does_not_exist_here(room_id: UUID) -> None:
    error = refusal(wish(room_id=room_id), FACTS)
    assert (type(error), error.code) == (NotFound, "room.not_found")


def test_overbooking_takes_a_lane_above_with_permission_alone() -> None:
    full = row(PROVIDER, ANN, "10:00", "10:20")
    asked = wish(overbook=True)
    error = refusal(asked, facts(full))
    assert (type(error), error.code) == (Forbidden, "overbook.forbidden")
    booking = decide_booking(asked, facts(full, may_overbook=True), NOW)
    assert (booking.occupancies[0].lane, booking.overbooked) == (2, True)


def test_overbooking_is_not_used_while_there_is_room() -> None:
    booking = decide_booking(wish(overbook=True), facts(), NOW)
    assert (booking.occupancies[0].lane, booking.overbooked) == (1, False)


def test_the_quota_of_overbooking_ends() -> None:
    full = [row(PROVIDER, ANN, "10:00", "10:20", lane) for lane in (1, 2)]
    error = refusal(wish(overbook=True), facts(*full, may_overbook=True))
    assert (type(error), error.code) == (Conflict, "overbook.quota_used")
    two = replace(FACTS.provider, overbook_quota=2)
    booking = decide_booking(
        wish(overbook=True), facts(*full, may_overbook=True, provider=two), NOW
    )
    assert booking.occupancies[0].lane == 3


ELSEWHERE = row(PATIENT, PAT, "09:30", "10:10")


def test_a_patient_is_not_in_two_places_unless_for_a_reason_s33() -> None:
    error = refusal(WISH, facts(ELSEWHERE))
    assert (type(error), error.code) == (Conflict, "patient.overlap")
    blank = refusal(wish(overlap_reason=" \t"), facts(ELSEWHERE))
    assert (type(blank), blank.code) == (Invalid, "override.reason_required")
    booking = decide_booking(wish(overlap_reason="Interpreter"), facts(ELSEWHERE), NOW)
    assert booking.occupancies[-1] == Occupancy(PATIENT, PAT, 2, between("10:00", "10:20"))
    assert booking.overlap_reason == "Interpreter"


def test_a_reason_that_was_not_needed_is_not_recorded() -> None:
    booking = decide_booking(wish(overlap_reason="In case"), FACTS, NOW)
    assert (booking.occupancies[-1].lane, booking.overlap_reason) == (1, None)


def test_the_visit_that_moves_does_not_stand_in_its_own_way_s36() -> None:
    own = replace(row(PROVIDER, ANN, "10:00", "10:20"), appointment_id=UUID(int=77))
    booking = decide_booking(WISH, facts(own), NOW, ignoring=UUID(int=77))
    assert booking.occupancies[0].lane == 1
