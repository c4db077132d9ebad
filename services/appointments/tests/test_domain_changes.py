"""Moving a visit, calling it off, and nobody coming."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.appointments.domain.booking import BookingFacts, BookingPolicy, Wish
from services.appointments.domain.cancel import decide_cancel
from services.appointments.domain.no_show import Due, decide_no_show, due_at, timer_finds
from services.appointments.domain.occupancy import Busy, ResourceKind
from services.appointments.domain.reasons import Notice, Party, Reason, notice_of, party
from services.appointments.domain.reschedule import Current, Place, Reschedule, decide_reschedule
from services.appointments.domain.resources import AppointmentType, Provider
from services.appointments.domain.status import Lifecycle, Move, Statuses
from shared.values.errors import Conflict, IllegalTransition, Invalid
from shared.values.interval import Interval

DENVER = ZoneInfo("America/Denver")
ANN, PAT, VISIT, OTHER = UUID(int=1), UUID(int=3), UUID(int=4), UUID(int=5)
NORTH = UUID(int=11)
START = datetime(2027, 3, 3, 17, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WAS = Interval(START, START + HOUR)

TYPE = AppointmentType(UUID(int=31), HOUR, HOUR)
FACTS = BookingFacts(
    zone=DENVER,
    type=TYPE,
    provider=Provider(ANN, frozenset({NORTH})),
    open_times=(Interval(START - 3 * HOUR, START + 6 * HOUR),),
    busy=(Busy(ResourceKind.PROVIDER, ANN, 1, WAS, VISIT),),
)
CURRENT = Current(VISIT, Place(WAS, NORTH, ANN), Statuses().moved(Move.CONFIRM), moves=2)
DAY_BEFORE = START - 24 * HOUR


def move(
    to: timedelta,
    now: datetime = DAY_BEFORE,
    reason: Reason = Reason.PATIENT_REQUEST,
    facts: BookingFacts = FACTS,
    current: Current = CURRENT,
) -> Reschedule:
    return decide_reschedule(current, Wish(NORTH, PAT, START + to), facts, reason, now)


def test_a_moved_visit_keeps_where_it_came_from() -> None:
    moved = move(2 * HOUR)
    became = Interval(START + 2 * HOUR, START + 3 * HOUR)
    assert moved.lineage.was == CURRENT.place
    assert moved.lineage.became == Place(became, NORTH, ANN, None)
    assert (moved.lineage.appointment_id, moved.lineage.move) == (VISIT, 3)
    assert (moved.lineage.at, moved.lineage.reason) == (DAY_BEFORE, Reason.PATIENT_REQUEST)
    assert moved.booking.interval == became
    assert moved.released == WAS
    assert moved.statuses == Statuses()


def test_a_visit_may_move_onto_its_own_time_s36() -> None:
    assert move(30 * MINUTE).booking.interval.start == START + 30 * MINUTE
    same = move(timedelta(0))
    assert (same.booking.interval, same.released) == (WAS, None)


def test_a_visit_does_not_move_onto_that_of_somebody_else() -> None:
    taken = Busy(ResourceKind.PROVIDER, ANN, 1, Interval(START + 2 * HOUR, START + 3 * HOUR), OTHER)
    with pytest.raises(Conflict) as refused:
        move(2 * HOUR, facts=replace(FACTS, busy=(*FACTS.busy, taken)))
    assert refused.value.code == "slot.taken"


def test_the_time_of_an_absent_provider_is_not_released() -> None:
    assert move(2 * HOUR, reason=Reason.PROVIDER_UNAVAILABLE).released is None


def test_a_move_obeys_the_policy_of_booking() -> None:
    with pytest.raises(Invalid) as refused:
        decide_reschedule(
            CURRENT,
            Wish(NORTH, PAT, START + HOUR),
            FACTS,
            Reason.CLINIC_REQUEST,
            START - 40 * 24 * HOUR,
            BookingPolicy(months_ahead=1),
        )
    assert refused.value.code == "appointment.too_far"


@pytest.mark.parametrize("done", [Move.CHECK_IN, Move.CANCEL, Move.MARK_NO_SHOW])
def test_a_visit_that_is_not_waiting_to_happen_does_not_move(done: Move) -> None:
    with pytest.raises(IllegalTransition):
        move(HOUR, current=replace(CURRENT, statuses=Statuses().moved(done)))


@pytest.mark.parametrize(
    ("ahead", "reason", "notice"),
    [
        (24 * HOUR, Reason.PATIENT_REQUEST, Notice(1440, late=False, frees_slot=True)),
        (24 * HOUR - MINUTE, Reason.PATIENT_REQUEST, Notice(1439, late=True, frees_slot=True)),
        (HOUR, Reason.PATIENT_ILL, Notice(60, late=False, frees_slot=True)),
        (HOUR, Reason.TRANSPORT, Notice(60, late=True, frees_slot=True)),
        (HOUR, Reason.CLINIC_CLOSED, Notice(60, late=False, frees_slot=False)),
        (timedelta(seconds=90), Reason.BOOKED_IN_ERROR, Notice(1, late=False, frees_slot=True)),
        (-30 * MINUTE, Reason.PATIENT_REQUEST, Notice(-30, late=True, frees_slot=True)),
        (-HOUR, Reason.PATIENT_REQUEST, Notice(-60, late=True, frees_slot=False)),
    ],
)
def test_notice_is_counted_and_judged_by_the_reason(
    ahead: timedelta, reason: Reason, notice: Notice
) -> None:
    assert notice_of(WAS.start, WAS.end, START - ahead, reason, 24 * HOUR) == notice


def test_every_reason_has_somebody_answerable() -> None:
    assert {party(reason) for reason in Reason} == {Party.PATIENT, Party.CLINIC}


def test_a_cancellation_says_how_early_it_came() -> None:
    cancelled = decide_cancel(Statuses(), WAS, Reason.PATIENT_REQUEST, START - HOUR)
    assert cancelled.statuses.lifecycle is Lifecycle.CANCELLED
    assert cancelled.reason is Reason.PATIENT_REQUEST
    assert cancelled.notice == Notice(60, late=True, frees_slot=True)
    early = decide_cancel(Statuses(), WAS, Reason.PATIENT_REQUEST, START - HOUR, HOUR)
    assert not early.notice.late


def test_a_cancellation_after_check_in_is_refused_s40() -> None:
    with pytest.raises(IllegalTransition) as refused:
        decide_cancel(Statuses().moved(Move.CHECK_IN), WAS, Reason.PATIENT_REQUEST, START)
    assert refused.value.facts["status"] == "checked_in"


def test_a_no_show_before_the_start_is_refused_s41() -> None:
    with pytest.raises(Invalid) as refused:
        decide_no_show(Statuses(), WAS, START - MINUTE)
    assert refused.value.code == "no_show.before_start"


def test_a_no_show_by_hand_need_not_wait_for_the_grace_period() -> None:
    marked = decide_no_show(Statuses(), WAS, START)
    assert (marked.statuses.lifecycle, marked.frees_slot) == (Lifecycle.NO_SHOW, True)
    assert not decide_no_show(Statuses(), WAS, WAS.end).frees_slot


def test_a_no_show_of_who_has_checked_in_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        decide_no_show(Statuses().moved(Move.CHECK_IN), WAS, START)


def test_the_timer_goes_off_after_the_grace_period() -> None:
    assert due_at(WAS) == START + 30 * MINUTE
    assert timer_finds(Statuses(), WAS, START + 30 * MINUTE) is Due.NOW
    assert timer_finds(Statuses(), WAS, START + 29 * MINUTE) is Due.LATER
    assert timer_finds(Statuses(), WAS, START + 29 * MINUTE, 20 * MINUTE) is Due.NOW


@pytest.mark.parametrize("seen", [Move.ARRIVE, Move.CHECK_IN, Move.CANCEL])
def test_the_timer_leaves_alone_who_has_been_seen_or_called_off(seen: Move) -> None:
    assert timer_finds(Statuses().moved(seen), WAS, START + HOUR) is Due.NEVER
