"""The closed tables of the four dimensions. What is illegal is derived from the tables."""

from enum import StrEnum
from itertools import product

import pytest

from services.appointments.domain.status import (
    REPLIES,
    TABLES,
    UNDOES,
    Confirmation,
    Flow,
    Lifecycle,
    Move,
    Readiness,
    Statuses,
    next_status,
    reachable,
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


def test_an_outcome_is_final_but_for_an_error_of_entry_and_for_who_comes_late() -> None:
    moves = {(now, move) for now, move in TABLES[Lifecycle] if now in OUTCOMES}
    late = {(Lifecycle.NO_SHOW, Move.COME_LATE)}
    assert moves == {(outcome, Move.ENTER_IN_ERROR) for outcome in OUTCOMES} | late
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
        Move.SEE_NURSE,
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
    seen = Statuses().moved(Move.CHECK_IN).moved(Move.FINISH)
    with pytest.raises(IllegalTransition) as refused:
        seen.moved(Move.SEE_PROVIDER)
    assert refused.value.code == "flow.illegal_transition"


def test_the_day_has_its_lifecycle_status_at_every_stage() -> None:
    seen, statuses = [], Statuses()
    for move in (Move.ARRIVE, Move.CHECK_IN, Move.ROOM, Move.SEE_NURSE, Move.FINISH):
        statuses = statuses.moved(move)
        seen.append((statuses.lifecycle.value, statuses.flow.value))
    assert seen == [
        ("arrived", "arrived"),
        ("checked_in", "checked_in"),
        ("checked_in", "roomed"),
        ("in_progress", "with_nurse"),
        ("in_progress", "ready_for_checkout"),
    ]


def test_what_is_undone_goes_back_one_stage_and_only_from_there() -> None:
    in_the_house = Statuses().moved(Move.CHECK_IN)
    back = in_the_house.moved(Move.UNDO_CHECK_IN)
    assert (back.lifecycle, back.flow) == (Lifecycle.ARRIVED, Flow.ARRIVED)
    assert back.moved(Move.UNDO_ARRIVE) == Statuses()
    for statuses, move in (
        (in_the_house, Move.UNDO_ARRIVE),
        (in_the_house.moved(Move.ROOM), Move.UNDO_CHECK_IN),
        (in_the_house.moved(Move.SEE_NURSE), Move.UNDO_CHECK_IN),
        (Statuses(), Move.UNDO_ARRIVE),
    ):
        with pytest.raises(IllegalTransition):
            statuses.moved(move)


@pytest.mark.parametrize("move", REPLIES)
def test_lesson_reminders_never_write_into_the_appointment_status(move: Move) -> None:
    # openemr PR 11589: a reminder overwrote the status of the visit.
    for dimension, table in TABLES.items():
        known = {now for now, does in table if does is move}
        if dimension is Lifecycle:
            assert known == {Lifecycle.BOOKED}
            assert table[Lifecycle.BOOKED, move] is Lifecycle.BOOKED
        elif dimension is Confirmation:
            assert known
        else:
            assert not known


def test_lesson_outcomes_exclude_each_other() -> None:
    # UMCU-Digital-Health/No_Show 174: rows that were fulfilled and a no-show.
    assert {now for now, move in TABLES[Lifecycle] if move is Move.MARK_NO_SHOW} == {
        Lifecycle.BOOKED
    }
    pairs = reachable()
    assert {flow for lifecycle, flow in pairs if lifecycle is Lifecycle.NO_SHOW} == {Flow.EXPECTED}
    assert {flow for lifecycle, flow in pairs if lifecycle is Lifecycle.FULFILLED} == {
        Flow.CHECKED_OUT
    }
    assert (Lifecycle.CANCELLED, Flow.WITH_PROVIDER) not in pairs
    assert {flow for now, flow in pairs if now is Lifecycle.ENTERED_IN_ERROR} == set(Flow)
    assert len(pairs) == 11 + len(Flow)


def test_what_needs_a_reason_is_what_takes_something_back() -> None:
    assert {Move.UNDO_ARRIVE, Move.UNDO_CHECK_IN, Move.ENTER_IN_ERROR} == UNDOES


def test_asking_again_for_what_is_done_already_is_recognised() -> None:
    for move in (Move.CHECK_IN, Move.CANCEL, Move.MARK_NO_SHOW, Move.ENTER_IN_ERROR):
        assert Statuses().moved(move).already(move)
        assert not Statuses().already(move)
    done = Statuses().moved(Move.CHECK_IN).moved(Move.CHECK_OUT)
    assert done.already(Move.CHECK_OUT)
    assert not done.already(Move.CHECK_IN)
    roomed = Statuses().moved(Move.CHECK_IN).moved(Move.ROOM)
    assert roomed.already(Move.ROOM)
    assert not roomed.moved(Move.SEE_NURSE).already(Move.ROOM)
    assert not roomed.moved(Move.ENTER_IN_ERROR).already(Move.ROOM)
    assert not Statuses().already(Move.RESCHEDULE)
