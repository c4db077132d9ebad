"""Whether two releases of a contract understand each other, in both directions. Pure.

A reader of the old release must read what is said by the new one, and a reader of the new one what
was said by the old, for topics are kept for ever and services are not deployed together. So all
that may change is what no reader looks at, and optional members may be added: whoever does not
know one reads past it, and whoever misses it reads its default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ops.contracts.shapes import (
    EXTENSIBLE,
    NotUnderstood,
    Shape,
    below,
    members_of,
    same,
    shape_of,
    text_of,
)

IDENTITY = ("type", "producer", "name", "version", "aggregate", "subject_field", "topic")
"""What a contract says besides the schema of the value."""


class Rule(StrEnum):
    """Why two releases do not understand each other."""

    IDENTITY = "who says it, of what and where, is part of the contract"
    REMOVED = "a reader of the old release misses it"
    ADDED_REQUIRED = "what was said before lacks it"
    NO_DEFAULT = "nothing says what is read where it is missing"
    BECAME_REQUIRED = "what was said before may lack it"
    BECAME_OPTIONAL = "a reader of the old release needs it"
    DEFAULT = "both releases would read one record differently"
    TYPE = "neither release reads the other's values"
    NULLABLE = "a reader of the old release does not expect null"
    NOT_NULLABLE = "what was said before may be null"
    FORMAT = "its format is another"
    PATTERN = "its pattern is another"
    NARROWER = "what was said before may not fit"
    WIDER = "a reader of the old release refuses what may be said now"
    CLOSED = "it does not stay open for members to come"
    TAG = "alternatives are told apart by something else"
    CANNOT_TELL = "cannot tell whether this is compatible"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to refuse a change. `path` is the member, empty for the value as a whole."""

    path: str
    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.path or 'the value'} {self.what}: {self.rule.value}"


def incompatible(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Reason]:
    """Why a contract may not become another one; nothing where it may.

    Both as `ops.contracts.released.contract_of` writes them.
    """
    found = [
        Reason(key, Rule.IDENTITY, f"was {old.get(key)} and is {new.get(key)}")
        for key in IDENTITY
        if not same(old.get(key), new.get(key))
    ]
    return found + incompatible_schemas(old["schema"], new["schema"])


def incompatible_schemas(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Reason]:
    """The same of two JSON Schemas of a value."""
    found = unreleasable(old) + unreleasable(new)
    if found:
        return list(dict.fromkeys(found))
    if old.get("$id") != new.get("$id"):
        found.append(Reason("$id", Rule.IDENTITY, f"was {old.get('$id')} and is {new.get('$id')}"))
    return found + list(_compared(shape_of(old), shape_of(new), ""))


def unreleasable(schema: Mapping[str, Any]) -> list[Reason]:
    """Why a schema cannot be released at all: it could never be compared, or never grow."""
    try:
        shape = shape_of(schema)
    except NotUnderstood as error:
        return [Reason(error.where, Rule.CANNOT_TELL, f"says {error.what}")]
    if shape.get("type") != "object":
        return [Reason("", Rule.CANNOT_TELL, "is not an object")]
    if "additionalProperties" in shape:
        return [Reason("", Rule.CLOSED, "says what members to come look like")]
    return [reason for path, place in members_of(shape) for reason in _odd_defaults(place, path)]


def _odd_defaults(place: Shape, path: str) -> Iterator[Reason]:
    """A member has a default just where it is optional, and nothing else has one."""
    for name, inner in place.get("properties", {}).items():
        here = below(path, name)
        if name not in place["required"] and "default" not in inner:
            yield Reason(here, Rule.NO_DEFAULT, "is optional and has no default")
        if name in place["required"] and "default" in inner:
            yield Reason(here, Rule.CANNOT_TELL, "is required and has a default")
    inside = [place.get("items"), place.get("additionalProperties")]
    inside += [*place.get("prefixItems", ()), *place.get("union", ())]
    if any(isinstance(inner, dict) and "default" in inner for inner in inside):
        yield Reason(path, Rule.CANNOT_TELL, "has a default inside, where no member is")


def _compared(old: Shape, new: Shape, path: str) -> Iterator[Reason]:
    yield from _defaults(old, new, path)
    if "union" in old or "union" in new:
        yield from _unions(old, new, path)
    elif old["type"] != new["type"]:
        yield Reason(path, Rule.TYPE, f"was of type {old['type']} and is of type {new['type']}")
    else:
        yield from _words(old, new, path)
        yield from _objects(old, new, path)
        yield from _arrays(old, new, path)


def _defaults(old: Shape, new: Shape, path: str) -> Iterator[Reason]:
    # That a default came or went is told by `required`, see `_odd_defaults`.
    if "default" in old and "default" in new and not same(old["default"], new["default"]):
        was, now = text_of(old["default"]), text_of(new["default"])
        yield Reason(path, Rule.DEFAULT, f"was {was} where missing and is {now}")


