"""Calling a visit off."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.appointments.domain.reasons import NOTICE_DEFAULT, Notice, Reason, notice_of
from services.appointments.domain.status import Move, Statuses
from shared.values.interval import Interval


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancellation that may be made. Its occupancies are deactivated in the same statement."""

    statuses: Statuses
    reason: Reason
    notice: Notice


def decide_cancel(
    statuses: Statuses,
    interval: Interval,
    reason: Reason,
    now: datetime,
    notice: timedelta = NOTICE_DEFAULT,
) -> Cancellation:
    """The cancellation of a visit; `notice` is what the clinic asks for.

    Raises IllegalTransition once the patient has checked in, or the visit has its outcome.
    """
    after = statuses.moved(Move.CANCEL)
    given = notice_of(interval.start, interval.end, now, reason, notice)
    return Cancellation(after, reason, given)
