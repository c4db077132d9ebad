"""The staff's call list: who has to be called, who does it, and what came of it."""

from enum import StrEnum

from shared.values.errors import Conflict


class CallState(StrEnum):
    """Where a call stands."""

    OPEN = "open"
    TAKEN = "taken"
    DONE = "done"


class CallOutcome(StrEnum):
    """What came of a call. `not_needed`: the visit is off, or over."""

    REACHED = "reached"
    LEFT_MESSAGE = "left_message"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"
    NOT_NEEDED = "not_needed"


def decide_take(state: CallState, taken_by: str | None, by: str) -> bool:
    """Whether taking a call changes something; taking one's own again does not.

    Raises Conflict ``call.taken`` where somebody else has it, ``call.done``.
    """
    if state is CallState.DONE:
        raise Conflict("call.done", "This call has been made.")
    if state is CallState.TAKEN and taken_by != by:
        raise Conflict("call.taken", "Somebody else has taken this call.")
    return state is CallState.OPEN


def require_taken_by(state: CallState, taken_by: str | None, by: str) -> None:
    """Raise Conflict unless the caller has the call: ``call.not_taken``, ``call.taken``,
    ``call.done``."""
    if decide_take(state, taken_by, by):
        raise Conflict("call.not_taken", "Take the call first.")
