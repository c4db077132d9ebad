"""The monitor's ASGI application: the routes, and what every answer says to a browser."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops.following import Wanted
from ops.monitor.feed import LAST_MAX, Feed
from ops.monitor.gate import Refused, admitted, may_see, token_of
from ops.monitor.standing import Standing
from ops.monitor.stream import BEAT_SECONDS, EventStream, Wish
from ops.monitor.values import event_with_value
from ops.trace import traces
from shared.bus.port import Bus
from shared.contracts.catalogue import EVENTS, PRODUCERS, all_topics
from shared.contracts.envelope import Envelope
from shared.contracts.permissions import Permission
from shared.web.guards import CLINICS_LIMITED
from shared.web.headers import head
from shared.web.tokens import BadToken, Principal, watched

LOOPBACK = ("127.0.0.1", "::1", "localhost")
STREAMS_MAX = 50
FILTERS = ("type", "clinic", "subject", "correlation", "service", "last")

_PAGE = Path(__file__).with_name("page.html")
_AGGREGATES = frozenset(event.aggregate for event in EVENTS.values())


class Site:
    """The routes over one feed. `urls`: the CLINICBUS_ variables; `apis`: the services' URLs."""

    def __init__(
        self,
        open_bus: Callable[[], Bus],
        urls: Mapping[str, str],
        apis: Mapping[str, str],
        issuer: str,
        http: httpx.AsyncClient,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self.feed = Feed(open_bus, all_topics())
        self._urls, self._apis, self._http, self._beat = urls, apis, http, beat_seconds
        self._verifier, self._watch = watched(issuer, http)
        self._standing = Standing(self.feed.past, urls, apis, http)
        self._streams = 0

    def app(self) -> Starlette:
        """The ASGI application."""

        @asynccontextmanager
        async def living(_: Starlette) -> AsyncIterator[None]:
            watching = asyncio.create_task(self._watch.run())
            yield
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self.feed.close()
            await self._http.aclose()

        page = _PAGE.read_bytes()
        policy = policy_of(page.decode())

        async def front(_: Request) -> Response:
            headers = {"Content-Security-Policy": policy}
            return Response(page, headers=headers, media_type="text/html")

        made = Starlette(
            routes=[
                Route("/", front),
                Route("/events", self.events),
                Route("/events/{topic}/{partition:int}/{offset:int}", self.value),
                Route("/subjects/{kind}/{key:uuid}", self.subject),
                Route("/state", self.state),
            ],
            exception_handlers={Refused: _refused},
            lifespan=living,
        )
        head(made)
        return made

    async def events(self, request: Request) -> Response:
        """The stream."""
        principal = await self._caller(request, Permission.EVENTS_READ)
        wish = wish_of(request, principal)
        if self._streams >= STREAMS_MAX:
            raise Refused(503, "streams.many", "Too many streams are open.")
        token = token_of(request)

        async def still_admitted() -> bool:
            try:
                found = await self._verifier.verify(token)
            except BadToken:
                return False
            known = self._verifier.published.known
            return known and Permission.EVENTS_READ in found.permissions

        return _Counted(self, EventStream(self.feed, wish, still_admitted, self._beat))

    async def value(self, request: Request) -> Response:
        """One event with its value."""
        principal = await self._caller(request, Permission.EVENT_VALUES_READ)
        at = request.path_params
        place = (at["topic"], at["partition"], at["offset"])
        return _json(await event_with_value(self.feed, self._urls, principal, place))

    async def subject(self, request: Request) -> Response:
        """One subject's timeline, asked of every service with the caller's own token."""
        principal = await self._caller(request, Permission.TRACE_READ)
        if principal.actor.clinic_ids is not None:
            # Services tell a timeline of the network as a whole.
            raise Refused(403, "clinics.limited", CLINICS_LIMITED)
        kind, key = request.path_params["kind"], request.path_params["key"]
        if kind not in _AGGREGATES:
            raise Refused(404, "subject.unknown", "There is no such kind of subject.")
        entries, away = await traces(self._http, self._apis, token_of(request), key)
        return _json({"subject": f"{kind}/{key}", "entries": entries, "away": away})

    async def state(self, request: Request) -> Response:
        """How every service stands with the bus."""
        await self._caller(request, Permission.EVENTS_READ)
        return _json(await self._standing.read())

    async def _caller(self, request: Request, may: Permission) -> Principal:
        # A page of elsewhere may have bound its own name to this address.
        if request.url.hostname not in LOOPBACK:
            raise Refused(403, "host.denied", "Only under the name of this machine itself.")
        return await admitted(request, self._verifier, may)


class _Counted(Response):
    """A stream that is counted while it runs."""

    def __init__(self, site: Site, stream: EventStream) -> None:
        super().__init__()
        self._site, self._stream = site, stream

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._site._streams += 1
        try:
            await self._stream(scope, receive, send)
        finally:
            self._site._streams -= 1


def policy_of(page: str) -> str:
    """The policy of the page: its own script and style by their hashes, and nothing else."""
    hashes = {}
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = hashlib.sha256(text.encode()).digest()
        hashes[tag] = base64.b64encode(digest).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}';"
        f" style-src 'sha256-{hashes['style']}'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )


def wish_of(request: Request, principal: Principal) -> Wish:
    """What the query and `Last-Event-ID` ask for. Raises Refused."""
    given = request.query_params
    if any(name not in FILTERS for name in given) or len(given.multi_items()) != len(given):
        raise Refused(422, "filter.unknown", f"Filters are {', '.join(FILTERS)}, each once.")
    try:
        ids = {
            name: UUID(given[name]) if given.get(name) else None
            for name in ("clinic", "correlation")
        }
        last = int(given.get("last") or "0")
    except ValueError:
        raise Refused(422, "filter.invalid", "clinic and correlation are ids.") from None
    if not 0 <= last <= LAST_MAX or given.get("service", "") not in ("", *PRODUCERS):
        raise Refused(422, "filter.invalid", f"last is up to {LAST_MAX}; service is a service.")
    wanted = Wanted(type=given.get("type") or None, subject=given.get("subject") or None, **ids)
    source = f"/clinicbus/{given['service']}" if given.get("service") else None

    def fits(event: Envelope) -> bool:
        return (
            may_see(principal, event)
            and wanted.fits(event)
            and (source is None or event.source == source)
        )

    return Wish(fits, request.headers.get("last-event-id") or None, last)


def _json(members: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(members), media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        return JSONResponse({"status": 500}, 500)
    return error.response()
