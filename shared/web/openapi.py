"""The OpenAPI 3.1 document of a service, from its declared routes."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Union

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from shared.contracts.permissions import NETWORK_WIDE
from shared.web.examples import complete
from shared.web.minimum import Lesser
from shared.web.problems import MEDIA_TYPE
from shared.web.routes import Route

if TYPE_CHECKING:
    from shared.web.service import Service

JSON = "application/json"
_REF = "#/components/schemas/{model}"


class Problem(BaseModel):
    """A refusal (RFC 9457). `code` is stable; no member repeats what was sent.

    Where a rule of a service refused (403, 409, 422), `rule` is its id, `version` the version of it
    that decided (0: built in), and `facts` the numbers, codes and times for which it did.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    errors: list[dict[str, str]] | None = None
    rule: str | None = None
    version: int | None = None
    facts: dict[str, Any] | None = None


_MEANINGS = {
    400: "It could not be read.",
    401: "No valid bearer token.",
    403: "The role does not allow it.",
    404: "There is none that the caller may know of.",
    409: "Not now: the state forbids it.",
    412: "The version given is not the current one.",
    413: "Too large.",
    415: "A content type that is not taken.",
    422: "Unacceptable in itself.",
    428: "If-Match is missing.",
    429: "Busy; try again after Retry-After.",
    503: "Something that is needed is down.",
}


_WIDE = (
    " A token that is bound to clinics is refused (403 `clinics.limited`): the rows do not say"
    " their clinic."
)


def _statuses(route: Route) -> list[int]:
    found = {400, 401, 403, 422, 429, 503}
    if route.path_ids or _names_something(route.given) or _names_something(route.upload):
        found.add(404)
    # A file that is given out may be in a state in which it is not.
    if route.method != "GET" or route.media_type != JSON:
        found.add(409)
    if (route.given is not None and route.method != "GET") or route.upload is not None:
        found |= {413, 415}
    if route.versioned:
        found |= {412, 428}
    return sorted(found)


def _names_something(model: type[BaseModel] | None) -> bool:
    """Whether a body or query holds an id, of something that may not be there."""
    return model is not None and '"format": "uuid"' in json.dumps(model.model_json_schema())


def describe(route: Route, tag: str) -> dict[str, Any]:
    """What FastAPI is told of a route: id, summary, responses, headers and body."""
    doc = (route.function.__doc__ or "").strip()
    summary, _, rest = doc.partition("\n")
    refusals = f"\n\nRefusals of its own: {', '.join(route.refuses)}." if route.refuses else ""
    responses: dict[int | str, dict[str, Any]] = {
        status: {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
        for status in _statuses(route)
    }
    responses[route.status] = _success(route.reply, route.media_type)
    views = [lesser.reply for lesser in route.lesser if lesser.reply is not None]
    if views:
        responses[route.status]["model"] = Union[(route.reply, *views)]
    for status, model in route.also.items():
        responses[status] = _success(model, JSON)
    return {
        "operation_id": route.name,
        "summary": summary.rstrip("."),
        "description": (rest.strip() + refusals).strip()
        + f"\n\nNeeds the permission `{route.may.value}`"
        + (" and a fresh proof of who asks (RFC 9470)." if route.step_up else ".")
        + (_WIDE if route.may in NETWORK_WIDE else "")
        + "".join(_told_of(lesser) for lesser in route.lesser),
        "tags": [tag],
        "status_code": route.status,
        "responses": responses,
        "openapi_extra": _extra(route),
    }


def _told_of(lesser: Lesser) -> str:
    told = f" By `{lesser.may.value}` alone"
    if lesser.reply is None:
        return f"{told} some of them may be read."
    told += f" the reply is `{lesser.reply.__name__}`"
    if lesser.asks is not None:
        told += f", and it is asked by {', '.join(sorted(lesser.asks))} only"
    return f"{told}."


def _success(model: type[BaseModel] | None, media_type: str) -> dict[str, Any]:
    if model is None and media_type == JSON:
        return {"description": "Done."}
    if model is None:
        content = {"schema": {"type": "string", "format": "binary"}}
        return {"description": "The file.", "content": dict.fromkeys(media_type.split(), content)}
    return {"description": "Done.", "model": model}


def _extra(route: Route) -> dict[str, Any]:
    extra: dict[str, Any] = {"security": [{"bearer": []}]}
    headers = []
    if route.keyed:
        meaning = "One key a deed; a retry with it has no effect."
        headers.append(_header("Idempotency-Key", meaning, "^[!-~]{1,255}$"))
    if route.versioned:
        headers.append(_header("If-Match", "The ETag that was read.", '^"[0-9]{1,18}"$'))
    if headers:
        extra["parameters"] = headers
    if route.upload is not None:
        extra["requestBody"] = {"required": True, "content": _multipart(route.upload)}
    elif route.given is not None and route.method != "GET":
        media = "application/merge-patch+json" if route.method == "PATCH" else "application/json"
        schema = {"$ref": _REF.format(model=route.given.__name__)}
        content: dict[str, Any] = {"schema": schema}
        examples = route.given.model_config.get("json_schema_extra")
        if isinstance(examples, dict) and isinstance(examples.get("examples"), list):
            content["example"] = examples["examples"][0]  # type: ignore[index]
        extra["requestBody"] = {"required": True, "content": {media: content}}
    return extra


def _header(name: str, meaning: str, pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern}
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": meaning,
        "schema": schema,
    }


def _multipart(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    properties = {"file": {"type": "string", "format": "binary"}, **schema.get("properties", {})}
    required = ["file", *schema.get("required", [])]
    whole = {"type": "object", "properties": properties, "required": required}
    return {"multipart/form-data": {"schema": whole}}


def document(app: FastAPI, service: "Service") -> None:
    """Make `app.openapi()` answer FastAPI's document with the bodies, security and problems."""
    own = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        found = own()
        models: list[type[BaseModel]] = [
            model
            for route in service.every_route
            for model in (route.given, route.upload)
            if model is not None and route.method != "GET"
        ]
        models = [*dict.fromkeys(models), Problem]
        every: list[tuple[type[BaseModel], Literal["validation"]]] = [
            (model, "validation") for model in models
        ]
        _, schemas = models_json_schema(every, ref_template=_REF)
        components = found.setdefault("components", {})
        kept: dict[str, Any] = components.setdefault("schemas", {})
        for name, schema in schemas.get("$defs", {}).items():
            kept.setdefault(name, schema)
        for name in ("HTTPValidationError", "ValidationError"):
            kept.pop(name, None)
        complete(kept)
        components["schemas"] = dict(sorted(kept.items()))
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        app.openapi_schema = found
        return found

    setattr(app, "openapi", openapi)


def operations(openapi: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Every (method, path, operation) of a document."""
    return [
        (method.upper(), path, operation)
        for path, members in openapi["paths"].items()
        for method, operation in members.items()
    ]
