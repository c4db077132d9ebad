"""The payer simulator's routes. See the package for what they do."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ops.payer_simulator.answer import NotA270, answer_to, read_request
from ops.payer_simulator.behaviour import BadBehaviour, Behaviour, by_member_id
from shared.web.headers import head
from shared.x12 import BYTES_MAX, Unsendable, X12Error

CONTENT_TYPE = "application/edi-x12"
DRIP_SECONDS = 1.0
_NOBODY_THERE = 499  # written to a connection that is gone
_PAGE = "<!DOCTYPE html><html><title>Maintenance</title><h1>We are back soon</h1></html>"


class _Cut(Response):
    """Promises more bytes than it sends; the server then breaks the connection."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        length = str(len(self.body) * 2).encode()
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})


class PayerSimulator:
    """The routes, over what was set and what was asked. Everything is in memory."""

    def __init__(self, latency_ms: int = 0) -> None:
        self._latency_ms = latency_ms
        self._set: dict[str, Behaviour] = {}
        self._asked: Counter[str] = Counter()

    def app(self) -> Starlette:
        """The ASGI application."""
        made = Starlette(
            routes=[
                Route("/x12", self.x12, methods=["POST"]),
                Route("/behaviour/{member_id}", self.behaviour, methods=["GET", "PUT", "DELETE"]),
                Route("/livez", self.ready),
                Route("/readyz", self.ready),
            ]
        )
        head(made)
        return made

    def of(self, member_id: str) -> Behaviour:
        """How a member is answered."""
        return self._set.get(member_id) or by_member_id(member_id)

    async def ready(self, _: Request) -> Response:
        """It is ready as soon as it listens."""
        return JSONResponse({"status": "ready"})

    async def behaviour(self, request: Request) -> Response:
        """Read, set or forget how a member is answered."""
        member_id = request.path_params["member_id"]
        if request.method == "PUT":
            try:
                self._set[member_id] = Behaviour.read(json.loads(await _body(request)))
            except (BadBehaviour, ValueError) as error:
                place = str(error) if isinstance(error, BadBehaviour) else "behaviour"
                return JSONResponse({"code": "behaviour.invalid", "at": place}, 422)
        if request.method == "DELETE":
            self._set.pop(member_id, None)
        found = self.of(member_id)
        told = {"kind": found.kind, "code": found.code, "asked": self._asked[member_id]}
        return JSONResponse(told)

    async def x12(self, request: Request) -> Response:
        """Answer a 270."""
        try:
            asked = read_request(await _body(request))
            behaviour = self.of(asked.member_id)
            answer = answer_to(asked, behaviour)
        except X12Error as error:
            return PlainTextResponse(error.code, 400)
        except (NotA270, Unsendable):
            return PlainTextResponse("not_a_270", 400)
        self._asked[asked.member_id] += 1
        latency_ms = self._latency_ms if behaviour.latency_ms is None else behaviour.latency_ms
        if latency_ms and await _hung_up(request, within_seconds=latency_ms / 1000):
            return Response(status_code=_NOBODY_THERE)
        return await self._send(request, behaviour.kind, answer)

    async def _send(self, request: Request, kind: str, answer: bytes) -> Response:
        match kind:
            case "silent":
                await _hung_up(request, within_seconds=None)
                return Response(status_code=_NOBODY_THERE)
            case "html":
                return Response(_PAGE, media_type="text/html")
            case "error":
                return PlainTextResponse("error", 500)
            case "redirect":
                return RedirectResponse("/elsewhere", 307)
            case "drip":
                return StreamingResponse(_drip(answer), media_type=CONTENT_TYPE)
            case "cut":
                return _Cut(answer)
            case _:
                return Response(answer, media_type=CONTENT_TYPE)


async def _body(request: Request) -> bytes:
    """The request's body; what is over the limit is left for `parse` to refuse, unread."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BYTES_MAX:
            break
    return bytes(received)


async def _hung_up(request: Request, *, within_seconds: float | None) -> bool:
    """Wait until the asker hangs up, or so long; whether they did."""
    try:
        async with asyncio.timeout(within_seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _drip(answer: bytes) -> AsyncIterator[bytes]:
    for byte in answer:
        yield bytes((byte,))
        await asyncio.sleep(DRIP_SECONDS)
