"""Calling a visit off."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.appointments.domain.reasons import (
    NOTICE_DEFAULT,
    OF_ONESELF,
    CancelledBy,
    Notice,
    Reason,
    cancelled_by,
    notice_of,
)
from services.appointments.domain.status import Move, Statuses
from shared.values.errors import Forbidden
from shared.values.interval import Interval


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancellation that may be made.

    keeps_time: the provider's time stays closed, though the visit is off; room and patient are free
    in any case. notice.frees_slot: somebody else can have the time.
    """

    statuses: Statuses
    reason: Reason
    notice: Notice
    by: CancelledBy
    keeps_time: bool


def decide_cancel(
    statuses: Statuses,
    interval: Interval,
    reason: Reason,
    now: datetime,
    notice: timedelta = NOTICE_DEFAULT,
    *,
    frees_slot: bool | None = None,
    by_patient: bool = False,
) -> Cancellation:
    """The cancellation of a visit; `notice` is what the clinic asks for.

    frees_slot: whether somebody else can have the time; None goes by the reason. by_patient: they
    do it themselves.
    Raises IllegalTransition once the patient has checked in, or the visit has its outcome;
    Forbidden ``cancel.for_the_desk`` where a patient gives what is for the desk to say.
    """
    if by_patient and (reason not in OF_ONESELF or frees_slot is not None):
        raise Forbidden("cancel.for_the_desk", "This reason is for the desk to give.")
    after = statuses.moved(Move.CANCEL)
    given = notice_of(interval.start, interval.end, now, reason, notice)
    to_come = now < interval.end
    if frees_slot is not None:
        given = replace(given, frees_slot=frees_slot and to_come)
    keeps = to_come and not given.frees_slot
    return Cancellation(after, reason, given, cancelled_by(reason), keeps)
