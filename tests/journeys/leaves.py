"""Every member that a request may have, by the kind of what is in it, from the documents."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import orjson

from shared.values.ids import new_id
from shared.web.openapi import operations
from shared.web.service import app_of
from tests.journeys.house import House
from tests.journeys.walk import MULTIPART, Operation, every_operation

Schema = Mapping[str, Any]
CODES = ("pattern", "enum", "const")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One member of a body (`/name/family`), a query (`?limit`) or a path (`{patient_id}`)."""

    operation: Operation
    pointer: str
    schema: Schema

    def __str__(self) -> str:
        return f"{self.operation} {self.pointer}"

    @property
    def is_text(self) -> bool:
        """Whether a person writes it, in words of their own."""
        plain = self.schema.get("type") == "string" and "format" not in self.schema
        return plain and not any(name in self.schema for name in CODES)

    @property
    def is_string(self) -> bool:
        """Whether it is written as a string."""
        return self.schema.get("type") == "string" and self.schema.get("format") != "binary"

    @property
    def is_code(self) -> bool:
        """Whether it is one of a set, or of a shape."""
        return any(name in self.schema for name in CODES)

    def requested(
        self, value: Any, ids: Mapping[str, str], token: str, body: Any = None
    ) -> httpx.Request:
        """The request of its operation with this value in its place, and all else as it should be.

        body: instead of the operation's own example.
        """
        if self.pointer.startswith("{"):
            name = self.pointer[1:-1]
            return self.operation.request({**ids, name: value}, token)
        if self.pointer.startswith("?"):
            request = self.operation.request(ids, token)
            url = request.url.copy_set_param(self.pointer[1:], value)
            return httpx.Request(request.method, url, headers=request.headers)
        if self.operation.media == MULTIPART:
            return _with_field(self.operation.request(ids, token), self.pointer[1:], value)
        example = self.operation.example or {} if body is None else body
        operation = replace(self.operation, example=put(example, self.pointer, value))
        return operation.request(ids, token)


def _with_field(request: httpx.Request, name: str, value: Any) -> httpx.Request:
    fields = {"source": "scan", "document_class": "insurance_card", name: value}
    kept = [(k, v) for k, v in request.headers.multi_items() if not k.startswith("content-")]
    files = {"file": ("card.png", b"%PDF-1.4", "application/pdf")}
    return httpx.Request("POST", request.url, headers=kept, data=fields, files=files)


def put(body: Any, pointer: str, value: Any) -> Any:
    """A body with a value at a pointer; what is missing on the way there is made."""
    first, _, rest = pointer.removeprefix("/").partition("/")
    if first.isdecimal():
        items = list(body or [{}])
        return [put(items[0], rest, value) if rest else value, *items[1:]]
    members = dict(body or {})
    members[first] = put(members.get(first), rest, value) if rest else value
    return members


def every_leaf(house: House) -> list[Leaf]:
    """All members of all requests."""
    known = {(o.service, o.method, o.path): o for o in every_operation(house)}
    found = []
    for name, service in house.services.items():
        document = app_of(service, "api").openapi()
        schemas = document["components"]["schemas"]
        for method, path, operation in operations(document):
            at = known[name, method, path]
            found += [Leaf(at, pointer, schema) for pointer, schema in _of(operation, schemas)]
    return found


def _of(operation: Schema, schemas: Schema) -> Iterator[tuple[str, Schema]]:
    for parameter in operation.get("parameters", ()):
        written = {"query": "?{}", "path": "{{{}}}"}.get(parameter["in"])
        if written is not None:
            for _, schema in _walk(parameter["schema"], "", schemas):
                yield written.format(parameter["name"]), schema
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from _walk(content["schema"], "", schemas)


def _walk(schema: Schema, pointer: str, schemas: Schema) -> Iterator[tuple[str, Schema]]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        (schema,) = [one for one in schema["anyOf"] if one.get("type") != "null"]
        yield from _walk(schema, pointer, schemas)
    elif schema.get("type") == "object":
        for name, member in schema.get("properties", {}).items():
            yield from _walk(member, f"{pointer}/{name}", schemas)
        if isinstance(schema.get("additionalProperties"), dict):
            yield from _walk(schema["additionalProperties"], f"{pointer}/line1", schemas)
    elif schema.get("type") == "array":
        yield from _walk(schema["items"], f"{pointer}/0", schemas)
    else:
        yield pointer, schema


def raw_with(request: httpx.Request, mark: str, raw: bytes) -> httpx.Request:
    """The request with these bytes where its body has a mark."""
    assert request.content.count(mark.encode()) == 1
    return sending(request, request.content.replace(mark.encode(), raw))


def sending(request: httpx.Request, content: bytes) -> httpx.Request:
    """The request with another body."""
    headers = [(k, v) for k, v in request.headers.multi_items() if k != "content-length"]
    return httpx.Request(request.method, request.url, headers=headers, content=content)


def mark() -> str:
    """A text that is nowhere else, and that any name may be."""
    return f"Mark{new_id().hex[-10:]}"


def told_at(answer: httpx.Response) -> list[str]:
    """The members that a refusal is about."""
    problem = orjson.loads(answer.content)
    return [error["pointer"] for error in problem.get("errors") or []]
