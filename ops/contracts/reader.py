"""A reader of a release of which only the schema is left: what pydantic refused then, it refuses.

It is strict as readers of the bus are, and reads past members that it does not know.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    create_model,
)

from ops.contracts.shapes import EXTENSIBLE, NotUnderstood, Shape, shape_of, text_of

Reader = TypeAdapter[Any]

_FORMATS: Mapping[str, Any] = {"uuid": UUID, "date-time": AwareDatetime, "date": date}
_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_PLAIN: Mapping[str, Any] = {"boolean": bool, "null": None}
_EXTRA: Mapping[Any, Literal["ignore", "allow", "forbid"]] = {
    None: "ignore",
    True: "allow",
    False: "forbid",
}


def reader_of(schema: Mapping[str, Any]) -> Reader:
    """A reader of the values of a schema. Raises NotUnderstood."""
    return TypeAdapter(type_of(shape_of(schema)))


def reads(reader: Reader, value: Any) -> bool:
    """Whether a reader takes a JSON value."""
    try:
        reader.validate_json(text_of(value), strict=True)
    except ValueError:
        return False
    return True


def type_of(shape: Shape) -> Any:
    """The type of a shape. Raises NotUnderstood."""
    if "union" in shape:
        return _union(shape)
    if "enum" in shape:
        return Literal[tuple(shape["enum"])]
    match shape["type"]:
        case "string":
            return _string(shape)
        case "integer" | "number" as kind:
            number = {"integer": int, "number": float}[kind]
            bounds: dict[str, Any] = {_BOUNDS[w]: shape[w] for w in _BOUNDS if w in shape}
            return Annotated[number, Field(**bounds)]
        case "array":
            return _array(shape)
        case "object":
            return _object(shape)
        case kind:
            return _PLAIN[kind]


def _union(shape: Shape) -> Any:
    found: Any = type_of(shape["union"][0])
    for inner in shape["union"][1:]:
        found = found | type_of(inner)
    return Annotated[found, Field(discriminator=shape["by"])] if "by" in shape else found


def _string(shape: Shape) -> Any:
    rules = {"pattern": "pattern", "minLength": "min_length", "maxLength": "max_length"}
    told: dict[str, Any] = {rules[word]: shape[word] for word in rules if word in shape}
    if "format" not in shape:
        extra = {EXTENSIBLE: shape[EXTENSIBLE]} if EXTENSIBLE in shape else None
        return Annotated[str, StringConstraints(**told), Field(json_schema_extra=extra)]
    if shape["format"] not in _FORMATS or told:
        raise NotUnderstood("", f"the format {shape['format']}")
    return _FORMATS[shape["format"]]


def _array(shape: Shape) -> Any:
    if "prefixItems" in shape:
        return tuple[tuple(type_of(s) for s in shape["prefixItems"])]  # type: ignore[misc]
    kind: Any = set if shape.get("uniqueItems") else list
    least, most = shape.get("minItems"), shape.get("maxItems")
    return Annotated[kind[type_of(shape["items"])], Field(min_length=least, max_length=most)]


def _object(shape: Shape) -> Any:
    more = shape.get("additionalProperties")
    if isinstance(more, dict):
        if shape["properties"]:
            raise NotUnderstood("", "members beside members of any name")
        return dict[str, type_of(more)]  # type: ignore[misc]
    members: dict[str, Any] = {
        _attribute(name, n): (type_of(s), Field(_default(name, shape), alias=name))
        for n, (name, s) in enumerate(shape["properties"].items())
    }
    made: type[BaseModel] = create_model(
        "Read", __config__=ConfigDict(extra=_EXTRA[more], protected_namespaces=()), **members
    )
    return made


def _default(name: str, shape: Shape) -> Any:
    return shape["properties"][name].get("default", ... if name in shape["required"] else None)


def _attribute(name: str, number: int) -> str:
    """A member may be called as no attribute of a model can."""
    free = name.isidentifier() and not name.startswith("_") and not hasattr(BaseModel, name)
    return name if free else f"member_{number}"
