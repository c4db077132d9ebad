"""Apps of services in the test process, and clients that reach them without a socket."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.testing.tokens import ISSUER, TestIssuer
from shared.values.ids import new_id

Handle = Callable[[httpx.Request], httpx.Response]


class Switchboard(httpx.AsyncBaseTransport):
    """Takes each request to the app or function that stands for its host."""

    def __init__(self) -> None:
        self.apps: dict[str, httpx.AsyncBaseTransport] = {}

    def connect(self, url: str, answer: FastAPI | Handle | httpx.AsyncBaseTransport) -> None:
        """Let `url`'s host be answered by an app, a function or a transport."""
        transport: httpx.AsyncBaseTransport
        if isinstance(answer, httpx.AsyncBaseTransport):
            transport = answer
        elif isinstance(answer, FastAPI):
            transport = httpx.ASGITransport(app=answer, raise_app_exceptions=False)
        else:
            transport = httpx.MockTransport(answer)
        self.apps[httpx.URL(url).host] = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as the host would; a host nobody stands for cannot be reached."""
        found = self.apps.get(request.url.host)
        if found is None:
            raise httpx.ConnectError(f"{request.url.host} is not there", request=request)
        return await found.handle_async_request(request)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run an app's start and stop: httpx's ASGITransport does not."""
    async with app.router.lifespan_context(app):
        yield


@dataclass(slots=True)
class Desk:
    """A caller with a token: adds it, and a fresh Idempotency-Key to every POST."""

    http: httpx.AsyncClient
    url: str
    token: str
    network_id: UUID
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """GET a path."""
        return await self.http.get(self.url + path, params=query, headers=self._headers())

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        version: int | None = None,
        **more: Any,
    ) -> httpx.Response:
        """POST JSON to a path under a key."""
        headers = {**self._headers(), "Idempotency-Key": key or str(new_id())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        headers.update(more.pop("headers", {}))
        if body is not None:
            more["json"] = body
        return await self.http.post(self.url + path, headers=headers, **more)

    async def patch(
        self, path: str, body: Mapping[str, Any], version: int | None = None
    ) -> httpx.Response:
        """Merge-patch a path under If-Match."""
        headers = {**self._headers(), "Content-Type": "application/merge-patch+json"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        import orjson

        return await self.http.patch(self.url + path, content=orjson.dumps(body), headers=headers)

    async def put(
        self, path: str, body: Mapping[str, Any], version: int | None = None
    ) -> httpx.Response:
        """PUT JSON to a path, under If-Match where a version is given."""
        headers = self._headers()
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return await self.http.put(self.url + path, json=body, headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **self.headers}


@dataclass(slots=True)
class Office:
    """Apps of a test behind one switchboard, with an issuer."""

    switchboard: Switchboard
    http: httpx.AsyncClient
    issuer: TestIssuer
    stack: AsyncExitStack

    async def start(self, name: str, app: FastAPI) -> str:
        """Start an app; its URL."""
        url = f"http://{name}.test"
        await self.stack.enter_async_context(lifespan(app))
        self.switchboard.connect(url, app)
        return url

    def desk(self, name: str, network_id: UUID, *roles: str, **claims: Any) -> Desk:
        """A caller of one app with a token for these roles."""
        token = self.issuer.token(network_id, *roles, **claims)
        return Desk(self.http, f"http://{name}.test", token, network_id)


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    """An empty office: start apps in it. They stop, last first, when it is left."""
    switchboard = Switchboard()
    issuer = TestIssuer()
    switchboard.connect(ISSUER, issuer.answer)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(transport=switchboard, timeout=30))
        yield Office(switchboard, http, issuer, stack)
