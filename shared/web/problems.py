"""Problem documents (RFC 9457). The only place that knows both an error's kind and its status."""

from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from shared.values.errors import Busy, DomainError, Invalid, InvalidFields
from shared.web.pointers import as_fields
from shared.web.query import require_no_card_number_in_refused

log = structlog.get_logger(__name__)

STATUS_OF_KIND = {
    "malformed": 400,
    "proof_wanted": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "stale": 412,
    "too_large": 413,
    "unsupported": 415,
    "invalid": 422,
    "version_missing": 428,
    "busy": 429,
    "unavailable": 503,
}
RETRY_AFTER = {429: "1", 503: "2"}
MEDIA_TYPE = "application/problem+json"


def problem_members(error: DomainError, status: int) -> dict[str, Any]:
    """The members of an error's problem document. Nothing in it repeats what was sent."""
    members: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": status,
        "code": error.code,
    }
    if isinstance(error, InvalidFields):
        members["errors"] = [{"pointer": p, "code": code} for p, code in error.errors]
    elif error.pointer is not None:
        members["errors"] = [{"pointer": error.pointer, "code": error.code}]
    for name, value in error.facts.items():
        members.setdefault(name, value)
    return members


def problem(
    error: DomainError,
    extra: dict[str, Any] | None = None,
    more_headers: dict[str, str] | None = None,
) -> Response:
    """The response for a refusal."""
    status = STATUS_OF_KIND[error.kind]
    members = {**problem_members(error, status), **(extra or {})}
    headers = dict(more_headers or {})
    if status in RETRY_AFTER:
        headers["Retry-After"] = RETRY_AFTER[status]
    if status == 409 and error.code == "idempotency.in_progress":
        headers["Retry-After"] = "1"
    if isinstance(error, Busy) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return Response(
        orjson.dumps(members, default=str), status, headers=headers, media_type=MEDIA_TYPE
    )


def plain_problem(status: int, code: str, title: str, headers: dict[str, str]) -> Response:
    """The response for what no rule raised: 401, 404 of the router, 405, 500."""
    members = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    return Response(orjson.dumps(members), status, headers=headers, media_type=MEDIA_TYPE)


_TITLES = {
    404: ("not_found", "There is no such thing."),
    405: ("method.not_allowed", "This address does not take this method."),
    413: ("body.too_large", "The body is too large."),
}


def install_handlers(app: FastAPI, known: frozenset[str] = frozenset()) -> None:
    """Answer what FastAPI and Starlette refuse by themselves, and what nobody caught, as problems.

    FastAPI's own 422 repeats the input; this one gives pointers and codes. known: the names that
    the paths and queries of the app have.
    """

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code, title = _TITLES.get(error.status_code, ("request.refused", "It was refused."))
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods(app, request.scope)))
        return plain_problem(error.status_code, code, title, headers)

    async def on_validation(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        asked = getattr(request.scope.get("route"), "asked", None)
        try:
            if asked is not None:
                require_no_card_number_in_refused(request, asked)
        except Invalid as refused:
            return problem(refused)
        return problem(as_fields(error.errors(), known))

    async def on_domain(_request: Request, error: Exception) -> Response:
        if not isinstance(error, DomainError):
            raise error
        return problem(error)

    async def on_anything(request: Request, error: Exception) -> Response:
        log.error("request.failed", route=_route(request), exc_info=error)
        return plain_problem(500, "server.error", "Something went wrong here.", {})

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(DomainError, on_domain)
    app.add_exception_handler(Exception, on_anything)


def _route(request: Request) -> str:
    """The declared path of a request; a path as it was sent may hold anything."""
    return str(getattr(request.scope.get("route"), "path", "none"))


def _methods(app: FastAPI, scope: Scope) -> set[str]:
    """The methods that an address takes: each is a route of its own, and knows no other."""
    matching = [route for route in app.routes if route.matches(scope)[0] is not Match.NONE]
    # A word goes before an id that could stand in its place.
    named = [route for route in matching if getattr(route, "path", None) == scope["path"]]
    return {m for route in named or matching for m in getattr(route, "methods", None) or ()}