_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def _words(old: Shape, new: Shape, path: str) -> Iterator[Reason]:
    for word, rule in (("format", Rule.FORMAT), ("pattern", Rule.PATTERN)):
        if old.get(word) != new.get(word):
            yield Reason(path, rule, f"had the {word} {old.get(word)} and has {new.get(word)}")
    for word in (*_LOWER, *_UPPER):
        was, now = old.get(word), new.get(word)
        if was != now:
            # Without a bound it is as wide as can be.
            wider = now is None or (was is not None and (now < was) == (word in _LOWER))
            rule = Rule.WIDER if wider else Rule.NARROWER
            yield Reason(path, rule, f"had {word} {was} and has {now}")
    for word in ("multipleOf", "uniqueItems"):
        was, now = old.get(word), new.get(word)
        if was != now:
            if was is not None:
                yield Reason(path, Rule.WIDER, f"had {word} {was} and has {now}")
            if now is not None:
                yield Reason(path, Rule.NARROWER, f"had {word} {was} and has {now}")
    yield from _values(old.get("enum"), new.get("enum"), path)
    # A list that is declared open: readers expect values that are not in it.
    was_open, is_open = old.get(EXTENSIBLE), new.get(EXTENSIBLE)
    if (was_open is None) != (is_open is None):
        yield Reason(path, Rule.CANNOT_TELL, "became, or is no more, an open list of values")
    elif was_open is not None and is_open is not None:
        gone = _texts(was_open) - _texts(is_open)
        if gone:
            yield Reason(path, Rule.NARROWER, f"no longer has the value {min(gone)}")


def _values(was: list[Any] | None, now: list[Any] | None, path: str) -> Iterator[Reason]:
    if was is None and now is None:
        return
    if was is None:
        yield Reason(path, Rule.NARROWER, "had any value and has a list of values")
    elif now is None:
        yield Reason(path, Rule.WIDER, "had a list of values and has any")
    else:
        for gone in sorted(_texts(was) - _texts(now)):
            yield Reason(path, Rule.NARROWER, f"no longer has the value {gone}")
        for added in sorted(_texts(now) - _texts(was)):
            yield Reason(path, Rule.WIDER, f"has a new value {added}")


def _texts(values: list[Any]) -> set[str]:
    return {text_of(value) for value in values}


def _objects(old: Shape, new: Shape, path: str) -> Iterator[Reason]:
    if old["type"] != "object":
        return
    was, now = old["properties"], new["properties"]
    closed = old.get("additionalProperties")
    for name in sorted(was.keys() - now.keys()):
        yield Reason(below(path, name), Rule.REMOVED, "is gone")
    for name in sorted(now.keys() - was.keys()):
        yield from _added(name, new, closed, below(path, name))
    for name in sorted(was.keys() & now.keys()):
        here = below(path, name)
        if name in set(new["required"]) - set(old["required"]):
            yield Reason(here, Rule.BECAME_REQUIRED, "was optional and is required")
        if name in set(old["required"]) - set(new["required"]):
            yield Reason(here, Rule.BECAME_OPTIONAL, "was required and is optional")
        yield from _compared(was[name], now[name], here)
    more = new.get("additionalProperties")
    if isinstance(closed, dict) and isinstance(more, dict):
        yield from _compared(closed, more, f"{path}{{}}")
    elif not same(closed, more):
        yield Reason(path, Rule.CLOSED, "took other members in another way than now")


def _added(name: str, new: Shape, closed: Any, path: str) -> Iterator[Reason]:
    if name in new["required"]:
        yield Reason(path, Rule.ADDED_REQUIRED, "is new and required")
    if closed is not None:
        yield Reason(path, Rule.CLOSED, "is new where no member may be added")


def _arrays(old: Shape, new: Shape, path: str) -> Iterator[Reason]:
    if old["type"] != "array":
        return
    if "items" in old and "items" in new:
        yield from _compared(old["items"], new["items"], f"{path}[]")
        return
    was, now = old.get("prefixItems"), new.get("prefixItems")
    if was is None or now is None or len(was) != len(now):
        yield Reason(path, Rule.TYPE, "was a list or tuple of another length")
        return
    for index, (one, other) in enumerate(zip(was, now, strict=True)):
        yield from _compared(one, other, f"{path}[{index}]")


def _unions(old: Shape, new: Shape, path: str) -> Iterator[Reason]:
    if old.get("by") != new.get("by"):
        yield Reason(path, Rule.TAG, f"was told apart by {old.get('by')}, is by {new.get('by')}")
        return
    was, now = _alternatives(old), _alternatives(new)
    if "by" not in old and not (was.keys() & now.keys()) - {"null"}:
        yield Reason(path, Rule.TYPE, f"was {' or '.join(was)} and is {' or '.join(now)}")
        return
    for key in sorted(was.keys() - now.keys()):
        rule = Rule.NOT_NULLABLE if key == "null" else Rule.NARROWER
        yield Reason(path, rule, f"can no longer be {key}")
    for key in sorted(now.keys() - was.keys()):
        rule = Rule.NULLABLE if key == "null" else Rule.WIDER
        yield Reason(path, rule, f"can now be {key}")
    for key in sorted(was.keys() & now.keys()):
        yield from _compared(was[key], now[key], path)


def _alternatives(shape: Shape) -> dict[str, Shape]:
    """What a value can be: by the tag's values, or by type."""
    if "by" in shape:
        tags = [(s["properties"][shape["by"]]["enum"], s) for s in shape["union"]]
        return {",".join(sorted(_texts(values))): s for values, s in tags}
    plain = {word: said for word, said in shape.items() if word != "default"}
    return {s["type"]: s for s in shape.get("union", [plain])}
