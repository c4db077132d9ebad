"""The closed tables of the four dimensions. What is illegal is derived from the tables."""

from enum import StrEnum
from itertools import product

import pytest

from services.appointments.domain.status import (
    TABLES,
    Confirmation,
    Flow,
    Lifecycle,
    Move,
    Readiness,
    Statuses,
    next_status,
)
from shared.values.errors import IllegalTransition

EVERY = [
    (status, move) for dimension in TABLES for status, move in product(list(dimension), list(Move))
]
LEGAL = [(status, move) for status, move in EVERY if (status, move) in TABLES[type(status)]]
ILLEGAL = [pair for pair in EVERY if pair not in LEGAL]
OUTCOMES = {Lifecycle.FULFILLED, Lifecycle.NO_SHOW, Lifecycle.CANCELLED}


def test_the_tables_name_only_statuses_and_moves_that_exist() -> None:
    assert set(TABLES) == {Lifecycle, Confirmation, Flow, Readiness}
    for dimension, table in TABLES.items():
        for (status, move), after in table.items():
            assert type(status) is type(after) is dimension
            assert type(move) is Move
    assert len(LEGAL) == sum(len(table) for table in TABLES.values())


@pytest.mark.parametrize(("status", "move"), LEGAL)
def test_a_listed_move_leads_where_the_table_says(status: StrEnum, move: Move) -> None:
    assert next_status(status, move) is TABLES[type(status)][status, move]


def test_every_move_that_is_not_listed_is_refused_and_says_what_is_allowed() -> None:
    assert len(ILLEGAL) > len(LEGAL)
    for status, move in ILLEGAL:
        with pytest.raises(IllegalTransition) as refused:
            next_status(status, move)
        assert refused.value.code == f"{type(status).__name__.lower()}.illegal_transition"
        allowed = {str(known) for now, known in TABLES[type(status)] if now == status}
        assert set(refused.value.facts["allowed"]) == allowed
        assert refused.value.facts["status"] == status


def test_an_outcome_is_final_but_for_an_error_of_entry() -> None:
    moves = {(now, move) for now, move in TABLES[Lifecycle] if now in OUTCOMES}
    assert moves == {(outcome, Move.ENTER_IN_ERROR) for outcome in OUTCOMES}
    assert not [now for now, _ in TABLES[Lifecycle] if now is Lifecycle.ENTERED_IN_ERROR]


def test_every_move_is_guarded_by_the_lifecycle() -> None:
    guarded = {move for _, move in TABLES[Lifecycle]}
    assert guarded == set(Move)


def test_every_status_can_be_reached() -> None:
    for dimension, table in TABLES.items():
        first = next(iter(dimension))
        reached = {first}
        for _ in dimension:
            reached |= {after for (now, _), after in table.items() if now in reached}
        assert reached == set(dimension)


def test_a_visit_goes_its_way_in_all_dimensions_at_once() -> None:
    statuses = Statuses()
    for move in (
        Move.CONFIRM,
        Move.FIND_READY,
        Move.ARRIVE,
        Move.CHECK_IN,
        Move.ROOM,
        Move.SEE_PROVIDER,
        Move.FINISH,
        Move.CHECK_OUT,
    ):
        statuses = statuses.moved(move)
    assert statuses == Statuses(
        Lifecycle.FULFILLED, Confirmation.CONFIRMED, Flow.CHECKED_OUT, Readiness.READY
    )


def test_a_new_time_forgets_what_was_said_about_the_old_one() -> None:
    told = Statuses().moved(Move.CONFIRM).moved(Move.FIND_READY).moved(Move.ARRIVE)
    assert told.moved(Move.RESCHEDULE) == Statuses()


def test_nobody_confirms_a_cancelled_visit_or_rooms_who_has_not_checked_in() -> None:
    for statuses, move in (
        (Statuses().moved(Move.CANCEL), Move.CONFIRM),
        (Statuses(), Move.ROOM),
        (Statuses().moved(Move.CHECK_IN), Move.CANCEL),
        (Statuses().moved(Move.CHECK_IN), Move.RESCHEDULE),
    ):
        with pytest.raises(IllegalTransition) as refused:
            statuses.moved(move)
        assert refused.value.code == "lifecycle.illegal_transition"


def test_a_stage_is_not_gone_through_backwards() -> None:
    seen = Statuses().moved(Move.CHECK_IN).moved(Move.SEE_PROVIDER)
    with pytest.raises(IllegalTransition) as refused:
        seen.moved(Move.ROOM)
    assert refused.value.code == "flow.illegal_transition"


def test_asking_again_for_what_is_done_already_is_recognised() -> None:
    for move in (Move.CHECK_IN, Move.CANCEL, Move.MARK_NO_SHOW, Move.ENTER_IN_ERROR):
        assert Statuses().moved(move).already(move)
        assert not Statuses().already(move)
    done = Statuses().moved(Move.CHECK_IN).moved(Move.CHECK_OUT)
    assert done.already(Move.CHECK_OUT)
    assert not done.already(Move.CHECK_IN)
    assert not Statuses().already(Move.RESCHEDULE)
