"""Where one reminder stands, and what can happen to it: a closed table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from shared.values.errors import IllegalTransition


class State(StrEnum):
    """Where a reminder stands. `sending` is kept before the call outside; `sent` says that a
    messenger took it over; of `unknown` nobody knows whether it left."""

    PLANNED = "planned"
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class Step(StrEnum):
    """What can happen to a reminder."""

    PLAN = "plan"
    COME_DUE = "come_due"
    SEND = "send"
    TAKE_OVER = "take_over"
    REFUSE = "refuse"
    LOSE = "lose"
    PUT_OFF = "put_off"
    SUPPRESS = "suppress"


_S, _T = State, Step
STEPS: Mapping[tuple[State, Step], State] = MappingProxyType(
    {
        (_S.PLANNED, _T.PLAN): _S.PLANNED,
        (_S.SUPPRESSED, _T.PLAN): _S.PLANNED,
        (_S.PLANNED, _T.COME_DUE): _S.DUE,
        (_S.PLANNED, _T.SUPPRESS): _S.SUPPRESSED,
        (_S.DUE, _T.SUPPRESS): _S.SUPPRESSED,
        (_S.DUE, _T.PUT_OFF): _S.PLANNED,
        (_S.DUE, _T.REFUSE): _S.FAILED,
        (_S.DUE, _T.SEND): _S.SENDING,
        (_S.SENDING, _T.TAKE_OVER): _S.SENT,
        (_S.SENDING, _T.REFUSE): _S.FAILED,
        (_S.SENDING, _T.LOSE): _S.UNKNOWN,
        # Only where the far side said that it has nothing.
        (_S.SENDING, _T.PUT_OFF): _S.PLANNED,
    }
)
"""(state, step) to the state after. What is not listed does not happen."""

SPENT = frozenset({State.DUE, State.SENDING, State.SENT, State.UNKNOWN})
"""A lead with such a reminder gets no other, by whatever channel."""


TOLD = SPENT - {State.DUE}
"""What the patient was told by, as far as anybody knows."""


def next_state(now: State, step: Step) -> State:
    """The state after a step. Raises IllegalTransition ``reminder.illegal_transition``."""
    after = STEPS.get((now, step))
    if after is None:
        allowed = [known for state, known in STEPS if state is now]
        raise IllegalTransition("reminder", now, step, allowed)
    return after
