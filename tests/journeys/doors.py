"""The house behind a real server: sockets, uvicorn, httptools, and our limits on what comes in."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from shared.web.run import server_of
from tests.journeys.house import House

WAIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Said:
    """What came back: status, headers by lower-case name, body; nothing where it was closed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem document; the response says that it is one."""
        assert self.headers["content-type"] == "application/problem+json", self
        found: str = httpx.Response(200, content=self.body).json()["code"]
        return found


@dataclass(frozen=True, slots=True)
class Door:
    """Where the services listen, all on one port, told apart by Host."""

    port: int
    seen: list[dict[str, Any]]
    """The scopes of the requests that came in."""
    statuses: "Counter[int]"
    """What they were answered with."""

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)

    async def send(self, *pieces: bytes) -> Said:
        """What is answered to these bytes."""
        reader, writer = await self.connected()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await heard(reader)
        finally:
            writer.close()

    async def request(
        self,
        service: str,
        line: str,
        *headers: str,
        body: bytes = b"",
        host: str | None = None,
    ) -> Said:
        """What is answered to a request as it is written here."""
        lines = [f"{line} HTTP/1.1", f"Host: {host or service + '.test'}", *headers]
        if body and not any(h.lower().startswith("content-length") for h in headers):
            lines.append(f"Content-Length: {len(body)}")
        return await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


async def heard(reader: asyncio.StreamReader) -> Said:
    """The next response of a connection; status 0 where it was closed without one."""
    async with asyncio.timeout(WAIT_SECONDS):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return Said(0, {}, b"")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Said(int(first.split()[1]), headers, body)


@asynccontextmanager
async def door_of(
    house: House, trusted_proxies: str = "", of: str = "appointments"
) -> AsyncIterator[Door]:
    """Serve the running services of a house on a port of this machine.

    of: the one that answers under any other name.
    """
    seen: list[dict[str, Any]] = []
    statuses: Counter[int] = Counter()
    apps: dict[bytes, Any] = {
        host.encode(): getattr(transport, "app", None)
        for host, transport in house.office.switchboard.apps.items()
        if host.endswith(".test")
    }

    async def by_host(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        seen.append(scope)

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses[message["status"]] += 1
            await send(message)

        host = next((v for k, v in scope["headers"] if k == b"host"), b"").partition(b":")[0]
        await (apps.get(host) or apps[f"{of}.test".encode()])(scope, receive, counted)

    server = server_of(by_host, "127.0.0.1", 0, trusted_proxies)
    server.config.lifespan = "off"
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield Door(server.servers[0].sockets[0].getsockname()[1], seen, statuses)
    finally:
        server.should_exit = True
        await serving
