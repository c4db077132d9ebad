"""Every member of every request that a caller fills in, from the routes' own models.

A new route, or a new member of one, is here without anybody's doing.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from ops.generate import services
from shared.web.examples import example_of
from shared.web.routes import Route

Schema = Mapping[str, Any]
Place = Literal["body", "query", "upload"]
ITEM, MEMBER, KEY = "[]", "{}", "{key}"
"""Steps into a list, into the value of a map, and to the key of a map itself."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A member that holds one value. steps: the way to it; schema: what it may be."""

    service: str
    method: str
    path: str
    place: Place
    steps: tuple[str, ...]
    schema: Schema

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path} {self.place} {self.name}"

    @property
    def name(self) -> str:
        """The way to it, in one word, such as ``phones/[]/number``."""
        return "/".join(self.steps)

    @property
    def kind(self) -> str:
        """What it holds: its format (uuid, date, date-time, time), or closed, number, text."""
        if "enum" in self.schema or "const" in self.schema:
            return "closed"
        if self.schema.get("type") == "string":
            return str(self.schema.get("format", "text"))
        return {"integer": "number", "number": "number"}.get(str(self.schema.get("type")), "closed")

    @property
    def pointer(self) -> str:
        """The JSON Pointer of it where each list and map has one item."""
        known = {ITEM: "0"}
        parts = [known.get(step, step) for step in self.steps if step not in (MEMBER, KEY)]
        return "".join(f"/{part}" for part in parts)


@cache
def every_leaf() -> tuple[Leaf, ...]:
    """All there are, of all services."""
    found = []
    for name, service in services().items():
        for route in service.every_route:
            for place, model in _models(route):
                whole = model.model_json_schema(mode="validation")
                defs = whole.get("$defs", {})
                found += [
                    Leaf(name, route.method, route.path, place, steps, schema)
                    for steps, schema in _leaves(whole, defs, ())
                ]
    return tuple(_once(found))


def _once(leaves: list[Leaf]) -> list[Leaf]:
    """Each way once: what may be one thing or another is there as its first."""
    seen: dict[str, Leaf] = {}
    for leaf in leaves:
        seen.setdefault(str(leaf), leaf)
    return list(seen.values())


def _models(route: Route) -> Iterator[tuple[Place, type[BaseModel]]]:
    if route.upload is not None:
        yield "upload", route.upload
    elif route.given is not None:
        yield ("query" if route.method == "GET" else "body"), route.given


def _leaves(
    schema: Schema, defs: Schema, steps: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Schema]]:
    schema = resolved(schema, defs)
    for several in ("anyOf", "allOf", "oneOf"):
        for option in schema.get(several, ()):
            yield from _leaves(option, defs, steps)
        if several in schema:
            return
    match schema.get("type"):
        case "object":
            for name, member in schema.get("properties", {}).items():
                yield from _leaves(member, defs, (*steps, name))
            if isinstance(schema.get("additionalProperties"), dict):
                yield (*steps, KEY), {"type": "string"}
                yield from _leaves(schema["additionalProperties"], defs, (*steps, MEMBER))
        case "array":
            yield from _leaves(schema["items"], defs, (*steps, ITEM))
        case "null":
            return
        case _:
            yield steps, schema


def resolved(schema: Schema, defs: Schema) -> Schema:
    """A schema, or what it refers to."""
    while "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    return schema


def with_value(body: Any, leaf: Leaf, value: Any, *, empty: bool = False) -> Any:
    """A copy of a body that holds this value at the leaf; what is missing on the way is made, from
    examples, or empty.
    """
    found = copy.deepcopy(body) if isinstance(body, dict) else {}
    at: Any = found
    whole = _whole(leaf)
    defs = whole.get("$defs", {})
    schema: Schema = whole
    for place, step in enumerate(leaf.steps):
        schema = _below(schema, defs, step)
        last = place == len(leaf.steps) - 1
        if step == KEY:
            at.clear()
            at[value] = "text"
            return found
        name: Any = 0 if step == ITEM else "text" if step == MEMBER else step
        if step == ITEM and not at:
            at.append(None)
        if last:
            at[name] = value
        elif not isinstance(at[name] if step == ITEM else at.get(name), dict | list):
            made = example_of(schema, defs)
            if empty:
                made = [] if leaf.steps[place + 1] == ITEM else {}
            at[name] = copy.deepcopy(made) if isinstance(made, dict | list) else {}
        at = at[name]
    return found


@cache
def _models_of(leaf: tuple[str, str, str]) -> type[BaseModel]:
    service, method, path = leaf
    for route in services()[service].every_route:
        if (route.method, route.path) == (method, path):
            return next(model for _, model in _models(route))
    raise LookupError(path)


def _whole(leaf: Leaf) -> Schema:
    model = _models_of((leaf.service, leaf.method, leaf.path))
    return model.model_json_schema(mode="validation")


def _below(schema: Schema, defs: Schema, step: str) -> Schema:
    """The schema of a member: of the option that has it."""
    schema = resolved(schema, defs)
    options = [o for several in ("anyOf", "allOf", "oneOf") for o in schema.get(several, ())]
    for option in (schema, *(resolved(o, defs) for o in options)):
        if step == ITEM and "items" in option:
            found: Schema = resolved(option["items"], defs)
        elif step in (MEMBER, KEY) and isinstance(option.get("additionalProperties"), dict):
            found = option["additionalProperties"]
        elif step in option.get("properties", {}):
            found = option["properties"][step]
        else:
            continue
        return _first_whole(found, defs)
    raise LookupError(step)


def _first_whole(schema: Schema, defs: Schema) -> Schema:
    """A schema without its null."""
    schema = resolved(schema, defs)
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return resolved(option, defs)
    return schema
