"""Requests go straight to a route's answer where its path says all there is to resolve.

FastAPI looks for dependencies, opens two exit stacks and validates each parameter for itself; for
ids in a path it would find the same. It still describes the routes, and answers what is malformed.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.web.routes import Route

Answer = Callable[[Request, Mapping[str, UUID], Any], Awaitable[Response]]
Known = Callable[[Request], Awaitable[bool]]
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def direct(route: Route, answer: Answer, known: Known) -> type[APIRoute]:
    """FastAPI's class of a route that hands requests to `answer`, but those with a query.

    known: whether a request is of somebody. FastAPI reads query and path first, and would tell a
    stranger what is wrong with them.
    """
    has_query = route.method == "GET" and route.given is not None

    class Direct(APIRoute):
        """See the module."""

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            """Answer; what is malformed, and other methods, as FastAPI does."""
            request = Request(scope, receive)
            texts: Mapping[str, str] = scope["path_params"]
            ids = {name: UUID(text) for name, text in texts.items() if _ID.fullmatch(text)}
            readable = len(ids) == len(texts) and not has_query
            if scope["method"] == route.method and (readable or not await known(request)):
                response = await answer(request, ids, None)
                await response(scope, receive, send)
            else:
                await super().handle(scope, receive, send)

    return Direct
