"""Every edit of a contract that somebody might make, compatible and breaking, at every place."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ops.contracts.compatibility import IDENTITY, Rule
from ops.contracts.released import Contract
from ops.contracts.shapes import EXTENSIBLE, below

Node = dict[str, Any]
Change = Callable[[Node], Node | None]
"""Changes a node in place, or returns another for it."""

NEW = "a_new_member"
TYPES: dict[str, Node] = {
    "string": {"type": "string", "pattern": "^ZZ[0-9]{3}$"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "array": {"type": "array", "items": {"type": "boolean"}},
    "object": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
}
OPTIONAL: dict[str, Node] = {
    "a boolean": {"type": "boolean", "default": False},
    "a code or null": {
        "anyOf": [{"type": "string", "pattern": "^ZZ[0-9]{3}$"}, {"type": "null"}],
        "default": None,
    },
    "a list": {"type": "array", "items": {"type": "string", "format": "uuid"}, "default": []},
    "one of": {"type": "string", "enum": ["here", "there"], "default": "here"},
    "an object": {"anyOf": [TYPES["object"], {"type": "null"}], "default": None},
}
FOREIGN: dict[str, Any] = {
    "not": {"type": "null"},
    "if": {"type": "string"},
    "allOf": [{"type": "string"}],
    "contentEncoding": "base64",
    "dependentRequired": {},
    "unevaluatedProperties": False,
    "x-unit": "cents",
    "patternProperties": {},
}
FORMATS = ("uuid", "date", "date-time")
PATTERNS = ("^ZZ[0-9]{3}$", "^[0-9]{4}$")


@dataclass(frozen=True, slots=True)
class Edit:
    """An edited contract. `rule` is why it must be refused, None where it must not.

    shown: whether a value shows it, one that is said by one release and refused by the other;
    otherwise the same record is read as something else, or nobody can tell.
    """

    name: str
    contract: Contract
    path: str = ""
    rule: Rule | None = None
    shown: bool = True

    def __str__(self) -> str:
        return f"{self.path or 'the value'}: {self.name}"


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a schema. `role` is what it is to the one around it."""

    steps: tuple[str | int, ...]
    path: str
    node: Node
    role: str
    beside: tuple[str, ...] = ()

    def with_(self, contract: Contract, change: Change) -> Contract:
        """The contract with this node changed."""
        found = deepcopy(contract)
        around: Any = {"schema": found["schema"]}
        key: str | int = "schema"
        for step in self.steps:
            around, key = around[key], step
        changed = change(around[key])
        if changed is not None:
            around[key] = changed
        found["schema"] = found["schema"] if self.steps else (changed or found["schema"])
        return found


def places(schema: Node) -> Iterator[Place]:
    """Every node once, those behind references too, outermost first."""
    seen = set()
    for place in _places(schema, schema, (), "", "root", ()):
        if place.steps not in seen:
            seen.add(place.steps)
            yield place


def _places(
    schema: Node,
    node: Node,
    steps: tuple[str | int, ...],
    path: str,
    role: str,
    beside: tuple[str, ...],
) -> Iterator[Place]:
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        target = schema["$defs"][name]
        yield from _places(schema, target, ("$defs", name), path, role, beside)
        return
    yield Place(steps, path, node, role, beside)

    def inside(
        where: tuple[str | int, ...], inner: Node, below_path: str, role: str, *beside: str
    ) -> Iterator[Place]:
        return _places(schema, inner, (*steps, *where), below_path, role, beside)

    for name, inner in node.get("properties", {}).items():
        yield from inside(("properties", name), inner, below(path, name), "member")
    if isinstance(node.get("additionalProperties"), dict):
        inner = node["additionalProperties"]
        yield from inside(("additionalProperties",), inner, f"{path}{{}}", "inside")
    if "items" in node:
        yield from inside(("items",), node["items"], f"{path}[]", "inside")
    for index, inner in enumerate(node.get("prefixItems", ())):
        yield from inside(("prefixItems", index), inner, f"{path}[{index}]", "inside")
    for word, inner_role in (("anyOf", "alternative"), ("oneOf", "tagged")):
        kinds = [str(inner.get("type")) for inner in node.get(word, ())]
        for index, inner in enumerate(node.get(word, ())):
            yield from inside((word, index), inner, path, inner_role, *kinds)


