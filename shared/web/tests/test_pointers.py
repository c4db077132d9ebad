"""Pointers name what the documents name, and end where somebody's own words begin."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.web.pointers import invalid_fields, names_of, pointer


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    line: Annotated[str, Field(max_length=3)]
    more: "Part | None" = None


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    parts: list[Part] = []
    notes: dict[str, int] = {}
    size: int | None = None


def told(body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(body)
    return invalid_fields(caught.value, Whole).errors


def test_the_names_are_those_of_the_model_and_of_all_below_it() -> None:
    assert names_of(Whole) == {"parts", "notes", "size", "line", "more"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"Ferrán": 1}, [("", "extra_forbidden")]),
        ({"parts": [{"line": "a", "Ferrán": 1}]}, [("/parts/0", "extra_forbidden")]),
        ({"parts": [{"line": "abcd"}]}, [("/parts/0/line", "string_too_long")]),
        ({"parts": [{"line": "a", "more": {"line": 1}}]}, [("/parts/0/more/line", "string_type")]),
        ({"notes": {"Ferrán": "x"}}, [("/notes", "int_type")]),
        ({"notes": {"size": "x"}}, [("/notes/size", "int_type")]),
        ({"a": 1, "b": 1, "c": {"d": 1}}, [("", "extra_forbidden")]),
        ({"parts": {"Ferrán": 1}}, [("/parts", "list_type")]),
    ],
)
def test_a_pointer_ends_where_a_name_is_not_known(
    body: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    assert told(body) == found


def test_names_are_escaped_as_json_pointers_are() -> None:
    assert pointer(("a/b", 0, "~"), frozenset({"a/b", "~"})) == "/a~1b/0/~0"
