"""A group session: one provider, one room, and seats that patients take.

A seat is a lane of the session. It is a visit of its own, with its own confirmation and flow; its
time is the session's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.appointments.domain.booking import BookingFacts, Wish, rules_of
from services.appointments.domain.occupancy import Calendar, Occupancy, ResourceKind
from services.appointments.domain.rules import Rule, RuleKind
from services.appointments.domain.status import Lifecycle
from services.appointments.domain.tally import Counted
from shared.values.errors import Conflict, Invalid
from shared.values.interval import Interval

SEATS_MAX = 60
"""A session is moved or called off with all its seats in one transaction, and locks are bounded."""


class SessionState(StrEnum):
    """Whether seats can be taken."""

    OPEN = "open"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is now. patients: who has a seat."""

    id: UUID
    state: SessionState
    interval: Interval
    seats: int
    patients: Collection[UUID] = ()


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat that may be taken: its number, the patient's lane, and why they overlap, if so."""

    number: int
    patient_lane: int
    overlap_reason: str | None


def decide_seat(
    session: Session,
    patient_id: UUID,
    calendar: Calendar,
    now: datetime,
    overlap_reason: str | None = None,
) -> Seat:
    """The seat that a patient gets: the lowest that is free.

    calendar: what is taken of the session's seats and of the patient.
    Raises Conflict: ``session.cancelled``, ``session.over``, ``session.patient_there``,
    ``session.full`` (facts: seats), ``patient.overlap``; Invalid ``override.reason_required``.
    """
    if session.state is not SessionState.OPEN:
        raise Conflict("session.cancelled", "This session was called off.")
    if now >= session.interval.end:
        raise Conflict("session.over", "This session is over.")
    if patient_id in session.patients:
        raise Conflict("session.patient_there", "The patient has a seat in this session.")
    number = calendar.free_lane(ResourceKind.SESSION, session.id, session.interval, session.seats)
    if number is None:
        raise Conflict("session.full", "Every seat is taken.", facts={"seats": session.seats})
    lane = calendar.free_lane(ResourceKind.PATIENT, patient_id, session.interval)
    if lane is not None:
        return Seat(number, lane, None)
    if overlap_reason is None:
        raise Conflict("patient.overlap", "The patient has another visit at that time.")
    if not overlap_reason.strip():
        title = "Overriding needs a reason."
        raise Invalid("override.reason_required", title, pointer="/overlap_reason")
    lane = calendar.further_lane(ResourceKind.PATIENT, patient_id, session.interval)
    return Seat(number, lane, overlap_reason)


def rules_of_seat(
    session: Session, wish: Wish, facts: BookingFacts, now: datetime
) -> tuple[Rule, ...]:
    """The network's rules that decide of a seat: those of a visit, but for waves of its provider.

    When the session begins was judged as it was opened. Raises what the rules refuse.
    """
    facts = replace(facts, waived=facts.waived | {RuleKind.WAVE})
    under = rules_of(session.interval, wish, facts, now)
    under.require()
    return under.of_network


def counted_with(visits: Sequence[Counted], moved: Sequence[Counted]) -> tuple[Counted, ...]:
    """What caps count where a session moves: its seats where they will be, but for the last one.

    The move is judged as that last one, so all of them must fit.
    """
    seats = {seat.appointment_id for seat in moved}
    return (*(each for each in visits if each.appointment_id not in seats), *moved[:-1])


def seat_occupancies(session: Session, seat: Seat, patient_id: UUID) -> tuple[Occupancy, Occupancy]:
    """What a seat occupies: a lane of the session, and the patient."""
    return (
        Occupancy(ResourceKind.SESSION, session.id, seat.number, session.interval),
        Occupancy(ResourceKind.PATIENT, patient_id, seat.patient_lane, session.interval),
    )


def require_before_it_begins(session: Session, seats: Collection[Lifecycle]) -> None:
    """Raise Conflict unless a session can be moved or called off as a whole.

    ``session.cancelled``, or ``session.begun`` where one of its patients has been checked in.
    """
    if session.state is not SessionState.OPEN:
        raise Conflict("session.cancelled", "This session was called off.")
    if not {*seats}.isdisjoint({Lifecycle.CHECKED_IN, Lifecycle.FULFILLED}):
        raise Conflict("session.begun", "Somebody has been checked in for this session.")
