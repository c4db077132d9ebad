"""An event monitor on a socket of its own, over a bus in memory, for tests."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import uvicorn

from ops.monitor.site import Site
from shared.bus.port import Message, Producer
from shared.contracts.catalogue import all_topics
from shared.testing.apps import Switchboard
from shared.testing.memory_bus import MemoryBus, MemoryLog
from shared.testing.tokens import ISSUER, TestIssuer

BEAT_SECONDS = 0.2
PATIENCE_SECONDS = 20.0


class QuietServer(uvicorn.Server):
    """A server that leaves the test run's signals alone."""

    @property
    def port(self) -> int:
        """Where it listens."""
        found: int = self.servers[0].sockets[0].getsockname()[1]
        return found


@asynccontextmanager
async def serving(site: Site, port: int = 0) -> AsyncIterator[str]:
    """The URL of a site while it is served."""
    config = uvicorn.Config(
        site.app(), host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1
    )
    server = QuietServer(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.should_exit = True
        await task


@dataclass(slots=True)
class Sent:
    """One SSE event as a client has it."""

    name: str
    data: dict[str, Any]
    place: str


@dataclass(slots=True)
class World:
    """A bus, an issuer and what the monitor is told; `serve` starts a monitor over them."""

    urls: Mapping[str, str] = field(default_factory=dict)
    apis: Mapping[str, str] = field(default_factory=dict)
    log: MemoryLog = field(default_factory=MemoryLog)
    issuer: TestIssuer = field(default_factory=TestIssuer)
    switchboard: Switchboard = field(default_factory=Switchboard)

    async def begin(self) -> "World":
        """Make the topics."""
        self.switchboard.connect(ISSUER, self.issuer.answer)
        await MemoryBus(self.log).create_topics(all_topics())
        return self

    def site(self) -> Site:
        """A monitor as a process would make it."""
        http = httpx.AsyncClient(transport=self.switchboard)
        return Site(lambda: MemoryBus(self.log), self.urls, self.apis, ISSUER, http, BEAT_SECONDS)

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[str]:
        """The URL of a fresh monitor."""
        async with serving(self.site(), port) as url:
            yield url

    async def say(self, *messages: Message) -> list[int]:
        """Put events on the bus."""
        return await MemoryBus(self.log).append(Producer("hand", 1), messages)

    def headers(self, network: UUID, role: str = "ops", **claims: Any) -> dict[str, str]:
        """The headers of a caller."""
        return {"Authorization": f"Bearer {self.issuer.token(network, role, **claims)}"}


async def stream(
    url: str, headers: Mapping[str, str], place: str | None = None, **query: Any
) -> AsyncGenerator[Sent, None]:
    """The events of a stream, and each comment as an event called by it."""
    more = {"Last-Event-ID": place} if place else {}
    async with (
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http,
        http.stream("GET", f"{url}/events", params=query, headers={**headers, **more}) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        name, data, at = "", "", ""
        async for line in answer.aiter_lines():
            kind, _, text = line.partition(": ")
            if line.startswith(": "):
                yield Sent(line[2:], {}, at)
            elif kind == "event":
                name = text
            elif kind == "data":
                data = text
            elif kind == "id":
                at = text
            elif not line and data:
                yield Sent(name, json.loads(data), at)
                data = ""


async def take(
    count: int, url: str, headers: Mapping[str, str], place: str | None = None, **query: Any
) -> list[Sent]:
    """The first `count` events that are no comments."""
    found: list[Sent] = []
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(stream(url, headers, place, **query)) as events,
    ):
        async for sent in events:
            if sent.name not in ("ready", "beat"):
                found.append(sent)
            if len(found) == count:
                break
    return found
