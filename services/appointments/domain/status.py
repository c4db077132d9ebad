"""Where a visit stands: four dimensions, each a closed table of moves.

Lifecycle says whether the visit will be, is, or was; confirmation what the patient said; flow where
in the building the patient is; readiness whether what check-in asks for is there. They are kept
apart because one list that mixes them cannot say "confirmed, but the cover is missing".

A move that several dimensions know changes all of them at once. The lifecycle table lists every
move: it is the guard, so nobody confirms a cancelled visit or sends a no-show to a room.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from shared.values.errors import IllegalTransition


class Lifecycle(StrEnum):
    """Whether the visit will be, is, or was. The last four are outcomes and exclude each other."""

    BOOKED = "booked"
    CHECKED_IN = "checked_in"
    FULFILLED = "fulfilled"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered_in_error"


class Confirmation(StrEnum):
    """What the patient said about coming."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    DECLINED = "declined"


class Flow(StrEnum):
    """Where the patient is on the day."""

    EXPECTED = "expected"
    ARRIVED = "arrived"
    CHECKED_IN = "checked_in"
    ROOMED = "roomed"
    WITH_PROVIDER = "with_provider"
    READY_FOR_CHECKOUT = "ready_for_checkout"
    CHECKED_OUT = "checked_out"


class Readiness(StrEnum):
    """Whether what check-in asks for is there, as far as is known."""

    UNKNOWN = "unknown"
    NOT_READY = "not_ready"
    READY = "ready"


class Move(StrEnum):
    """Everything that can happen to a visit once it is booked."""

    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    DECLINE = "decline"
    FIND_READY = "find_ready"
    FIND_NOT_READY = "find_not_ready"
    ARRIVE = "arrive"
    CHECK_IN = "check_in"
    ROOM = "room"
    SEE_PROVIDER = "see_provider"
    FINISH = "finish"
    CHECK_OUT = "check_out"
    MARK_NO_SHOW = "mark_no_show"
    ENTER_IN_ERROR = "enter_in_error"


_L, _C, _F, _R, _M = Lifecycle, Confirmation, Flow, Readiness, Move

_LIFECYCLE: dict[tuple[Lifecycle, Move], Lifecycle] = {
    (_L.BOOKED, _M.RESCHEDULE): _L.BOOKED,
    (_L.BOOKED, _M.CANCEL): _L.CANCELLED,
    (_L.BOOKED, _M.CONFIRM): _L.BOOKED,
    (_L.BOOKED, _M.DECLINE): _L.BOOKED,
    (_L.BOOKED, _M.FIND_READY): _L.BOOKED,
    (_L.BOOKED, _M.FIND_NOT_READY): _L.BOOKED,
    (_L.BOOKED, _M.ARRIVE): _L.BOOKED,
    (_L.BOOKED, _M.CHECK_IN): _L.CHECKED_IN,
    (_L.BOOKED, _M.MARK_NO_SHOW): _L.NO_SHOW,
    (_L.CHECKED_IN, _M.ROOM): _L.CHECKED_IN,
    (_L.CHECKED_IN, _M.SEE_PROVIDER): _L.CHECKED_IN,
    (_L.CHECKED_IN, _M.FINISH): _L.CHECKED_IN,
    (_L.CHECKED_IN, _M.CHECK_OUT): _L.FULFILLED,
    (_L.BOOKED, _M.ENTER_IN_ERROR): _L.ENTERED_IN_ERROR,
    (_L.CHECKED_IN, _M.ENTER_IN_ERROR): _L.ENTERED_IN_ERROR,
    (_L.FULFILLED, _M.ENTER_IN_ERROR): _L.ENTERED_IN_ERROR,
    (_L.NO_SHOW, _M.ENTER_IN_ERROR): _L.ENTERED_IN_ERROR,
    (_L.CANCELLED, _M.ENTER_IN_ERROR): _L.ENTERED_IN_ERROR,
}

_CONFIRMATION: dict[tuple[Confirmation, Move], Confirmation] = {
    (_C.UNCONFIRMED, _M.CONFIRM): _C.CONFIRMED,
    (_C.UNCONFIRMED, _M.DECLINE): _C.DECLINED,
    (_C.CONFIRMED, _M.DECLINE): _C.DECLINED,
    (_C.DECLINED, _M.CONFIRM): _C.CONFIRMED,
    # What was said about the old time says nothing about the new one.
    (_C.UNCONFIRMED, _M.RESCHEDULE): _C.UNCONFIRMED,
    (_C.CONFIRMED, _M.RESCHEDULE): _C.UNCONFIRMED,
    (_C.DECLINED, _M.RESCHEDULE): _C.UNCONFIRMED,
}

