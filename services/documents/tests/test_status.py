"""The life of a document."""

from itertools import product

import pytest

from services.documents.domain.status import NEEDS_REASON, Move, Status, next_status
from shared.values.errors import IllegalTransition, Invalid

ALLOWED = {
    (Status.RECEIVED, Move.CLASSIFY): Status.CLASSIFIED,
    (Status.RECEIVED, Move.MARK_IN_ERROR): Status.ENTERED_IN_ERROR,
    (Status.CLASSIFIED, Move.CLASSIFY): Status.CLASSIFIED,
    (Status.CLASSIFIED, Move.INDEX): Status.INDEXED,
    (Status.CLASSIFIED, Move.MARK_IN_ERROR): Status.ENTERED_IN_ERROR,
    (Status.INDEXED, Move.RECLASSIFY): Status.INDEXED,
    (Status.INDEXED, Move.MOVE): Status.INDEXED,
    (Status.INDEXED, Move.MARK_IN_ERROR): Status.ENTERED_IN_ERROR,
}


@pytest.mark.parametrize(("now", "move"), list(product(Status, Move)))
def test_a_document_moves_as_the_table_says_and_no_other_way(now: Status, move: Move) -> None:
    if (now, move) in ALLOWED:
        assert next_status(now, move, reason="wrong patient") is ALLOWED[now, move]
        return
    with pytest.raises(IllegalTransition) as caught:
        next_status(now, move, reason="wrong patient")
    assert caught.value.code == "document.illegal_transition"


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize("move", sorted(NEEDS_REASON))
def test_a_correction_needs_a_reason(move: Move, reason: str | None) -> None:
    with pytest.raises(Invalid, match=r"document\.reason"):
        next_status(Status.INDEXED, move, reason=reason)
    assert next_status(Status.INDEXED, move, reason="wrong patient") in Status
