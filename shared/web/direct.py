"""Requests go straight to a route's answer where its path says all there is to resolve.

FastAPI looks for dependencies, opens two exit stacks and validates each parameter for itself; for
ids in a path it would find the same. It still describes the routes, and answers what is malformed.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any
from uuid import UUID

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from shared.db.failpoints import armed, hit
from shared.web.routes import Route

Answer = Callable[[Request, Mapping[str, UUID], Any], Awaitable[Response]]
Known = Callable[[Request], Awaitable[bool]]
REPLY_BEGUN = "reply.begun"
"""The failpoint between the head of a reply and its body."""
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def direct(route: Route, answer: Answer, known: Known, verbs: Set[str]) -> type[APIRoute]:
    """FastAPI's class of a route that hands requests to `answer`, but those with a query.

    known: whether a request is of somebody. FastAPI reads query and path first, and would tell a
    stranger what is wrong with them.
    verbs: paths of others that have a word where this one may have an id (`/v1/patients/search`):
    with a method that they do not take they are no malformed id.
    """
    has_query = route.method == "GET" and route.given is not None

    class Direct(APIRoute):
        """See the module. asked: the model of its query; None where it has none."""

        asked = route.given if has_query else None

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            """Answer; what is malformed, and other methods, as FastAPI does."""
            request = Request(scope, receive)
            texts: Mapping[str, str] = scope["path_params"]
            ids = {name: UUID(text) for name, text in texts.items() if _ID.fullmatch(text)}
            if len(ids) != len(texts) and scope["path"] in verbs:
                raise HTTPException(405)
            readable = len(ids) == len(texts) and not has_query
            if scope["method"] == route.method and (readable or not await known(request)):
                response = await answer(request, ids, None)
                await response(scope, receive, _in_halves(send) if armed(REPLY_BEGUN) else send)
            else:
                await super().handle(scope, receive, send)

    return Direct


def _in_halves(send: Send) -> Send:
    async def begun(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.start":
            await asyncio.sleep(0)  # what was sent leaves with the end of the loop's turn
            await hit(REPLY_BEGUN)

    return begun
