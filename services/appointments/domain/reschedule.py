"""Moving a visit: the same visit at another time, with a record of where it came from."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.appointments.domain.booking import (
    Booking,
    BookingFacts,
    BookingPolicy,
    Wish,
    decide_booking,
)
from services.appointments.domain.reasons import NOTICE_DEFAULT, Notice, Reason, Unchosen, notice_of
from services.appointments.domain.status import Move, Statuses
from shared.values.interval import Interval


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a visit is."""

    interval: Interval
    clinic_id: UUID
    provider_id: UUID
    room_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Current:
    """The visit as it is now."""

    appointment_id: UUID
    place: Place
    statuses: Statuses
    moves: int = 0


@dataclass(frozen=True, slots=True)
class Lineage:
    """One move of a visit. `move` counts from 1 without a hole: the rows tell the whole way."""

    appointment_id: UUID
    move: int
    was: Place
    became: Place
    at: datetime
    reason: Reason | Unchosen


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A move that may be made. The old occupancies go and the new ones come in one statement.

    released: the old time, where somebody else can still have it; None where not, or where the
    provider's time did not change.
    """

    booking: Booking
    lineage: Lineage
    statuses: Statuses
    notice: Notice
    released: Interval | None


def decide_reschedule(
    current: Current,
    wish: Wish,
    facts: BookingFacts,
    reason: Reason,
    now: datetime,
    policy: BookingPolicy | None = None,
    notice: timedelta = NOTICE_DEFAULT,
) -> Reschedule:
    """The move that a wish leads to. The visit's own occupancies do not stand in its way.

    Raises IllegalTransition when the visit is not waiting to happen, and all that booking raises.
    """
    statuses = current.statuses.moved(Move.RESCHEDULE)
    booking = decide_booking(wish, facts, now, policy, ignoring=current.appointment_id)
    was = current.place
    became = Place(booking.interval, booking.clinic_id, booking.provider_id, booking.room_id)
    given = notice_of(was.interval.start, was.interval.end, now, reason, notice)
    same_time = (was.interval, was.provider_id) == (became.interval, became.provider_id)
    return Reschedule(
        booking=booking,
        lineage=Lineage(current.appointment_id, current.moves + 1, was, became, now, reason),
        statuses=statuses,
        notice=given,
        released=was.interval if given.frees_slot and not same_time else None,
    )
