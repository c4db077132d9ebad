"""Why a visit moves or is called off, and what follows from the reason."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Party(StrEnum):
    """Who caused a change."""

    PATIENT = "patient"
    CLINIC = "clinic"


class CancelledBy(StrEnum):
    """Who called a visit off; the words are those of FHIR's cancellation reasons."""

    PATIENT = "patient"
    PROVIDER = "provider"
    PRACTICE = "practice"


class Reason(StrEnum):
    """The reasons to choose from. Text beside them stays in the service; the code travels."""

    PATIENT_REQUEST = "patient_request"
    PATIENT_ILL = "patient_ill"
    TRANSPORT = "transport"
    COVER_PROBLEM = "cover_problem"
    PATIENT_DECEASED = "patient_deceased"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    CLINIC_CLOSED = "clinic_closed"
    CLINIC_REQUEST = "clinic_request"
    BOOKED_IN_ERROR = "booked_in_error"


class Unchosen(StrEnum):
    """The reasons that nobody gives and that no request may name."""

    ZONE_RULES = "zone_rules"
    """The rules of the clinic's time zone changed: the wall time stays, the instant moves."""


_PATIENT_CAUSED = frozenset({Reason.PATIENT_REQUEST, Reason.TRANSPORT, Reason.COVER_PROBLEM})
"""Short notice counts against the patient for these alone: not for illness, nor for a death."""

_TIME_IS_GONE = frozenset({Reason.PROVIDER_UNAVAILABLE, Reason.CLINIC_CLOSED})
"""Nobody else can have the time either."""

_CALLED_OFF_BY = {
    Reason.PATIENT_REQUEST: CancelledBy.PATIENT,
    Reason.PATIENT_ILL: CancelledBy.PATIENT,
    Reason.TRANSPORT: CancelledBy.PATIENT,
    Reason.COVER_PROBLEM: CancelledBy.PATIENT,
    Reason.PATIENT_DECEASED: CancelledBy.PATIENT,
    Reason.PROVIDER_UNAVAILABLE: CancelledBy.PROVIDER,
    Reason.CLINIC_CLOSED: CancelledBy.PRACTICE,
    Reason.CLINIC_REQUEST: CancelledBy.PRACTICE,
    Reason.BOOKED_IN_ERROR: CancelledBy.PRACTICE,
}

OF_ONESELF = frozenset(
    {Reason.PATIENT_REQUEST, Reason.PATIENT_ILL, Reason.TRANSPORT, Reason.COVER_PROBLEM}
)
"""The reasons that a patient may give for themselves: no other's, which would waive the notice."""

NOTICE_DEFAULT = timedelta(hours=24)


def party(reason: Reason) -> Party:
    """Who is answerable for a reason."""
    return Party.PATIENT if reason in _PATIENT_CAUSED else Party.CLINIC


def cancelled_by(reason: Reason) -> CancelledBy:
    """Who calls a visit off that is cancelled for a reason."""
    return _CALLED_OFF_BY[reason]


@dataclass(frozen=True, slots=True)
class Notice:
    """How early a change came.

    minutes: whole minutes before the start, rounded down; below zero once it has begun.
    late: within the clinic's notice, for a reason that the patient is answerable for.
    frees_slot: whether somebody else can still have the time.
    """

    minutes: int
    late: bool
    frees_slot: bool


def notice_of(
    starts_at: datetime, ends_at: datetime, now: datetime, reason: Reason, wanted: timedelta
) -> Notice:
    """The notice given at `now` for a visit; `wanted` is what the clinic asks for."""
    ahead = starts_at - now
    return Notice(
        minutes=ahead // timedelta(minutes=1),
        late=ahead < wanted and party(reason) is Party.PATIENT,
        frees_slot=now < ends_at and reason not in _TIME_IS_GONE,
    )
