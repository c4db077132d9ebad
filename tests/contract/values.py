"""Values that fit a shape: what a producer of a release may say, and the edges of it."""

import re
from collections.abc import Iterator
from typing import Any

from ops.contracts.shapes import Shape

FORMATS = {
    "uuid": ["0190a1b2-0000-7000-8000-000000000001"],
    "date": ["2026-11-30"],
    "date-time": ["2026-11-30T16:00:00Z", "2026-11-30T16:00:00.123456+05:30"],
}
STRINGS = [
    "A1", "USD", "America/Denver", "ZZ123", "2026", "A", "b", "", "free text, with blanks",
    "x" * 200, "x" * 500,
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 3, 7, 9, 10**6, -(10**6)]
FUTURE = "a_member_of_the_future"


def values_of(shape: Shape) -> list[Any]:
    """Values of a shape, each differing from the first in one place; empty where none is found."""
    if "union" in shape:
        return [value for inner in shape["union"] for value in values_of(inner)]
    if "enum" in shape:
        return list(shape["enum"])
    match shape["type"]:
        case "string":
            return _strings(shape)
        case "integer":
            return [n for n in NUMBERS + _edges(shape) if _fits(n, shape)]
        case "number":
            return [n for n in [*NUMBERS, 0.5, 2.5, *_edges(shape)] if _fits(n, shape)]
        case "boolean":
            return [True, False]
        case "array":
            return list(_arrays(shape))
        case "object":
            return list(_objects(shape))
    return [None]


def _strings(shape: Shape) -> list[str]:
    if "format" in shape:
        return FORMATS[shape["format"]]
    least, most = shape.get("minLength", 0), shape.get("maxLength", 10**6)
    pattern = re.compile(shape.get("pattern", ""))
    edges = ["y" * n for n in (least, most) if n <= 1000]
    return [t for t in STRINGS + edges if least <= len(t) <= most and pattern.search(t)]


def _edges(shape: Shape) -> list[Any]:
    words = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    found = [shape[word] for word in words if word in shape]
    return found + [n + step for n in found for step in (-1, 1)]


def _fits(number: Any, shape: Shape) -> bool:
    return bool(
        number >= shape.get("minimum", number)
        and number <= shape.get("maximum", number)
        and number > shape.get("exclusiveMinimum", number - 1)
        and number < shape.get("exclusiveMaximum", number + 1)
        and number % shape.get("multipleOf", 1 if shape["type"] == "integer" else 0.5) == 0
    )


def _arrays(shape: Shape) -> Iterator[list[Any]]:
    if "prefixItems" in shape:
        choices = [values_of(inner) for inner in shape["prefixItems"]]
        if all(choices):
            first = [found[0] for found in choices]
            yield first
            for index, found in enumerate(choices):
                for value in found[1:]:
                    yield [*first[:index], value, *first[index + 1 :]]
        return
    least, most = shape.get("minItems", 0), shape.get("maxItems", 120)
    inner = values_of(shape["items"])
    if not inner:
        if least == 0:
            yield []
        return
    lengths = {least, most, min(max(1, least), most)}
    for length in sorted(lengths):
        yield [inner[n % len(inner)] for n in range(length)]
    if most:
        for value in inner[1:]:
            yield [value] * max(1, least)


def _objects(shape: Shape) -> Iterator[dict[str, Any]]:
    choices = {name: values_of(inner) for name, inner in shape["properties"].items()}
    if any(not choices[name] for name in shape["required"]):
        return
    full = {name: found[0] for name, found in choices.items() if found}
    yield full
    yield {name: full[name] for name in shape["required"]}
    for name, found in choices.items():
        for value in found[1:]:
            yield {**full, name: value}
    more = shape.get("additionalProperties")
    if isinstance(more, dict):
        for value in values_of(more):
            yield {**full, FUTURE: value}
    elif more is not False:
        yield {**full, FUTURE: "A1"}
