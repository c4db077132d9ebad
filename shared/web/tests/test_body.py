"""Strict JSON at the door."""

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from shared.values.errors import DomainError, Invalid, InvalidFields, Malformed
from shared.web.body import DEPTH_MAX, fingerprint, parsed, validated
from shared.web.card_numbers import LOOKED_THROUGH_BYTES
from shared.web.fields import STRICT, Cents, Line


class Sample(BaseModel):
    model_config = ConfigDict(**STRICT)

    cents: Cents
    name: Line | None = None
    flag: bool = False
    tags: Annotated[list[str], Field(max_length=3)] = []


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"cents": 1, "cents": 2}', "body.duplicate_key"),
        (b'{"cents": 1e400}', "number.not_finite"),
        (b'{"cents": NaN}', "number.not_finite"),
        (b'{"cents": -Infinity}', "number.not_finite"),
        (b'{"name": "a\x00b", "cents": 1}', "text.nul"),
        (b'{"name": "a\\u0000b", "cents": 1}', "text.nul"),
        (b'{"name": "\\ud800", "cents": 1}', "text.surrogate"),
        (b'{"\\udfff": 1, "cents": 1}', "text.surrogate"),
        (b'{"name": "\xff", "cents": 1}', "body.encoding"),
        (b'\xef\xbb\xbf{"cents": 1}', "body.encoding"),
        (b'{"cents": 1', "body.not_json"),
        (b"", "body.not_json"),
        (b'{"cents": ' + b"9" * 5000 + b"}", "body.not_json"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "body.too_deep"),
        (b"[" * 100_000, "body.too_deep"),
    ],
)
def test_what_readers_disagree_about_is_malformed(raw: bytes, code: str) -> None:
    with pytest.raises(Malformed) as refused:
        parsed(raw)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (b'{"cents": "5"}', "/cents", "int_type"),
        (b'{"cents": true}', "/cents", "int_type"),
        (b'{"cents": 1.5}', "/cents", "int_type"),
        (b'{"cents": -1}', "/cents", "greater_than_equal"),
        (b'{"cents": 9007199254740993}', "/cents", "less_than_equal"),
        (b'{"cents": 99999999999999999999}', "/cents", "less_than_equal"),
        (b"{}", "/cents", "missing"),
        (b'{"cents": 1, "network_id": 2}', "", "extra_forbidden"),
        (b'{"cents": 1, "flag": 1}', "/flag", "bool_type"),
        ('{"cents": 1, "name": "a\u202eb"}'.encode(), "/name", "text.encoding"),
        (b'{"cents": 1, "name": "  "}', "/name", "text.blank"),
        (b'{"cents": 1, "name": null, "tags": ["a","b","c","d"]}', "/tags", "too_long"),
    ],
)
def test_what_is_unacceptable_is_named_by_pointer(raw: bytes, pointer: str, code: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        validated(raw, Sample)
    assert refused.value.errors == [(pointer, code)]


def test_a_refusal_never_repeats_a_value() -> None:
    for raw in (b'{"cents": "canary-7391"}', b'{"canary-7391": 1, "cents": canary-7391}'):
        with pytest.raises(DomainError) as refused:
            validated(raw, Sample)
        text = f"{refused.value} {refused.value.title} {refused.value.facts}"
        assert "canary-7391" not in text


def test_brackets_in_text_are_not_depth() -> None:
    raw = b'{"cents": 1, "name": "' + b"[{" * 60 + b'"}'
    assert validated(raw, Sample).name == "[{" * 60


def test_composed_and_decomposed_letters_are_kept_alike() -> None:
    raw = '{"cents": 1, "name": "Zoe\u0301"}'.encode()
    assert validated(raw, Sample).name == "Zo\u00e9"


def test_the_order_of_members_makes_no_other_request() -> None:
    one: Any = fingerprint(b'{"a": 1, "b": {"c": 2, "d": 3}}')
    assert one == fingerprint(b'{"b": {"d": 3, "c": 2}, "a": 1}')
    assert one != fingerprint(b'{"b": {"d": 3, "c": 2}, "a": 2}')


CARD = "4111 1111-1111\u200b1111"
"""A number of a card that a processor publishes for tests."""


class Numbered(BaseModel):
    model_config = ConfigDict(**STRICT)

    note: str = ""
    member_id: str = ""
    tags: list[str] = []
    address: dict[str, str] = {}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"note": f"paid with {CARD}."}, "/note"),
        ({"tags": ["a", CARD]}, "/tags/1"),
        ({"address": {"line": CARD}}, "/address"),
        ({"address": {"member_of": CARD}}, "/address"),
        ({"address": {CARD: "line"}}, "/address"),
        ({"stranger": {"to": [CARD]}}, ""),
        ({CARD: 1}, ""),
        ({"note": 1, "tags": [CARD]}, "/tags/0"),
        ({"member_id": [CARD]}, "/member_id/0"),
    ],
)
def test_a_card_number_is_refused_wherever_it_stands(body: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        validated(json.dumps(body).encode(), Numbered)
    assert (caught.value.code, caught.value.pointer) == ("card_number.not_accepted", pointer)
    assert "1111" not in f"{caught.value} {caught.value.title} {caught.value.facts}"


def test_a_member_that_is_a_number_may_look_like_one() -> None:
    body = {"member_id": "4111111111111111", "note": "4111111111111112"}
    assert validated(json.dumps(body).encode(), Numbered).member_id == body["member_id"]


def test_what_is_refused_for_its_size_is_not_looked_through() -> None:
    body = {"stranger": "4 " * LOOKED_THROUGH_BYTES, "note": CARD}
    with pytest.raises(InvalidFields):
        validated(json.dumps(body).encode(), Numbered)