def breaking(contract: Contract) -> Iterator[Edit]:
    """Every edit that breaks a reader of one release or the other."""
    for key in IDENTITY:
        found = deepcopy(contract)
        found[key] = 9 if key == "version" else f"{contract[key]}x"
        yield Edit(f"another {key}", found, key, Rule.IDENTITY, shown=False)
    found = deepcopy(contract)
    found["schema"]["$id"] += "x"
    yield Edit("another $id", found, "$id", Rule.IDENTITY, shown=False)
    for place in places(contract["schema"]):
        for edits in (_foreign, _kinds, _strings, _numbers, _lengths, _enums, _objects, _unions):
            for name, change, path, rule, shown in edits(place):
                yield Edit(name, place.with_(contract, change), path, rule, shown)


Breaks = Iterator[tuple[str, Change, str, Rule, bool]]


def put(**words: Any) -> Change:
    """Say words of a node; `None` unsays one."""

    def change(node: Node) -> None:
        for word, said in words.items():
            if said is None:
                node.pop(word, None)
            else:
                node[word] = said

    return change


def _foreign(place: Place) -> Breaks:
    for word, said in FOREIGN.items():
        yield f"says {word}", put(**{word: said}), place.path, Rule.CANNOT_TELL, False
    if place.node.get("type"):
        for said in (None, ["string", "null"], "file"):
            yield f"is of type {said}", put(type=said), place.path, Rule.CANNOT_TELL, False
    if place.role == "inside":
        around = re.sub(r"(\[\d*\]|\{\})$", "", place.path)
        yield "has a default", put(default=1), around, Rule.CANNOT_TELL, False


def is_tag(place: Place) -> bool:
    """Whether it tells alternatives apart."""
    return place.path.endswith(".tag")


def _kinds(place: Place) -> Breaks:
    kind = place.node.get("type")
    if kind in {None, "null"} or place.role in {"root", "tagged"}:
        return
    default = {"default": place.node["default"]} if "default" in place.node else {}
    # `null` beside it stays; where there are other alternatives this is no other type as a whole.
    alone = set(place.beside) <= {kind, "null"}
    for name, other in TYPES.items():
        if name == kind or name in place.beside or not alone:
            continue
        change = _replaced({**other, **default})
        if is_tag(place):
            yield f"becomes {name}", change, place.path[:-4], Rule.CANNOT_TELL, False
        else:
            yield f"becomes {name}", change, place.path, Rule.TYPE, True
    if place.role != "alternative":

        def nullable(node: Node) -> Node:
            inner = {word: said for word, said in node.items() if word != "default"}
            return {"anyOf": [inner, {"type": "null"}], **default}

        if is_tag(place):
            yield "may be null", nullable, place.path[:-4], Rule.CANNOT_TELL, False
        else:
            yield "may be null", nullable, place.path, Rule.NULLABLE, True


def _replaced(other: Node) -> Change:
    return lambda _: deepcopy(other)


def _strings(place: Place) -> Breaks:
    if place.node.get("type") != "string":
        return
    was = place.node.get("format")
    if not {"enum", "const", "pattern", EXTENSIBLE, "minLength", "maxLength"} & set(place.node):
        for other in (*FORMATS, None):
            if other != was:
                yield f"has the format {other}", put(format=other), place.path, Rule.FORMAT, True
    if not {"enum", "const", "format"} & set(place.node):
        for pattern in (*PATTERNS, None):
            if pattern != place.node.get("pattern"):
                change = put(pattern=pattern)
                yield f"has the pattern {pattern}", change, place.path, Rule.PATTERN, True
    listed = place.node.get(EXTENSIBLE)
    if listed is not None:
        fewer = put(**{EXTENSIBLE: listed[1:]})
        yield "an open list lacks a value", fewer, place.path, Rule.NARROWER, False
        gone = put(**{EXTENSIBLE: None})
        yield "is no open list", gone, place.path, Rule.CANNOT_TELL, False
    elif not {"enum", "const"} & set(place.node):
        made = put(**{EXTENSIBLE: ["A1"]})
        yield "becomes an open list", made, place.path, Rule.CANNOT_TELL, False


