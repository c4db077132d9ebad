"""Declaring routes: what a route may need, take, give and refuse stands beside it.

A route is `async def verb(work, call) -> Reply`. It is declared with a permission or it does not
start; it never parses, begins, commits or writes its own audit row: the chassis does.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request

from shared.contracts.permissions import Permission
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import DomainError
from shared.web.calls import Call, Reply
from shared.web.minimum import Lesser

Function = Callable[[Work, Call[Any]], Awaitable[Reply]]
Locks = Callable[[Call[Any]], Sequence[LockKey]]
LocksRead = Callable[[Work, Call[Any]], Awaitable[Sequence[LockKey]]]
Enrich = Callable[[Work, Call[Any], DomainError], Awaitable[Mapping[str, Any]]]
Before = Callable[[Call[Any]], Awaitable[None]]
After = Callable[[Call[Any], Reply], Awaitable[Reply]]
F = TypeVar("F", bound=Function)

_PATH_ID = re.compile(r"\{(\w+)\}")
_PATH = re.compile(r"^/v1(/[a-z0-9-]+|/\{\w+_id\})+$")
UPLOAD_BYTES_MAX = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """The file of a multipart body; `fields` are its text fields, as the route's model.

    declared_type: the part's own Content-Type, empty without one.
    """

    content: bytes
    filename: str
    declared_type: str
    fields: Any


@dataclass(frozen=True, slots=True)
class Route:
    """A declared route. See `Routes` for what each member means."""

    method: str
    path: str
    function: Function
    may: Permission
    given: type[BaseModel] | None
    upload: type[BaseModel] | None
    reply: type[BaseModel] | None
    media_type: str
    status: int
    also: Mapping[int, type[BaseModel] | None]
    refuses: tuple[str, ...]
    keyed: bool
    versioned: bool
    locks: Locks | None
    locks_read: LocksRead | None
    enrich: Enrich | None
    limit_bytes: int
    before: Before | None = None
    after: After | None = None
    step_up: bool = False
    lesser: tuple[Lesser, ...] = ()

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """Any of these lets somebody in; the first shows them everything."""
        return (self.may, *(lesser.may for lesser in self.lesser))

    @property
    def name(self) -> str:
        """The operation id: the function's name."""
        return self.function.__name__

    @property
    def path_ids(self) -> list[str]:
        """The names of the ids in the path."""
        return _PATH_ID.findall(self.path)


