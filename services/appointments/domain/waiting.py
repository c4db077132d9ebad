"""The waiting room: who is next, how long it will take, and what they are called by.

The rule of order, in this sequence:

1. priority: urgent, then soon, then routine;
2. the turn: the later of the appointment's start and the arrival. Who comes early waits for their
   own time and overtakes nobody; who comes late has given up the earlier turn; a walk-in is due
   when they come in;
3. the arrival, then the visit's id.

A wait is counted from the turn to the call: the time before an appointment is the patient's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from math import ceil
from uuid import UUID

from shared.values.errors import Conflict, Invalid

WAITS_LEAST = 5
"""Fewer recent waits than this say nothing about the next."""
WAITS_MOST = 40
WAITS_SINCE = timedelta(days=28)
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
"""No I, O or Q: they look like 1 and 0 from across a room."""
PER_LETTER = 99
CALLS_MOST = len(LETTERS) * PER_LETTER


class Priority(StrEnum):
    """How soon somebody is to be seen; all but `routine` need a reason."""

    ROUTINE = "routine"
    SOON = "soon"
    URGENT = "urgent"


_RANK = {Priority.URGENT: 0, Priority.SOON: 1, Priority.ROUTINE: 2}


class Basis(StrEnum):
    """Whose recent waits an expectation rests on."""

    PROVIDER = "provider"
    CLINIC = "clinic"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody in the waiting room."""

    appointment_id: UUID
    priority: Priority
    turn_at: datetime
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long a wait from the turn takes: in half of the cases, and in nine of ten, in minutes.

    Both are None where too few recent waits are known.
    """

    basis: Basis
    median: int | None = None
    p90: int | None = None


def turn_at(starts_at: datetime, arrived_at: datetime) -> datetime:
    """When somebody's turn is: the later of appointment and arrival."""
    return max(starts_at, arrived_at)


def in_order(waiting: Sequence[Waiting]) -> list[Waiting]:
    """Who is next, by the rule of this module."""
    return sorted(
        waiting, key=lambda w: (_RANK[w.priority], w.turn_at, w.entered_at, w.appointment_id)
    )


def expectation(provider: Sequence[int], clinic: Sequence[int]) -> Expectation:
    """What recent waits in seconds, newest first, of the provider and of the clinic promise.

    The provider's count where there are enough of them, or else the clinic's.
    """
    for basis, waits in ((Basis.PROVIDER, provider), (Basis.CLINIC, clinic)):
        recent = sorted(waits[:WAITS_MOST])
        if len(recent) >= WAITS_LEAST:
            return Expectation(basis, _minutes(recent, 50), _minutes(recent, 90))
    return Expectation(Basis.TOO_FEW)


def waited(turn: datetime, called_at: datetime) -> int:
    """How long somebody waited, in whole seconds; 0 for who was called before their turn."""
    return max(0, (called_at - turn) // timedelta(seconds=1))


def checked_priority(priority: Priority, reason: str | None) -> Priority:
    """A priority that may be given. Raises Invalid ``override.reason_required``."""
    if priority is not Priority.ROUTINE and not (reason or "").strip():
        title = "To be seen before others needs a reason."
        raise Invalid("override.reason_required", title, pointer="/reason")
    return priority


def call_code(number: int) -> str:
    """What a visit is called by on its day: `A01` to `Z99`, from the day's numbers 1, 2, 3."""
    letter, rest = divmod(number - 1, PER_LETTER)
    return f"{LETTERS[letter]}{rest + 1:02d}"


def next_number(highest: int | None) -> int:
    """The next number of a clinic's day. Raises Conflict ``queue.codes_used_up``."""
    number = (highest or 0) + 1
    if number > CALLS_MOST:
        raise Conflict("queue.codes_used_up", "No call code is left for today.")
    return number


def alarm_due(turn: datetime, patience: timedelta) -> datetime:
    """When somebody has waited too long."""
    return turn + patience


def same_day(first: date, second: date, what: str) -> None:
    """Raise Conflict ``<what>.not_today`` unless two local days are one."""
    if first != second:
        raise Conflict(f"{what}.not_today", "This can be done on the day of the visit only.")


def _minutes(sorted_waits: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile, in minutes rounded up: nobody is promised less than it was."""
    rank = ceil(len(sorted_waits) * percent / 100)
    return ceil(sorted_waits[rank - 1] / 60)
