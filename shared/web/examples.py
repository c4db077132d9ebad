"""Examples for models that have none of their own: put together from those of their parts."""

from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "uuid": "0190a1b2-0000-7000-8000-000000000099",
    "date-time": "2026-11-30T16:00:00Z",
    "date": "2026-11-30",
    "time": "08:00:00",
    "binary": "",
}
_TYPES: dict[str, Any] = {"integer": 1, "number": 1, "boolean": False, "null": None}


def example_of(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """A value that fits a JSON Schema; an example that somebody wrote comes first."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components)
    for written in ("examples", "enum"):
        if schema.get(written):
            return schema[written][0]
    if "const" in schema:
        return schema["const"]
    if "default" in schema:
        return schema["default"]
    for option in ("anyOf", "allOf", "oneOf"):
        if schema.get(option):
            return example_of(schema[option][0], components)
    return _of_type(schema, components)


def _of_type(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        return {name: example_of(found, components) for name, found in members.items()}
    if kind == "array":
        return [example_of(schema["items"], components)] if "items" in schema else []
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "text")
    return _TYPES.get(str(kind))


def complete(components: dict[str, Any]) -> None:
    """Give every object among the schemas an example."""
    for schema in components.values():
        if schema.get("type") == "object" and not schema.get("examples"):
            schema["examples"] = [example_of(schema, components)]
