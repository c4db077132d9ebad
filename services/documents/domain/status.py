"""The life of a document: a closed table. Nothing is deleted; a mistake is marked as one."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from shared.values.errors import IllegalTransition, Invalid


class Status(StrEnum):
    """Where a document stands."""

    RECEIVED = "received"
    """Its bytes are kept; nobody has said what it is."""
    CLASSIFIED = "classified"
    """What it is is known; whose it is, not."""
    INDEXED = "indexed"
    """Filed with a patient, and with a visit where it belongs to one."""
    ENTERED_IN_ERROR = "entered_in_error"
    """It should not be here. It stays, with who said so and why, and is shown to nobody else."""


class Move(StrEnum):
    """What can happen to a document."""

    CLASSIFY = "classify"
    INDEX = "index"
    RECLASSIFY = "reclassify"
    MOVE = "move"
    """To another patient: it was misfiled. Both patients keep the trail."""
    MARK_IN_ERROR = "mark_in_error"


MOVES: Mapping[Status, Mapping[Move, Status]] = MappingProxyType(
    {
        Status.RECEIVED: {
            Move.CLASSIFY: Status.CLASSIFIED,
            Move.MARK_IN_ERROR: Status.ENTERED_IN_ERROR,
        },
        Status.CLASSIFIED: {
            Move.CLASSIFY: Status.CLASSIFIED,
            Move.INDEX: Status.INDEXED,
            Move.MARK_IN_ERROR: Status.ENTERED_IN_ERROR,
        },
        Status.INDEXED: {
            Move.RECLASSIFY: Status.INDEXED,
            Move.MOVE: Status.INDEXED,
            Move.MARK_IN_ERROR: Status.ENTERED_IN_ERROR,
        },
        Status.ENTERED_IN_ERROR: {},
    }
)

NEEDS_REASON = frozenset({Move.RECLASSIFY, Move.MOVE, Move.MARK_IN_ERROR})
"""Moves that take back what somebody said before."""


def next_status(now: Status, move: Move, *, reason: str | None = None) -> Status:
    """The status of a document after a move.

    Raises IllegalTransition, and Invalid ``document.reason`` for a correction without a reason.
    """
    allowed = MOVES[now]
    if move not in allowed:
        raise IllegalTransition("document", now, move, [each.value for each in allowed])
    if move in NEEDS_REASON and not (reason or "").strip():
        raise Invalid("document.reason", "Say why this is corrected.", pointer="/reason")
    return allowed[move]