# A stage may be left out (a blood draw sees no provider), none is gone through backwards.
_FLOW: dict[tuple[Flow, Move], Flow] = {
    (_F.EXPECTED, _M.ARRIVE): _F.ARRIVED,
    (_F.EXPECTED, _M.CHECK_IN): _F.CHECKED_IN,
    (_F.ARRIVED, _M.CHECK_IN): _F.CHECKED_IN,
    (_F.CHECKED_IN, _M.ROOM): _F.ROOMED,
    (_F.CHECKED_IN, _M.SEE_PROVIDER): _F.WITH_PROVIDER,
    (_F.ROOMED, _M.SEE_PROVIDER): _F.WITH_PROVIDER,
    (_F.CHECKED_IN, _M.FINISH): _F.READY_FOR_CHECKOUT,
    (_F.ROOMED, _M.FINISH): _F.READY_FOR_CHECKOUT,
    (_F.WITH_PROVIDER, _M.FINISH): _F.READY_FOR_CHECKOUT,
    (_F.CHECKED_IN, _M.CHECK_OUT): _F.CHECKED_OUT,
    (_F.ROOMED, _M.CHECK_OUT): _F.CHECKED_OUT,
    (_F.WITH_PROVIDER, _M.CHECK_OUT): _F.CHECKED_OUT,
    (_F.READY_FOR_CHECKOUT, _M.CHECK_OUT): _F.CHECKED_OUT,
    (_F.EXPECTED, _M.RESCHEDULE): _F.EXPECTED,
    (_F.ARRIVED, _M.RESCHEDULE): _F.EXPECTED,
}

_READINESS: dict[tuple[Readiness, Move], Readiness] = {
    **{(now, _M.FIND_READY): _R.READY for now in _R},
    **{(now, _M.FIND_NOT_READY): _R.NOT_READY for now in _R},
    **{(now, _M.RESCHEDULE): _R.UNKNOWN for now in _R},
}

TABLES: Mapping[type[StrEnum], Mapping[tuple[StrEnum, Move], StrEnum]] = MappingProxyType(
    {_L: _LIFECYCLE, _C: _CONFIRMATION, _F: _FLOW, _R: _READINESS}  # type: ignore[dict-item]
)
"""Dimension to (status, move) to the status after. What is not listed does not happen."""

_KNOWN = {dimension: {move for _, move in table} for dimension, table in TABLES.items()}

Status = TypeVar("Status", bound=StrEnum)


def next_status(now: Status, move: Move) -> Status:
    """The status after a move, in the dimension that `now` belongs to.

    Raises IllegalTransition (``<dimension>.illegal_transition``) with the moves that are allowed.
    """
    table = TABLES[type(now)]
    after = table.get((now, move))
    if after is None:
        allowed = [known for status, known in table if status == now]
        raise IllegalTransition(type(now).__name__.lower(), now, move, allowed)
    return type(now)(after)


@dataclass(frozen=True, slots=True)
class Statuses:
    """Where one visit stands in all four dimensions."""

    lifecycle: Lifecycle = Lifecycle.BOOKED
    confirmation: Confirmation = Confirmation.UNCONFIRMED
    flow: Flow = Flow.EXPECTED
    readiness: Readiness = Readiness.UNKNOWN

    def moved(self, move: Move) -> "Statuses":
        """The statuses after a move; the lifecycle decides first whether it may be.

        Raises IllegalTransition. A dimension that does not know the move stays as it is.
        """
        return Statuses(
            next_status(self.lifecycle, move),
            _moved(self.confirmation, move),
            _moved(self.flow, move),
            _moved(self.readiness, move),
        )

    def already(self, move: Move) -> bool:
        """Whether the visit stands where the move leads, so that asking again changes nothing."""
        return self.lifecycle in _LANDS.get(move, ())


# Moves that end in a lifecycle status of their own: asking for one twice is not an error.
_LANDS: dict[Move, tuple[Lifecycle, ...]] = {
    _M.CHECK_IN: (_L.CHECKED_IN,),
    _M.CHECK_OUT: (_L.FULFILLED,),
    _M.CANCEL: (_L.CANCELLED,),
    _M.MARK_NO_SHOW: (_L.NO_SHOW,),
    _M.ENTER_IN_ERROR: (_L.ENTERED_IN_ERROR,),
}


def _moved(now: Status, move: Move) -> Status:
    return next_status(now, move) if move in _KNOWN[type(now)] else now
