"""A JSON Schema, as pydantic writes it, brought into one form. Pure.

References are resolved, words that only people read are left out, and what says the same is
written the same: a constant is an enum of one, an integer above 0 is one from 1 on. What is not
understood is named, never passed over: two schemas can be compared only where every word of both
is known here.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Shape: TypeAlias = dict[str, Any]
"""A schema in that form. `required` is a sorted list; a `union` holds its alternatives."""

FOR_PEOPLE = {"title", "description", "examples", "deprecated", "$comment"}
OF_ROOT = {"$id", "$schema", "$defs"}
EXTENSIBLE = "x-extensible-enum"
_NUMBER = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum"}
WORDS: Mapping[str, set[str]] = {
    "string": {"format", "pattern", "minLength", "maxLength", "enum", EXTENSIBLE},
    "integer": _NUMBER,
    "number": _NUMBER,
    "boolean": {"enum"},
    "null": set(),
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"},
    "object": {"properties", "required", "additionalProperties"},
}
SAYS_NOTHING = {"minLength": 0, "minItems": 0, "uniqueItems": False}


class NotUnderstood(Exception):
    """A schema says something that cannot be compared. `where` is the path of the member."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where or 'the value'}: {what}")
        self.where, self.what = where, what


def shape_of(schema: Mapping[str, Any]) -> Shape:
    """The shape of a whole schema. Raises NotUnderstood."""
    return _Shaping(schema.get("$defs", {})).of({k: schema[k] for k in schema.keys() - OF_ROOT}, "")


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; `True` is not 1."""
    return text_of(one) == text_of(other)


def text_of(value: Any) -> str:
    """A JSON value as one text."""
    return json.dumps(value, sort_keys=True)


def members_of(shape: Shape, path: str = "") -> Iterator[tuple[str, Shape]]:
    """Every place in a shape with its path, outermost first."""
    yield path, shape
    for name, inner in shape.get("properties", {}).items():
        yield from members_of(inner, below(path, name))
    if isinstance(shape.get("additionalProperties"), dict):
        yield from members_of(shape["additionalProperties"], f"{path}{{}}")
    if "items" in shape:
        yield from members_of(shape["items"], f"{path}[]")
    for index, inner in enumerate(shape.get("prefixItems", ())):
        yield from members_of(inner, f"{path}[{index}]")
    for inner in shape.get("union", ()):
        yield from members_of(inner, path)


def below(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name


class _Shaping:
    """Brings a schema into form; `within` are the references being resolved."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions, self._within = definitions, list[str]()

    def of(self, schema: Any, path: str) -> Shape:
        if not isinstance(schema, dict):
            raise NotUnderstood(path, "a schema that is no object")
        schema = {word: said for word, said in schema.items() if word not in FOR_PEOPLE}
        if "$ref" in schema:
            return self._referred(schema, path)
        default = {"default": schema.pop("default")} if "default" in schema else {}
        if "anyOf" in schema or "oneOf" in schema:
            return {**self._union(schema, path), **default}
        kind = schema.pop("type", None)
        if not isinstance(kind, str) or kind not in WORDS:
            raise NotUnderstood(path, f"the type {json.dumps(kind)}")
        if "const" in schema:
            schema["enum"] = [schema.pop("const")]
        unknown = sorted(schema.keys() - WORDS[kind])
        if unknown:
            raise NotUnderstood(path, f"the word {unknown[0]}")
        told = {w: s for w, s in schema.items() if w not in SAYS_NOTHING or s != SAYS_NOTHING[w]}
        return {"type": kind, **self._inside(kind, told, path), **default}

    def _referred(self, schema: Shape, path: str) -> Shape:
        name = str(schema.pop("$ref")).removeprefix("#/$defs/")
        if schema.keys() - {"default"}:
            raise NotUnderstood(path, f"the word {min(schema.keys() - {'default'})} beside a $ref")
        if name in self._within:
            raise NotUnderstood(path, "a schema within itself")
        if name not in self._definitions:
            raise NotUnderstood(path, f"the reference {name}")
        self._within.append(name)
        try:
            return {**self.of(self._definitions[name], path), **schema}
        finally:
            self._within.pop()

    def _inside(self, kind: str, told: Shape, path: str) -> Shape:
        if kind == "integer":
            return _whole(told)
        if kind == "array":
            return self._array(told, path)
        if kind == "object":
            return self._object(told, path)
        return told

    def _array(self, told: Shape, path: str) -> Shape:
        if "prefixItems" in told:
            # A tuple. Pydantic fixes its length; one of any length is not compared.
            places = told.pop("prefixItems")
            if told != {"minItems": len(places), "maxItems": len(places)}:
                raise NotUnderstood(path, "a tuple of no fixed length")
            return {"prefixItems": [self.of(s, f"{path}[{i}]") for i, s in enumerate(places)]}
        if "items" not in told:
            raise NotUnderstood(path, "a list of anything")
        return {**told, "items": self.of(told["items"], f"{path}[]")}

    def _object(self, told: Shape, path: str) -> Shape:
        inner = {n: self.of(s, below(path, n)) for n, s in told.get("properties", {}).items()}
        found: Shape = {"properties": inner, "required": sorted(told.get("required", ()))}
        stray = set(found["required"]) - inner.keys()
        if stray:
            raise NotUnderstood(path, f"{min(stray)}, which is required and no member")
        more = told.get("additionalProperties")
        if isinstance(more, dict):
            found["additionalProperties"] = self.of(more, f"{path}{{}}")
        elif more is not None:
            found["additionalProperties"] = more
        return found

    def _union(self, schema: Shape, path: str) -> Shape:
        word = "anyOf" if "anyOf" in schema else "oneOf"
        unknown = sorted(schema.keys() - {word, "discriminator"})
        if unknown or (word == "oneOf") != ("discriminator" in schema):
            raise NotUnderstood(path, f"the word {unknown[0] if unknown else word}")
        if word == "oneOf":
            tag = schema["discriminator"]["propertyName"]
            found = [self.of(s, path) for s in schema[word]]
            if any("enum" not in f.get("properties", {}).get(tag, {}) for f in found):
                raise NotUnderstood(path, f"an alternative without a constant {tag}")
            return {"union": found, "by": tag}
        # What may be one of several may itself be one of several.
        nested = [self.of(s, path) for s in schema[word]]
        flat = [f for found in nested for f in (found["union"] if _open(found) else [found])]
        once = {text_of(found): found for found in flat}
        kinds = [found.get("type") for found in once.values()]
        if None in kinds or len(set(kinds)) < len(kinds) or {"integer", "number"} <= set(kinds):
            raise NotUnderstood(path, "alternatives of one type without a discriminator")
        by_kind = sorted(once.values(), key=lambda found: str(found["type"]))
        return by_kind[0] if len(by_kind) == 1 else {"union": by_kind}


def _open(shape: Shape) -> bool:
    return "union" in shape and not {"by", "default"} & set(shape)


def _whole(told: Shape) -> Shape:
    """The bounds of an integer, both inclusive."""
    found = dict(told)
    for strict, inclusive, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        if strict in found:
            bound = found.pop(strict) + step
            both = (bound, found.get(inclusive, bound))
            found[inclusive] = max(both) if step == 1 else min(both)
    return found