def _bounds(place: Place, word: str, lower: bool, first: int, least: int = -1000) -> Breaks:
    was = place.node.get(word)
    if was is None:
        yield f"has {word} {first}", put(**{word: first}), place.path, Rule.NARROWER, True
        return
    yield f"has no {word}", put(**{word: None}), place.path, Rule.WIDER, True
    up, down = put(**{word: was + 1}), put(**{word: was - 1})
    yield f"has a higher {word}", up, place.path, Rule.NARROWER if lower else Rule.WIDER, True
    if was - 1 >= least:
        rule = Rule.WIDER if lower else Rule.NARROWER
        yield f"has a lower {word}", down, place.path, rule, True


def _numbers(place: Place) -> Breaks:
    if place.node.get("type") not in {"integer", "number"} or "enum" in place.node:
        return
    for word, lower in (("minimum", True), ("maximum", False)):
        other = f"exclusive{word.capitalize()}"
        if other in place.node:
            yield from _bounds(place, other, lower, 2)
        else:
            yield from _bounds(place, word, lower, 2)
    was = place.node.get("multipleOf")
    if was is None:
        yield "is a multiple", put(multipleOf=7), place.path, Rule.NARROWER, True
    else:
        yield "is no multiple", put(multipleOf=None), place.path, Rule.WIDER, True
        yield "is another multiple", put(multipleOf=was + 2), place.path, Rule.NARROWER, True


def _lengths(place: Place) -> Breaks:
    node, kind = place.node, place.node.get("type")
    if kind == "string" and not {"enum", "const", "format"} & set(node):
        yield from _bounds(place, "minLength", True, 400, 1)
        yield from _bounds(place, "maxLength", False, 1, 1)
    if kind == "array" and "prefixItems" not in node:
        yield from _bounds(place, "minItems", True, 2, 1)
        yield from _bounds(place, "maxItems", False, 1, 1)
        unique = node.get("uniqueItems", False)
        rule = Rule.WIDER if unique else Rule.NARROWER
        yield "is a set, or none", put(uniqueItems=not unique), place.path, rule, False
    if kind == "array" and "prefixItems" in node:
        held = node["prefixItems"]
        for name, other in (
            ("shorter", held[:-1]),
            ("longer", [*held, {"type": "integer"}]),
        ):
            words = {"prefixItems": other, "minItems": len(other), "maxItems": len(other)}
            yield f"is a {name} tuple", put(**words), place.path, Rule.TYPE, True
        yield "is a tuple with more", put(maxItems=None), place.path, Rule.CANNOT_TELL, False


def _enums(place: Place) -> Breaks:
    node, path = place.node, place.path
    if is_tag(place):
        return  # what tells alternatives apart: see `_unions`
    values = [node["const"]] if "const" in node else node.get("enum")
    if values is None:
        if node.get("type") == "string" and not {"format", EXTENSIBLE} & set(node):
            yield "becomes an enum", put(enum=["ZZ123"], pattern=None), path, Rule.NARROWER, True
        return
    for gone in values:
        left = [value for value in values if value != gone] or [_another(values)]
        yield f"lacks {gone}", put(enum=left, const=None), path, Rule.NARROWER, True
    more = [*values, _another(values)]
    yield "has a new value", put(enum=more, const=None), path, Rule.WIDER, True
    yield "is no enum", put(enum=None, const=None), path, Rule.WIDER, True


