"""Every edit of every event: what breaks a reader is refused with the reason, nothing else is."""

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import pytest

from ops.contracts.compatibility import IDENTITY, Rule, incompatible, incompatible_schemas
from ops.contracts.reader import Reader, reader_of
from ops.contracts.released import Contract, contract_of, refusals
from ops.contracts.shapes import FOR_PEOPLE, OF_ROOT, WORDS, NotUnderstood, shape_of, text_of
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import Event
from tests.contract.everything import EverythingHappened
from tests.contract.mutator import Edit, add, breaking, compatible, places
from tests.contract.values import values_of

MADE_UP = EverythingHappened.wire_type()
ALL: Mapping[str, type[Event]] = {**EVENTS, MADE_UP: EverythingHappened}

each_event = pytest.mark.parametrize("wire", sorted(ALL))


@lru_cache(maxsize=8)
def reader(schema: str) -> Reader:
    """The reader of a schema."""
    return reader_of(json.loads(schema))


@lru_cache(maxsize=8)
def said_by(schema: str) -> list[str]:
    """Values that fit a schema, as texts."""
    return list(dict.fromkeys(text_of(value) for value in values_of(shape_of(json.loads(schema)))))


def takes(reader: Reader, text: str) -> bool:
    """As `reads`, of a text."""
    try:
        reader.validate_json(text, strict=True)
    except ValueError:
        return False
    return True


def refuser(old: Contract, new: Contract) -> str | None:
    """A value that one release says and the other's reader refuses; None where none is found."""
    for says, hears in ((old, new), (new, old)):
        hearing = reader(text_of(hears["schema"]))
        for text in said_by(text_of(says["schema"])):
            if not takes(hearing, text):
                return text
    return None


@each_event
def test_the_readers_made_of_schemas_are_the_events_own(wire: str) -> None:
    """They take and refuse the same, and their schema is the same again."""
    contract = contract_of(ALL[wire])
    made, own = reader_of(contract["schema"]), Reader(ALL[wire])
    assert shape_of(made.json_schema()) == shape_of(contract["schema"])
    good = said_by(text_of(contract["schema"]))
    assert len(good) > 1
    assert all(takes(own, text) and takes(made, text) for text in good)
    shown = [edit.contract["schema"] for edit in breaking(contract) if edit.shown]
    others = {text for schema in shown for text in said_by(text_of(schema))} - set(good)
    judged = {text: takes(own, text) for text in others}
    assert [text for text in judged if takes(made, text) != judged[text]] == []
    assert list(judged.values()).count(False) > 20


@each_event
def test_every_breaking_edit_is_refused_with_the_reason(wire: str) -> None:
    """Whichever of the two was released first, where either's reader refuses a value."""
    contract = contract_of(ALL[wire])
    edits = list(breaking(contract))
    assert len(edits) > 60
    for edit in edits:
        found = incompatible(contract, edit.contract)
        assert (edit.path, edit.rule) in {(r.path, r.rule) for r in found}, (
            f"{edit}: wanted {edit.rule!r}, got {[str(r) for r in found]}"
        )
        assert refusals({wire: [contract]}, {wire: edit.contract}) != []
        if edit.shown:
            assert incompatible(edit.contract, contract) != [], str(edit)


@each_event
def test_a_breaking_edit_does_break_a_reader(wire: str) -> None:
    """There is a value that one release says and the other's reader refuses."""
    contract = contract_of(ALL[wire])
    shown = [edit for edit in breaking(contract) if edit.shown]
    assert len(shown) > 20
    assert [str(e) for e in shown if refuser(contract, e.contract) is None] == []


@each_event
def test_no_compatible_edit_is_refused_and_none_breaks_a_reader(wire: str) -> None:
    contract = contract_of(ALL[wire])
    edits = list(compatible(contract))
    assert len(edits) > 20
    for edit in edits:
        assert incompatible(contract, edit.contract) == [], str(edit)
        assert incompatible(edit.contract, contract) == [] or _adds(edit), str(edit)
        assert refusals({wire: [contract]}, {wire: edit.contract}) == []
        assert refuser(contract, edit.contract) is None, str(edit)


def _adds(edit: Edit) -> bool:
    """Whether the way back removes a member."""
    back = incompatible(edit.contract, contract_of(ALL[edit.contract["type"]]))
    return {reason.rule for reason in back} <= {Rule.REMOVED, Rule.NARROWER}


def test_every_rule_is_tried_and_all_but_one_on_real_events() -> None:
    """No real event has alternatives that a tag tells apart."""
    made_up = {edit.rule for edit in breaking(contract_of(EverythingHappened))}
    assert made_up == set(Rule)
    real = {edit.rule for event in EVENTS.values() for edit in breaking(contract_of(event))}
    assert set(Rule) - real == {Rule.TAG}


