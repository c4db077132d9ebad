"""May a seat be taken, and may a session move?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.occupancy import Busy, Calendar, ResourceKind
from services.appointments.domain.session import (
    Seat,
    Session,
    SessionState,
    decide_seat,
    require_before_it_begins,
    seat_occupancies,
)
from services.appointments.domain.status import Lifecycle
from shared.values.errors import Conflict, DomainError, Invalid
from shared.values.interval import Interval

PAT, QUIN, GROUP = UUID(int=1), UUID(int=2), UUID(int=3)
START = datetime(2027, 3, 3, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT = Interval(START, START + HOUR)
NOW = START - HOUR
SESSION = Session(GROUP, SessionState.OPEN, AT, seats=3)


def seat(number: int) -> Busy:
    return Busy(ResourceKind.SESSION, GROUP, number, AT)


ELSEWHERE = Busy(ResourceKind.PATIENT, PAT, 1, AT)


def refused(ask: Callable[[], object]) -> tuple[type[DomainError], str]:
    with pytest.raises(DomainError) as found:
        ask()
    return type(found.value), found.value.code


@pytest.mark.parametrize(
    ("session", "rows", "now", "code"),
    [
        (replace(SESSION, state=SessionState.CANCELLED), [], NOW, "session.cancelled"),
        (SESSION, [], AT.end, "session.over"),
        (replace(SESSION, patients={PAT}), [], NOW, "session.patient_there"),
        (SESSION, [seat(1), seat(2), seat(3)], NOW, "session.full"),
        (SESSION, [ELSEWHERE], NOW, "patient.overlap"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_seat_that_cannot_be_had_is_refused(
    session: Session, rows: list[Busy], now: datetime, code: str
) -> None:
    told = refused(lambda: decide_seat(session, PAT, Calendar(rows), now))
    assert told == (Conflict, code)
    # And each of them for its own reason alone.
    assert decide_seat(SESSION, QUIN, Calendar([ELSEWHERE]), NOW).number == 1


def test_the_lowest_free_seat_is_given_until_the_session_is_over() -> None:
    found = decide_seat(SESSION, PAT, Calendar([seat(1), seat(3)]), AT.end - HOUR / 60)
    assert found == Seat(2, 1, None)
    session, patient = seat_occupancies(SESSION, found, PAT)
    assert (session.kind, session.resource_id, session.lane) == (ResourceKind.SESSION, GROUP, 2)
    assert (patient.kind, patient.resource_id, patient.lane) == (ResourceKind.PATIENT, PAT, 1)


def test_an_overlap_needs_a_reason_and_takes_a_further_lane() -> None:
    calendar = Calendar([ELSEWHERE])
    found = decide_seat(SESSION, PAT, calendar, NOW, "They leave early")
    assert found == Seat(1, 2, "They leave early")
    told = refused(lambda: decide_seat(SESSION, PAT, calendar, NOW, "  "))
    assert told == (Invalid, "override.reason_required")


@given(st.integers(1, 60), st.sets(st.integers(1, 60)))
def test_no_seat_is_given_twice_and_none_beyond_those_there_are(
    seats: int, taken: set[int]
) -> None:
    taken = {number for number in taken if number <= seats}
    session = replace(SESSION, seats=seats)
    calendar = Calendar([seat(number) for number in taken])
    if len(taken) == seats:
        assert refused(lambda: decide_seat(session, PAT, calendar, NOW))[1] == "session.full"
    else:
        number = decide_seat(session, PAT, calendar, NOW).number
        assert number not in taken
        assert 1 <= number <= seats


@pytest.mark.parametrize("there", list(Lifecycle), ids=str)
def test_a_session_changes_as_a_whole_until_somebody_is_checked_in(there: Lifecycle) -> None:
    if there in (Lifecycle.CHECKED_IN, Lifecycle.FULFILLED):
        told = refused(lambda: require_before_it_begins(SESSION, [Lifecycle.BOOKED, there]))
        assert told == (Conflict, "session.begun")
    else:
        require_before_it_begins(SESSION, [there])
    off = replace(SESSION, state=SessionState.CANCELLED)
    told = refused(lambda: require_before_it_begins(off, [there]))
    assert told == (Conflict, "session.cancelled")