def _another(values: list[Any]) -> Any:
    return "ZZ123" if isinstance(values[0], str) else max(values) + 1


def _objects(place: Place) -> Breaks:
    if place.node.get("type") != "object":
        return
    for name in place.node.get("properties", {}):
        if name != "tag":
            yield from _members(place, name)
    inside = below(place.path, NEW)
    if not isinstance(place.node.get("additionalProperties"), dict):
        yield "a new required member", add(TYPES["string"], True), inside, Rule.ADDED_REQUIRED, True
        bare = add(TYPES["boolean"], False)
        yield "a new member without a default", bare, inside, Rule.NO_DEFAULT, False
    was = place.node.get("additionalProperties")
    for said in (None, False, True, {"type": "integer"}):
        if said != was:
            change = put(additionalProperties=said)
            shown = said is None or said is False
            yield f"takes others: {said}", change, place.path, Rule.CLOSED, shown
    if was is False:
        for name, node in OPTIONAL.items():
            closed = f"{name} where it is closed"
            yield closed, add(node, False), inside, Rule.CLOSED, True


def add(node: Node, required: bool) -> Change:
    """Add a member to an object."""

    def change(around: Node) -> None:
        around.setdefault("properties", {})[NEW] = deepcopy(node)
        if required:
            around.setdefault("required", []).append(NEW)

    return change


def _members(place: Place, name: str) -> Breaks:
    path, node = below(place.path, name), place.node["properties"][name]
    needed = name in place.node.get("required", ())

    def gone(around: Node) -> None:
        del around["properties"][name]
        around["required"] = [n for n in around.get("required", ()) if n != name]

    def renamed(around: Node) -> None:
        around["properties"][f"{name}_x"] = around["properties"].pop(name)
        around["required"] = [f"{name}_x" if n == name else n for n in around.get("required", ())]

    def required(around: Node) -> None:
        around["properties"][name].pop("default", None)
        around.setdefault("required", []).append(name)

    def optional(around: Node) -> None:
        around["required"].remove(name)
        # Whatever the default: that there is one makes it optional.
        around["properties"][name]["default"] = "ZZ123"

    yield "is removed", gone, path, Rule.REMOVED, needed
    yield "is renamed", renamed, path, Rule.REMOVED, needed
    if needed:

        def both(around: Node) -> None:
            around["properties"][name]["default"] = "ZZ123"

        yield "becomes optional", optional, path, Rule.BECAME_OPTIONAL, True
        yield "has a default and is required", both, path, Rule.CANNOT_TELL, False
        return
    yield "becomes required", required, path, Rule.BECAME_REQUIRED, True

    def another(around: Node) -> None:
        around["properties"][name]["default"] = "ZZ999"

    def none(around: Node) -> None:
        around["properties"][name].pop("default")

    assert node.get("default", "") != "ZZ999"
    yield "has another default", another, path, Rule.DEFAULT, False
    yield "has no default", none, path, Rule.NO_DEFAULT, False


def _unions(place: Place) -> Breaks:
    node, path = place.node, place.path
    for index, inner in enumerate(node.get("anyOf", ())):
        rule = Rule.NOT_NULLABLE if inner.get("type") == "null" else Rule.NARROWER
        left = [other for n, other in enumerate(node["anyOf"]) if n != index]
        if [other.get("type") for other in left] == ["null"]:
            rule = Rule.TYPE
        yield f"cannot be alternative {index}", put(anyOf=left), path, rule, True
    if "anyOf" in node:
        kinds = {inner.get("type") for inner in node["anyOf"]}
        for name in TYPES.keys() - kinds - {"number", "integer", "object"}:
            more = [*node["anyOf"], TYPES[name]]
            yield f"may be {name}", put(anyOf=more), path, Rule.WIDER, True
        twice = [*node["anyOf"], {"type": "string", "const": "a"}, {"type": "string"}]
        yield "may be two of a type", put(anyOf=twice), path, Rule.CANNOT_TELL, False
    if "oneOf" in node:
        more = [*node["oneOf"], _tagged("third")]
        yield "has one more alternative", put(oneOf=more), path, Rule.WIDER, True
        yield "lacks an alternative", put(oneOf=node["oneOf"][1:]), path, Rule.NARROWER, True
        by = {"propertyName": "kind", "mapping": {}}
        yield "is told apart by nothing", put(discriminator=by), path, Rule.CANNOT_TELL, False
        others = [_tagged(kind, "kind") for kind in ("first", "second")]
        otherwise = put(oneOf=others, discriminator=by)
        yield "is told apart otherwise", otherwise, path, Rule.TAG, True
        yield "is not told apart", put(discriminator=None), path, Rule.CANNOT_TELL, False


