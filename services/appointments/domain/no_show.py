"""Nobody came: by the clock, after a grace period, or by a person's word."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.appointments.domain.status import Flow, Lifecycle, Move, Statuses
from shared.values.errors import Invalid
from shared.values.interval import Interval

GRACE_DEFAULT = timedelta(minutes=30)


class Due(StrEnum):
    """What a no-show timer finds when it goes off."""

    NOW = "now"
    LATER = "later"
    """The visit was moved: go off again at `due_at` of its new time."""
    NEVER = "never"
    """Somebody came, or the visit was called off."""


@dataclass(frozen=True, slots=True)
class NoShow:
    """A no-show that may be recorded. frees_slot: whether any of the time is still to come."""

    statuses: Statuses
    frees_slot: bool


def due_at(interval: Interval, grace: timedelta = GRACE_DEFAULT) -> datetime:
    """When the timer goes off: the start and the grace period."""
    return interval.start + grace


def timer_finds(
    statuses: Statuses, interval: Interval, now: datetime, grace: timedelta = GRACE_DEFAULT
) -> Due:
    """What the timer is to do. A timer can be late, early, or about a time that has changed."""
    if statuses.lifecycle is not Lifecycle.BOOKED or statuses.flow is not Flow.EXPECTED:
        return Due.NEVER
    return Due.NOW if now >= due_at(interval, grace) else Due.LATER


def decide_no_show(statuses: Statuses, interval: Interval, now: datetime) -> NoShow:
    """The no-show of a visit that has begun; a person need not wait for the grace period.

    Raises IllegalTransition unless the visit is booked, Invalid ``no_show.before_start``.
    """
    after = statuses.moved(Move.MARK_NO_SHOW)
    if now < interval.start:
        title = "Nobody can have missed a visit that has not begun."
        raise Invalid("no_show.before_start", title)
    return NoShow(after, frees_slot=now < interval.end)
