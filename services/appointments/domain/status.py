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
    ARRIVED = "arrived"
    CHECKED_IN = "checked_in"
    IN_PROGRESS = "in_progress"
    FULFILLED = "fulfilled"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered_in_error"


class Confirmation(StrEnum):
    """What the patient said about coming."""

    UNSENT = "unsent"
    SENT = "sent"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    CALLBACK_REQUESTED = "callback_requested"
    UNREACHABLE = "unreachable"


class Flow(StrEnum):
    """Where the patient is on the day."""

    EXPECTED = "expected"
    ARRIVED = "arrived"
    CHECKED_IN = "checked_in"
    ROOMED = "roomed"
    WITH_NURSE = "with_nurse"
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
    SEND = "send"
    CONFIRM = "confirm"
    DECLINE = "decline"
    REQUEST_CALLBACK = "request_callback"
    FIND_UNREACHABLE = "find_unreachable"
    FIND_READY = "find_ready"
    FIND_NOT_READY = "find_not_ready"
    ARRIVE = "arrive"
    CHECK_IN = "check_in"
    ROOM = "room"
    CHANGE_ROOM = "change_room"
    SEE_NURSE = "see_nurse"
    SEE_PROVIDER = "see_provider"
    FINISH = "finish"
    CHECK_OUT = "check_out"
    UNDO_ARRIVE = "undo_arrive"
    UNDO_CHECK_IN = "undo_check_in"
    MARK_NO_SHOW = "mark_no_show"
    COME_LATE = "come_late"
    ENTER_IN_ERROR = "enter_in_error"


_L, _C, _F, _R, _M = Lifecycle, Confirmation, Flow, Readiness, Move

UNDOES = frozenset({_M.UNDO_ARRIVE, _M.UNDO_CHECK_IN, _M.ENTER_IN_ERROR})
"""Moves that take something back. Each needs a reason, which is kept."""

REPLIES = (_M.SEND, _M.CONFIRM, _M.DECLINE, _M.REQUEST_CALLBACK, _M.FIND_UNREACHABLE)
"""What reminders and their answers do. They change the confirmation and nothing else."""

# Seen means that a nurse or a provider is with the patient; to be put into a room is not yet it.
_LIFECYCLE: dict[tuple[Lifecycle, Move], Lifecycle] = {
    (_L.BOOKED, _M.RESCHEDULE): _L.BOOKED,
    (_L.BOOKED, _M.CANCEL): _L.CANCELLED,
    **{(_L.BOOKED, reply): _L.BOOKED for reply in REPLIES},
    (_L.BOOKED, _M.FIND_READY): _L.BOOKED,
    (_L.BOOKED, _M.FIND_NOT_READY): _L.BOOKED,
    (_L.BOOKED, _M.ARRIVE): _L.ARRIVED,
    (_L.BOOKED, _M.CHECK_IN): _L.CHECKED_IN,
    (_L.BOOKED, _M.MARK_NO_SHOW): _L.NO_SHOW,
    (_L.ARRIVED, _M.RESCHEDULE): _L.BOOKED,
    (_L.ARRIVED, _M.CANCEL): _L.CANCELLED,
    (_L.ARRIVED, _M.FIND_READY): _L.ARRIVED,
    (_L.ARRIVED, _M.FIND_NOT_READY): _L.ARRIVED,
    (_L.ARRIVED, _M.CHECK_IN): _L.CHECKED_IN,
    (_L.ARRIVED, _M.UNDO_ARRIVE): _L.BOOKED,
    (_L.CHECKED_IN, _M.FIND_READY): _L.CHECKED_IN,
    (_L.CHECKED_IN, _M.UNDO_CHECK_IN): _L.ARRIVED,
    (_L.CHECKED_IN, _M.ROOM): _L.CHECKED_IN,
    (_L.CHECKED_IN, _M.CHANGE_ROOM): _L.CHECKED_IN,
    (_L.CHECKED_IN, _M.SEE_NURSE): _L.IN_PROGRESS,
    (_L.CHECKED_IN, _M.SEE_PROVIDER): _L.IN_PROGRESS,
    (_L.CHECKED_IN, _M.FINISH): _L.IN_PROGRESS,
    (_L.CHECKED_IN, _M.CHECK_OUT): _L.FULFILLED,
    (_L.IN_PROGRESS, _M.CHANGE_ROOM): _L.IN_PROGRESS,
    (_L.IN_PROGRESS, _M.SEE_PROVIDER): _L.IN_PROGRESS,
    (_L.IN_PROGRESS, _M.FINISH): _L.IN_PROGRESS,
    (_L.IN_PROGRESS, _M.CHECK_OUT): _L.FULFILLED,
    (_L.NO_SHOW, _M.COME_LATE): _L.ARRIVED,
    **{
        (now, _M.ENTER_IN_ERROR): _L.ENTERED_IN_ERROR
        for now in _L
        if now is not _L.ENTERED_IN_ERROR
    },
}

