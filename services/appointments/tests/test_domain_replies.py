"""What an answer says and what it changes; what a message says; who has a call."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.calls import CallState, decide_take, require_taken_by
from services.appointments.domain.messages import CODE_LENGTH, code_digest, compose
from services.appointments.domain.replies import (
    Answer,
    Answered,
    after_message,
    decide_answer,
    read_answer,
)
from services.appointments.domain.status import (
    Confirmation,
    Flow,
    Lifecycle,
    Move,
    Readiness,
    Statuses,
)
from shared.values.errors import Conflict

CODE = "K7QF2M9XT4BD"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("YES", Answer.YES),
        ("yes.", Answer.YES),
        (f" Yes {CODE}", Answer.YES),
        (f"{CODE.lower()} yes!", Answer.YES),
        ("sí", Answer.YES),
        ("1", Answer.YES),
        ("no", Answer.NO),
        (f"NO {CODE}", Answer.NO),
        ("Stop", Answer.STOP),
        ("UNSUBSCRIBE", Answer.STOP),
        (f"STOP {CODE}", Answer.STOP),
        ("", Answer.OTHER),
        (CODE, Answer.OTHER),
        ("yes but later", Answer.OTHER),
        ("yes no", Answer.OTHER),
        ("don't stop", Answer.OTHER),
        ("can I come at noon", Answer.OTHER),
    ],
)
def test_an_answer_is_one_word_that_is_known(text: str, expected: Answer) -> None:
    assert read_answer(text, CODE) is expected


@given(st.text(max_size=200))
def test_any_text_is_some_answer(text: str) -> None:
    assert read_answer(text, CODE) in Answer


BOOKED = Statuses()
CANCELLED = Statuses(Lifecycle.CANCELLED)
HERE = Statuses(Lifecycle.CHECKED_IN, flow=Flow.CHECKED_IN)


@pytest.mark.parametrize(
    ("answer", "earlier", "statuses", "begun", "moved", "expected"),
    [
        (Answer.YES, None, BOOKED, False, False, Answered("confirmed", Move.CONFIRM)),
        (Answer.NO, None, BOOKED, False, False, Answered("declined", Move.DECLINE)),
        (Answer.OTHER, None, BOOKED, False, False,
         Answered("to_be_called", Move.REQUEST_CALLBACK, call="unclear_answer")),
        (Answer.OTHER, None, Statuses(confirmation=Confirmation.CONFIRMED), False, False,
         Answered("to_be_called", call="unclear_answer")),
        (Answer.STOP, None, BOOKED, False, False, Answered("stopped", stop=True)),
        (Answer.STOP, Answer.YES, BOOKED, False, False, Answered("stopped", stop=True)),
        (Answer.STOP, None, CANCELLED, True, True, Answered("stopped", stop=True)),
        (Answer.YES, Answer.YES, BOOKED, False, False, Answered("repeated")),
        (Answer.NO, Answer.YES, BOOKED, False, False,
         Answered("to_be_called", call="second_answer")),
        (Answer.YES, Answer.STOP, BOOKED, False, False, Answered("confirmed", Move.CONFIRM)),
        (Answer.YES, None, BOOKED, False, True, Answered("to_be_called", call="answered_old_time")),
        (Answer.YES, None, BOOKED, True, False, Answered("too_late")),
        (Answer.YES, None, CANCELLED, False, False,
         Answered("too_late", call="answered_after_cancellation")),
        (Answer.NO, None, CANCELLED, False, False, Answered("too_late")),
        (Answer.YES, None, HERE, False, False, Answered("too_late")),
        (Answer.YES, None, Statuses(confirmation=Confirmation.CONFIRMED), False, False,
         Answered("confirmed")),
        (Answer.NO, None, Statuses(confirmation=Confirmation.CONFIRMED), False, False,
         Answered("declined", Move.DECLINE)),
        (Answer.NO, None, Statuses(confirmation=Confirmation.DECLINED), False, False,
         Answered("declined")),
    ],
)  # fmt: skip
def test_what_an_answer_comes_to(
    answer: Answer,
    earlier: Answer | None,
    statuses: Statuses,
    begun: bool,
    moved: bool,
    expected: Answered,
) -> None:
    assert decide_answer(answer, earlier, statuses, begun=begun, moved=moved) == expected


_ANSWERS = st.sampled_from(list(Answer))
_STATUSES = st.builds(
    Statuses,
    *(st.sampled_from(list(dimension)) for dimension in (Lifecycle, Confirmation, Flow, Readiness)),
)


@given(_ANSWERS, st.none() | _ANSWERS, _STATUSES, st.booleans(), st.booleans())
def test_an_answer_changes_the_confirmation_and_nothing_else(
    answer: Answer, earlier: Answer | None, statuses: Statuses, begun: bool, moved: bool
) -> None:
    """openemr PR #11589: what is sent and answered never writes over where a visit stands."""
    decided = decide_answer(answer, earlier, statuses, begun=begun, moved=moved)
    assert decided.move in (None, Move.CONFIRM, Move.DECLINE, Move.REQUEST_CALLBACK)
    assert decided.stop is (answer is Answer.STOP)
    if decided.move is not None:
        after = statuses.moved(decided.move)
        assert (after.lifecycle, after.flow, after.readiness) == (
            statuses.lifecycle,
            statuses.flow,
            statuses.readiness,
        )