@dataclass(slots=True)
class Routes:
    """The routes of one service."""

    tag: str
    declared: list[Route] = field(default_factory=list)

    def get(
        self,
        path: str,
        *,
        may: Permission,
        reply: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        media_type: str = "application/json",
        also: Mapping[int, type[BaseModel] | None] | None = None,
        refuses: Sequence[str] = (),
        after: After | None = None,
        lesser: Sequence[Lesser] = (),
    ) -> Callable[[F], F]:
        """A read. may: the permission it needs. query: the model of its query.

        lesser: permissions by which the minimum of it is read.
        after: finishes the reply once the transaction is over, for what is not in the database: it
        gets `call.carried` from the route. Whatever it raises is the answer.
        """
        return self._declare(
            "GET", path, may, query, None, reply, media_type, 200, also, refuses, False, False,
            None, None, None, 0, after=after, lesser=lesser,
        )  # fmt: skip

    def post(
        self,
        path: str,
        *,
        may: Permission,
        body: type[BaseModel] | None = None,
        upload: type[BaseModel] | None = None,
        reply: type[BaseModel] | None = None,
        status: int = 200,
        also: Mapping[int, type[BaseModel] | None] | None = None,
        refuses: Sequence[str] = (),
        keyed: bool = True,
        versioned: bool = False,
        locks: Locks | None = None,
        locks_read: LocksRead | None = None,
        enrich: Enrich | None = None,
        limit_bytes: int = UPLOAD_BYTES_MAX,
        before: Before | None = None,
        step_up: bool = False,
        lesser: Sequence[Lesser] = (),
    ) -> Callable[[F], F]:
        """A command. keyed: it needs an Idempotency-Key (False only for searches).

        versioned: it needs If-Match. locks: what it will change, from the call alone; locks_read:
        the same where a row must be read first. enrich: members to add to a conflict's problem,
        read after the transaction within 20 ms. upload: the model of a multipart body's fields.
        before: what must be done before the transaction begins (bytes put in their place); it
        leaves what it got in `call.carried`, for `locks` and the route. It must bear being done
        again: by a retry under the same key, and where the transaction is then refused.
        step_up: whoever does it must have proven a few minutes ago who they are.
        lesser: permissions by which the minimum of a search is answered; for no deed.
        """
        return self._declare(
            "POST", path, may, body, upload, reply, "application/json", status, also, refuses,
            keyed, versioned, locks, locks_read, enrich, limit_bytes, before=before,
            step_up=step_up, lesser=lesser,
        )  # fmt: skip

    def patch(
        self,
        path: str,
        *,
        may: Permission,
        body: type[BaseModel],
        reply: type[BaseModel],
        refuses: Sequence[str] = (),
        locks: Locks | None = None,
        locks_read: LocksRead | None = None,
    ) -> Callable[[F], F]:
        """A merge patch (RFC 7396) under If-Match."""
        return self._declare(
            "PATCH", path, may, body, None, reply, "application/json", 200, None, refuses, False,
            True, locks, locks_read, None, 0,
        )  # fmt: skip

    def put(
        self,
        path: str,
        *,
        may: Permission,
        body: type[BaseModel],
        reply: type[BaseModel],
        refuses: Sequence[str] = (),
        versioned: bool = False,
        locks: Locks | None = None,
    ) -> Callable[[F], F]:
        """A whole replacement, idempotent by itself."""
        return self._declare(
            "PUT", path, may, body, None, reply, "application/json", 200, None, refuses, False,
            versioned, locks, None, None, 0,
        )  # fmt: skip

    def _declare(
        self,
        method: str,
        path: str,
        may: Permission,
        given: type[BaseModel] | None,
        upload: type[BaseModel] | None,
        reply: type[BaseModel] | None,
        media_type: str,
        status: int,
        also: Mapping[int, type[BaseModel] | None] | None,
        refuses: Sequence[str],
        keyed: bool,
        versioned: bool,
        locks: Locks | None,
        locks_read: LocksRead | None,
        enrich: Enrich | None,
        limit_bytes: int,
        before: Before | None = None,
        after: After | None = None,
        step_up: bool = False,
        lesser: Sequence[Lesser] = (),
    ) -> Callable[[F], F]:
        if lesser and (keyed or also or method not in ("GET", "POST")):
            raise ValueError(f"{path}: only a read has a minimum")
        if not _PATH.match(path):
            raise ValueError(f"{path}: kebab-case below /v1, ids named ..._id")

        def keep(function: F) -> F:
            self.declared.append(
                Route(
                    method,
                    path,
                    function,
                    may,
                    given,
                    upload,
                    reply,
                    media_type,
                    status,
                    also or {},
                    tuple(refuses),
                    keyed,
                    versioned,
                    locks,
                    locks_read,
                    enrich,
                    limit_bytes,
                    before,
                    after,
                    step_up,
                    tuple(lesser),
                )  # fmt: skip
            )
            return function

        return keep


Endpoint = Callable[..., Awaitable[Any]]


def signed(route: Route, answer: Callable[[Request, Mapping[str, UUID], Any], Any]) -> Endpoint:
    """A FastAPI endpoint for a route, with the signature that its path and query ask for."""
    parameters = [
        inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=UUID)
            for name in route.path_ids
        ),
    ]
    if route.method == "GET" and route.given is not None:
        annotation: Any = Annotated.__class_getitem__((route.given, Query()))  # type: ignore[attr-defined]
        parameters.append(
            inspect.Parameter("query", inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        )

    async def endpoint(**arguments: Any) -> Any:
        request = arguments.pop("request")
        query = arguments.pop("query", None)
        return await answer(request, arguments, query)

    endpoint.__name__ = route.name
    endpoint.__doc__ = route.function.__doc__
    setattr(endpoint, "__signature__", inspect.Signature(parameters))
    return endpoint