_CONFIRMATION: dict[tuple[Confirmation, Move], Confirmation] = {
    (_C.UNSENT, _M.SEND): _C.SENT,
    (_C.SENT, _M.SEND): _C.SENT,
    (_C.UNREACHABLE, _M.SEND): _C.SENT,
    **{(now, _M.CONFIRM): _C.CONFIRMED for now in _C if now is not _C.CONFIRMED},
    **{(now, _M.DECLINE): _C.DECLINED for now in _C if now is not _C.DECLINED},
    **{
        (now, _M.REQUEST_CALLBACK): _C.CALLBACK_REQUESTED
        for now in _C
        if now is not _C.CALLBACK_REQUESTED
    },
    # Only who has not answered is one who cannot be reached.
    (_C.UNSENT, _M.FIND_UNREACHABLE): _C.UNREACHABLE,
    (_C.SENT, _M.FIND_UNREACHABLE): _C.UNREACHABLE,
    (_C.CALLBACK_REQUESTED, _M.FIND_UNREACHABLE): _C.UNREACHABLE,
    # What was said about the old time says nothing about the new one.
    **{(now, _M.RESCHEDULE): _C.UNSENT for now in _C},
}

# A stage may be left out (a blood draw sees no provider), none is gone through backwards.
_FLOW: dict[tuple[Flow, Move], Flow] = {
    (_F.EXPECTED, _M.ARRIVE): _F.ARRIVED,
    (_F.EXPECTED, _M.COME_LATE): _F.ARRIVED,
    (_F.EXPECTED, _M.CHECK_IN): _F.CHECKED_IN,
    (_F.ARRIVED, _M.CHECK_IN): _F.CHECKED_IN,
    (_F.ARRIVED, _M.UNDO_ARRIVE): _F.EXPECTED,
    # Who was checked in without having been noted as arrived is in the building all the same.
    (_F.CHECKED_IN, _M.UNDO_CHECK_IN): _F.ARRIVED,
    (_F.CHECKED_IN, _M.ROOM): _F.ROOMED,
    (_F.CHECKED_IN, _M.SEE_NURSE): _F.WITH_NURSE,
    (_F.ROOMED, _M.SEE_NURSE): _F.WITH_NURSE,
    (_F.CHECKED_IN, _M.SEE_PROVIDER): _F.WITH_PROVIDER,
    (_F.ROOMED, _M.SEE_PROVIDER): _F.WITH_PROVIDER,
    (_F.WITH_NURSE, _M.SEE_PROVIDER): _F.WITH_PROVIDER,
    **{
        (now, _M.CHANGE_ROOM): now
        for now in (_F.ROOMED, _F.WITH_NURSE, _F.WITH_PROVIDER, _F.READY_FOR_CHECKOUT)
    },
    **{
        (now, _M.FINISH): _F.READY_FOR_CHECKOUT
        for now in (_F.CHECKED_IN, _F.ROOMED, _F.WITH_NURSE, _F.WITH_PROVIDER)
    },
    **{
        (now, _M.CHECK_OUT): _F.CHECKED_OUT
        for now in (
            _F.CHECKED_IN,
            _F.ROOMED,
            _F.WITH_NURSE,
            _F.WITH_PROVIDER,
            _F.READY_FOR_CHECKOUT,
        )
    },
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
    confirmation: Confirmation = Confirmation.UNSENT
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
        lands = _LANDS.get(move, ())
        return self.lifecycle in lands or (self.flow in lands and self._open)

    @property
    def _open(self) -> bool:
        return self.lifecycle in (Lifecycle.CHECKED_IN, Lifecycle.IN_PROGRESS)


# Moves that end in a status of their own: asking for one twice is not an error.
_LANDS: dict[Move, tuple[Lifecycle | Flow, ...]] = {
    _M.ARRIVE: (_L.ARRIVED,),
    _M.COME_LATE: (_L.ARRIVED,),
    _M.CHECK_IN: (_L.CHECKED_IN,),
    _M.ROOM: (_F.ROOMED,),
    _M.SEE_NURSE: (_F.WITH_NURSE,),
    _M.SEE_PROVIDER: (_F.WITH_PROVIDER,),
    _M.FINISH: (_F.READY_FOR_CHECKOUT,),
    _M.CHECK_OUT: (_L.FULFILLED,),
    _M.CANCEL: (_L.CANCELLED,),
    _M.MARK_NO_SHOW: (_L.NO_SHOW,),
    _M.ENTER_IN_ERROR: (_L.ENTERED_IN_ERROR,),
}


def reachable() -> frozenset[tuple[Lifecycle, Flow]]:
    """Every pair of lifecycle and flow that moves lead to. Postgres holds visits to these."""
    found: set[tuple[Lifecycle, Flow]] = set()
    ahead = [Statuses()]
    while ahead:
        now = ahead.pop()
        if (now.lifecycle, now.flow) in found:
            continue
        found.add((now.lifecycle, now.flow))
        for move in Move:
            if (now.lifecycle, move) in _LIFECYCLE and (
                move not in _KNOWN[Flow] or (now.flow, move) in _FLOW
            ):
                ahead.append(
                    Statuses(
                        lifecycle=next_status(now.lifecycle, move), flow=_moved(now.flow, move)
                    )
                )
    return frozenset(found)


def _moved(now: Status, move: Move) -> Status:
    return next_status(now, move) if move in _KNOWN[type(now)] else now
