"""Errors say what kind of refusal they are, and repeat nothing."""

from shared.values import errors
from shared.values.errors import (
    Conflict,
    DomainError,
    IllegalTransition,
    Invalid,
    InvalidFields,
    NotFound,
)


def _leaves() -> list[type[DomainError]]:
    found = [getattr(errors, name) for name in dir(errors)]
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, DomainError)]
    return [kind for kind in kinds if kind is not DomainError]


def test_every_kind_of_refusal_has_a_kind_of_its_own() -> None:
    direct = [kind for kind in _leaves() if DomainError in kind.__bases__]
    assert len(direct) == 11
    assert len({kind.kind for kind in direct}) == 11


def test_a_special_case_keeps_the_kind_of_its_parent() -> None:
    assert IllegalTransition("flow", "a", "b", []).kind == Conflict.kind
    assert InvalidFields([]).kind == Invalid.kind


def test_the_text_of_an_error_is_its_code_alone() -> None:
    error = Invalid("name.missing", "A title.", pointer="/name", facts={"id": "x"})
    assert (str(error), error.pointer, error.facts) == ("name.missing", "/name", {"id": "x"})


def test_facts_are_a_copy() -> None:
    given = {"resource": "room"}
    error = Conflict("slot.taken", "Taken.", facts=given)
    given["resource"] = "provider"
    assert error.facts == {"resource": "room"}


def test_not_found_says_nothing_of_what_is_missing_unless_told() -> None:
    assert NotFound().code == "not_found"
    assert NotFound("room.not_found", "No room.").code == "room.not_found"


def test_an_illegal_transition_lists_what_is_allowed_in_order() -> None:
    error = IllegalTransition("lifecycle", "booked", "fly", ["confirm", "cancel"])
    assert error.code == "lifecycle.illegal_transition"
    assert error.facts == {"status": "booked", "move": "fly", "allowed": ["cancel", "confirm"]}


def test_several_faults_are_kept_in_their_order() -> None:
    error = InvalidFields([("/b", "x"), ("/a", "y")])
    assert error.code == "request.invalid"
    assert error.errors == [("/b", "x"), ("/a", "y")]
