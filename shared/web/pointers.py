"""Pointers into a request that name only what its documents name.

The name of a member that nobody knows is input like any value: somebody who pastes a patient's name
into the wrong place of a form sends it as a name. What is known is told as it stands; at what is
not known the pointer ends, and so names the object that holds it.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.values.errors import InvalidFields

ERRORS_MAX = 50


@cache
def names_of(model: type[BaseModel]) -> frozenset[str]:
    """The names of all members of a model and of those below it."""
    return frozenset(_names(model.model_json_schema()))


def _names(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        members = schema.get("properties")
        if isinstance(members, dict):
            yield from members
        for below in schema.values():
            yield from _names(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _names(below)


def shown(location: Sequence[int | str], known: frozenset[str]) -> list[int | str]:
    """A location up to the first name that is not known."""
    found: list[int | str] = []
    for part in location:
        if not isinstance(part, int) and part not in known:
            break
        found.append(part)
    return found


def pointer(location: Sequence[int | str], known: frozenset[str]) -> str:
    """A JSON Pointer (RFC 6901) to a location, or to what holds it."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in shown(location, known))
    return "".join(f"/{part}" for part in parts)


def invalid_fields(error: ValidationError, model: type[BaseModel]) -> InvalidFields:
    """Pointers and codes of a model's errors, without the values and unknown names."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return as_fields(found, names_of(model))


def as_fields(errors: Sequence[Any], known: frozenset[str]) -> InvalidFields:
    """The same of pydantic's list of errors."""
    found = ((pointer(item["loc"], known), _code(item)) for item in errors[:ERRORS_MAX])
    return InvalidFields(list(dict.fromkeys(found)))


def _code(item: Any) -> str:
    # Our own checks of text put their code where pydantic has a message.
    return str(item["msg"]) if item["type"] == "text" else str(item["type"])
