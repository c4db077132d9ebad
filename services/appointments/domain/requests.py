"""Times that a patient asks the desk for, where a kind of visit is not booked by oneself.

A request occupies nothing. It ends in one of four ways: the desk books it or declines it, the
patient takes it back, or the last of the times wished for has passed.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.rules import Rule, RuleKind, SelfBooking, deciding
from shared.values.errors import Conflict, Forbidden, Invalid

TIMES_MOST = 3


class RequestState(StrEnum):
    """How a request stands. All but the first are ends, and exclude each other."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class DeclineReason(StrEnum):
    """Why the desk declines, as a code that travels."""

    NO_TIME_FREE = "no_time_free"
    ANOTHER_KIND = "another_kind"
    """It is another kind of visit that they need."""
    REFERRAL_NEEDED = "referral_needed"
    COVER_PROBLEM = "cover_problem"
    TO_BE_CALLED = "to_be_called"
    OTHER = "other"


def mode_at(
    rules: Sequence[Rule],
    clinic_id: UUID,
    type_id: UUID,
    provider_id: UUID | None,
    in_zone: ZoneInfo,
    at: datetime,
) -> SelfBooking:
    """What patients may do by themselves with a visit at a time. Where no provider is named, rules
    of a provider say nothing yet."""
    wide = [rule for rule in rules if provider_id is not None or rule.scope.provider_id is None]
    day = at.astimezone(in_zone).date()
    for rule in deciding(wide, clinic_id, type_id, provider_id or clinic_id, day):
        if rule.kind is RuleKind.SELF_BOOKING:
            return SelfBooking(rule.value["mode"])
    return SelfBooking.SELF_BOOK


def require_askable(modes: Sequence[SelfBooking], *, self_service: bool) -> None:
    """Raise Forbidden ``appointment_request.view_only`` where patients may only look."""
    if self_service and SelfBooking.VIEW_ONLY in modes:
        title = "Times of this kind of visit can be seen here; to have one, call the clinic."
        raise Forbidden("appointment_request.view_only", title)


def checked_times(wished: Sequence[datetime], now: datetime, latest: datetime) -> None:
    """Raise Invalid unless there are 1 to 3 different times, all to come and none after `latest`.

    ``appointment_request.times``, ``.in_past``, ``.too_far``; instants in UTC.
    """
    if not 1 <= len(wished) <= TIMES_MOST or len(set(wished)) != len(wished):
        title = f"Wish for 1 to {TIMES_MOST} times, each once."
        raise Invalid("appointment_request.times", title, pointer="/wished")
    for number, at in enumerate(wished):
        if at <= now:
            title = "This time has passed."
            raise Invalid("appointment_request.in_past", title, pointer=f"/wished/{number}")
        if at > latest:
            title = "This is further ahead than visits are booked."
            raise Invalid("appointment_request.too_far", title, pointer=f"/wished/{number}")


def stands_at(state: RequestState, last_wished: datetime, now: datetime) -> RequestState:
    """How a request stands: one whose last time has passed is over, whether or not it is noted."""
    over = state is RequestState.OPEN and now >= last_wished
    return RequestState.EXPIRED if over else state


def require_open(state: RequestState) -> None:
    """Raise Conflict ``appointment_request.accepted`` and so on for one that is over."""
    if state is not RequestState.OPEN:
        raise Conflict(f"appointment_request.{state}", f"This request is {state}.")


def asked_already() -> Conflict:
    """The refusal of a second request for a kind of visit while one is open."""
    title = "A time for this kind of visit is asked for already; withdraw that request first."
    return Conflict("appointment_request.open", title)
