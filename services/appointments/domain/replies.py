"""What a reminder and an answer to it change: the confirmation, and nothing else of the visit."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from services.appointments.domain.status import Confirmation, Flow, Lifecycle, Move, Statuses


class Answer(StrEnum):
    """What a patient answered."""

    YES = "yes"
    NO = "no"
    STOP = "stop"
    OTHER = "other"


_WORDS = {
    Answer.YES: ("yes", "y", "yep", "ok", "okay", "confirm", "confirmed", "c", "1", "si", "sí"),
    Answer.NO: ("no", "n", "nope", "decline", "2"),
    # CTIA Messaging Principles and Best Practices, section 5.1.3: opt-out keywords.
    Answer.STOP: ("stop", "stopall", "unsubscribe", "end", "quit", "optout", "revoke"),
}  # fmt: skip
_BY_WORD = {word: answer for answer, words in _WORDS.items() for word in words}


def read_answer(text: str, code: str = "") -> Answer:
    """What a text says: one word that is known, with or without the code; anything else is other.

    "yes but can it be later" is no yes.
    """
    words = "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()
    left = [word for word in words if word != code.casefold()]
    return _BY_WORD.get(left[0], Answer.OTHER) if len(left) == 1 else Answer.OTHER


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer comes to. move: of the confirmation. call: why somebody has to call."""

    outcome: str
    move: Move | None = None
    stop: bool = False
    call: str | None = None


SILENT = frozenset({Confirmation.UNSENT, Confirmation.SENT, Confirmation.UNREACHABLE})
"""The patient has said nothing yet."""


def after_message(now: Statuses, move: Literal[Move.SEND, Move.FIND_UNREACHABLE]) -> Statuses:
    """Where a visit stands when a message went out, or when none can reach the patient.

    What they said before stands, and of a visit that is not ahead nothing changes.
    """
    unreachable = now.confirmation is Confirmation.UNREACHABLE
    if now.lifecycle is not Lifecycle.BOOKED or now.confirmation not in SILENT:
        return now
    return now if unreachable and move is Move.FIND_UNREACHABLE else now.moved(move)


def decide_answer(
    answer: Answer, earlier: Answer | None, statuses: Statuses, *, begun: bool, moved: bool
) -> Answered:
    """What an answer comes to.

    earlier: what the same code was answered with before: a code counts once, but a word that stops
    messages always does. begun: the visit's time has come. moved: the message told another time
    than the visit now has, so the answer is none to that.
    """
    if answer is Answer.STOP:
        return Answered("stopped", stop=True)
    if earlier is not None and answer is earlier:
        return Answered("repeated")
    if statuses.lifecycle is not Lifecycle.BOOKED or statuses.flow is not Flow.EXPECTED or begun:
        # Who says yes to what was called off would stand before a closed door.
        off = statuses.lifecycle is Lifecycle.CANCELLED
        believes = off and not begun and answer is not Answer.NO
        return Answered("too_late", call="answered_after_cancellation" if believes else None)
    if earlier is not None and earlier is not Answer.STOP:
        return Answered("to_be_called", call="second_answer")
    if answer is Answer.OTHER:
        # What was said at the desk is not undone by words that nobody can read.
        silent = statuses.confirmation in SILENT
        move = Move.REQUEST_CALLBACK if silent else None
        return Answered("to_be_called", move, call="unclear_answer")
    if moved:
        return Answered("to_be_called", call="answered_old_time")
    if answer is Answer.YES:
        already = statuses.confirmation is Confirmation.CONFIRMED
        return Answered("confirmed", None if already else Move.CONFIRM)
    already = statuses.confirmation is Confirmation.DECLINED
    return Answered("declined", None if already else Move.DECLINE)