def test_the_made_up_event_has_a_place_of_every_kind() -> None:
    """A word of a schema that it lacks would be a rule that nobody tried."""
    schema = contract_of(EverythingHappened)["schema"]
    said = {word for place in places(schema) for word in place.node}
    known = {word for words in WORDS.values() for word in words}
    known |= {"type", "anyOf", "oneOf", "discriminator", "default", "const"}
    assert known - said == set()
    assert said - known <= FOR_PEOPLE | OF_ROOT


# ── releases one after another ───────────────────────────────────────────────────────────────────


def grown(contract: Contract, node: dict[str, Any]) -> Contract:
    """The contract with one more optional member."""
    found = deepcopy(contract)
    add(node, required=False)(found["schema"])
    return found


def test_a_change_is_judged_against_every_release_and_not_the_last_alone() -> None:
    """A name that was released once is taken, also where the newest release lacks it."""
    first = contract_of(EverythingHappened)
    second = grown(first, {"type": "boolean", "default": False})
    again = grown(first, {"type": "integer", "default": 0})
    assert refusals({MADE_UP: [first]}, {MADE_UP: again}) == []
    found = refusals({MADE_UP: [second, first]}, {MADE_UP: again})
    assert any("1: a_new_member was of type boolean and is of type integer" in f for f in found)
    assert not any("release 2" in text for text in found)


def test_what_was_released_does_not_vanish() -> None:
    contract = contract_of(EverythingHappened)
    assert refusals({MADE_UP: [contract]}, {}) == [
        f"{MADE_UP} was released and is gone: its records stay in the topics"
    ]


@pytest.mark.parametrize(
    "node",
    [
        {"type": "integer", "default": None},
        {"type": "string", "format": "uuid", "default": "none"},
        {"type": "string", "pattern": "^A$", "default": "B"},
        {"type": "boolean", "default": 0},
        {"type": "array", "items": {"type": "integer"}, "default": ["a"]},
    ],
    ids=["null", "uuid", "pattern", "number", "items"],
)
def test_a_default_that_no_reader_takes_is_refused(node: dict[str, Any]) -> None:
    """A producer writes it out."""
    contract = contract_of(EverythingHappened)
    found = refusals({MADE_UP: [contract]}, {MADE_UP: grown(contract, node)})
    assert [text.partition(": ")[2] for text in found] == [
        f"a_new_member has a default that is no value of it: {Rule.CANNOT_TELL.value}"
    ]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({}, "the type null"),
        ({"type": "object", "properties": {"x": {}}}, "the type null"),
        ({"type": "object", "properties": {"x": {"type": "array"}}}, "a list of anything"),
        ({"type": "object", "properties": {"x": True}}, "no object"),
        ({"type": "object", "properties": {}, "required": ["x"]}, "is required and no member"),
        ({"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}}, "the reference X"),
        (
            {
                "type": "object",
                "properties": {"x": {"$ref": "#/$defs/X"}},
                "$defs": {"X": {"type": "array", "items": {"$ref": "#/$defs/X"}}},
            },
            "a schema within itself",
        ),
        (
            {
                "type": "object",
                "properties": {"x": {"$ref": "#/$defs/X", "minLength": 1}},
                "$defs": {"X": {"type": "string"}},
            },
            "the word minLength beside a $ref",
        ),
    ],
    ids=["empty", "any", "list", "true", "stray", "dangling", "recursive", "beside"],
)
def test_what_is_not_understood_is_named_also_where_nothing_changed(
    schema: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotUnderstood, match=says.replace("$", r"\$")):
        shape_of(schema)
    reasons = incompatible_schemas(schema, schema)
    assert [reason.rule for reason in reasons] == [Rule.CANNOT_TELL]


def test_all_that_identifies_a_contract_is_compared() -> None:
    assert set(contract_of(EverythingHappened)) - {"schema"} == set(IDENTITY)


INSIDE = {"type": "object", "properties": {"y": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ({"type": "array", "items": INSIDE}, "x[].y"),
        ({"type": "object", "additionalProperties": INSIDE}, "x{}.y"),
        ({"type": "array", "prefixItems": [INSIDE], "minItems": 1, "maxItems": 1}, "x[0].y"),
        ({"anyOf": [INSIDE, {"type": "null"}]}, "x.y"),
        (INSIDE, "x.y"),
    ],
    ids=["list", "map", "tuple", "union", "object"],
)
def test_an_optional_member_has_a_default_wherever_it_is(node: dict[str, Any], path: str) -> None:
    schema = {"type": "object", "properties": {"x": node}, "required": ["x"]}
    reasons = incompatible_schemas(schema, schema)
    assert [(reason.path, reason.rule) for reason in reasons] == [(path, Rule.NO_DEFAULT)]