def _tagged(value: str, tag: str = "tag") -> Node:
    return {
        "type": "object",
        "properties": {tag: {"type": "string", "const": value}},
        "required": [tag],
    }


# ── what may be changed ──────────────────────────────────────────────────────────────────────────


def compatible(contract: Contract) -> Iterator[Edit]:
    """Every edit that no reader notices."""
    found = deepcopy(contract)
    found["schema"]["$defs"] = {**found["schema"].get("$defs", {}), "Unused": {"type": "file"}}
    yield Edit("a definition that is not used", found)
    all_at_once = contract
    for place in places(contract["schema"]):
        for name, change in _harmless(place):
            yield Edit(name, place.with_(contract, change), place.path)
            if name == "a boolean" or name.startswith("says title"):
                all_at_once = place.with_(all_at_once, change)
    yield Edit("many at once", all_at_once)


def _harmless(place: Place) -> Iterator[tuple[str, Change]]:
    node, kind = place.node, place.node.get("type")
    for word, said in (
        ("title", "Another"),
        ("description", "Other words."),
        ("examples", []),
        ("deprecated", True),
        ("$comment", "words"),
    ):
        yield f"says {word}", put(**{word: said})
    yield "says nothing to people", put(title=None, description=None, examples=None)
    if kind == "object" and node.get("additionalProperties") is None:
        for name, member in OPTIONAL.items():
            yield name, add(member, False)
    for word in ("required", "enum", "anyOf", "oneOf"):
        if isinstance(node.get(word), list):
            yield f"{word} in another order", put(**{word: node[word][::-1]})
    if "properties" in node:
        backwards = dict(reversed(node["properties"].items()))
        yield "properties in another order", put(properties=backwards)
    if "const" in node:
        yield "an enum of one", put(const=None, enum=[node["const"]])
    elif len(node.get("enum", ())) == 1:
        yield "a constant", put(enum=None, const=node["enum"][0])
    if kind == "string" and "minLength" not in node:
        yield "any length", put(minLength=0)
    if kind == "array" and "minItems" not in node:
        yield "any number of items", put(minItems=0)
    if kind == "array" and "uniqueItems" not in node and "prefixItems" not in node:
        yield "no set", put(uniqueItems=False)
    if kind == "integer":
        yield from _same_bounds(node)
    if EXTENSIBLE in node:
        yield "an open list has more", put(**{EXTENSIBLE: [*node[EXTENSIBLE], "more"]})
    if "anyOf" in node:
        yield "an alternative twice", put(anyOf=[*node["anyOf"], node["anyOf"][0]])
    elif place.role == "member":
        yield "one alternative", _alone


def _same_bounds(node: Node) -> Iterator[tuple[str, Change]]:
    for word, other, step in (
        ("minimum", "exclusiveMinimum", -1),
        ("maximum", "exclusiveMaximum", 1),
    ):
        if word in node:
            yield f"{other} for {word}", put(**{word: None, other: node[word] + step})
        if other in node:
            yield f"{word} for {other}", put(**{other: None, word: node[other] - step})


def _alone(node: Node) -> Node:
    default = {"default": node["default"]} if "default" in node else {}
    inner = {word: said for word, said in node.items() if word != "default"}
    return {"anyOf": [inner], **default} if "type" in inner else node