_SAYS_NOTHING = (Confirmation.UNSENT, Confirmation.SENT, Confirmation.UNREACHABLE)


@given(_STATUSES, st.sampled_from((Move.SEND, Move.FIND_UNREACHABLE)))
def test_a_message_says_nothing_of_what_the_patient_said(
    statuses: Statuses, move: Literal[Move.SEND, Move.FIND_UNREACHABLE]
) -> None:
    after = after_message(statuses, move)
    ahead = statuses.lifecycle is Lifecycle.BOOKED
    if ahead and statuses.confirmation in _SAYS_NOTHING:
        sent = move is Move.SEND
        expected = Confirmation.SENT if sent else Confirmation.UNREACHABLE
        assert after == replace(statuses, confirmation=expected)
    else:
        assert after == statuses


def test_a_code_is_kept_as_a_digest_whatever_its_writing() -> None:
    assert len(CODE) == CODE_LENGTH
    assert code_digest("k7qf-2m9x t4bd") == code_digest(CODE) != code_digest(CODE[:-1] + "E")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), "Sunday, November 1, 2026 at 1:30 AM (MDT)"),
        (datetime(2026, 11, 1, 8, 30, tzinfo=UTC), "Sunday, November 1, 2026 at 1:30 AM (MST)"),
        (datetime(2026, 3, 8, 9, 0, tzinfo=UTC), "Sunday, March 8, 2026 at 3:00 AM (MDT)"),
        (datetime(2026, 7, 4, 18, 5, tzinfo=UTC), "Saturday, July 4, 2026 at 12:05 PM (MDT)"),
        (datetime(2026, 7, 4, 6, 0, tzinfo=UTC), "Saturday, July 4, 2026 at 12:00 AM (MDT)"),
    ],
)
def test_the_time_in_a_message_is_never_in_doubt(at: datetime, expected: str) -> None:
    denver = ZoneInfo("America/Denver")
    text = compose(UUID(int=1), CODE, at, "Northside", "303-555-0100", denver, denver).text
    assert expected in text
    assert "at the clinic it is" not in text
    assert "telephone 303-555-0100" in text


OPEN, TAKEN, DONE = CallState


@pytest.mark.parametrize(
    ("state", "by", "take", "own"),
    [
        (OPEN, None, True, "call.not_taken"),
        (TAKEN, "person/dana", False, None),
        (TAKEN, "person/eve", "call.taken", "call.taken"),
        (DONE, "person/dana", "call.done", "call.done"),
        (DONE, None, "call.done", "call.done"),
    ],
)
def test_a_call_is_one_persons(
    state: CallState, by: str | None, take: bool | str, own: str | None
) -> None:
    me = "person/dana"
    if isinstance(take, str):
        with pytest.raises(Conflict) as refused:
            decide_take(state, by, me)
        assert refused.value.code == take
    else:
        assert decide_take(state, by, me) is take
    if own is None:
        require_taken_by(state, by, me)
    else:
        with pytest.raises(Conflict) as refused:
            require_taken_by(state, by, me)
        assert refused.value.code == own
