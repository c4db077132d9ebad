"""A whole system as an operator runs it: a supervisor of its own, real processes, real files.

Everything speaks at DEBUG, spans go to a collector, and each process has its temporary files where
they can be looked at.
"""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from ops import running, state
from ops.layout import CHECKOUT, Layout
from ops.token_command import token_for
from shared.values.ids import new_id
from shared.web.clocks import SharedClock
from tests.faults.town import until

SUPERVISOR = """
import sys
from pathlib import Path
from ops import supervisor
from ops.layout import Layout
from ops.options import Options
from ops.ports import Ports
folder, bus = Path(sys.argv[1]), sys.argv[2]
more = {name: value for name, value in (each.split("=", 1) for each in sys.argv[3:])}
options = Options(bus=bus, clock_file=folder / "clock", durable=False, environment=more)
sys.exit(supervisor.run(Layout(folder / "data"), Ports.free(), options, seed=False))
"""
"""`clinicbus run`, but for free ports and a clock that can be set."""
MONDAY = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
"""Eight o'clock in Denver."""


@dataclass(slots=True)
class Collector:
    """Takes spans over OTLP/HTTP, as they come over the wire."""

    spans: bytearray = field(default_factory=bytearray)
    port: int = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                names = head.lower()
                length = int(names.partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                packed = b"content-encoding: gzip" in names
                self.spans += gzip.decompress(body) if packed else body
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass(slots=True)
class Place:
    """The system, one network in it, and all that clients were told."""

    folder: Path
    http: httpx.AsyncClient
    collector: Collector
    clock: SharedClock
    network: UUID = field(default_factory=new_id)
    refusals: bytearray = field(default_factory=bytearray)
    """Bodies and headers of every answer that was no success."""
    headers: bytearray = field(default_factory=bytearray)
    """Headers of every answer that was one."""
    statuses: dict[int, int] = field(default_factory=dict)
    done: set[tuple[str, str]] = field(default_factory=set)
    """Method and URL of what was done, or read."""
    passing: bytearray = field(default_factory=bytearray)
    """What was seen in temporary files that are gone, and in lists of what the server does."""

    @property
    def layout(self) -> Layout:
        """Where its files are."""
        return Layout(self.folder / "data")

    @property
    def temporary(self) -> Path:
        """Where processes put what they forget."""
        return self.folder / "tmp"

    @property
    def state(self) -> state.SystemState:
        """What runs."""
        found = state.read(self.layout.state)
        assert found is not None
        return found

    @property
    def superuser_url(self) -> str:
        """A superuser's URL of its Postgres."""
        return running.superuser_url(self.layout.root)

    @property
    def payer(self) -> str:
        """Where the payer is."""
        (found,) = [p.url for p in self.state.processes if p.name == "payer_simulator"]
        assert found is not None
        return found

    def token(self, role: str, network: UUID | None = None, **more: Any) -> str:
        """A token of somebody of the network."""
        return token_for(self.layout, role, network or self.network, **more)

    # ── clients ──────────────────────────────────────────────────────────────────────────────

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and keep what its answer says."""
        answer = await self.http.send(request)
        head = b"\n".join(b": ".join(pair) for pair in answer.headers.raw)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if answer.is_success:
            self.done.add((request.method, str(request.url.copy_with(query=None))))
            self.headers += head + b"\n"
        else:
            self.refusals += head + b"\n" + answer.content + b"\n"
        return answer

    async def ask(
        self,
        role: str,
        service: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        token: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        """One call of somebody in a role."""
        headers = {"Authorization": f"Bearer {token or self.token(role)}"}
        if method == "POST":
            headers["Idempotency-Key"] = str(new_id())
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if body is not None and method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
            more["content"] = json.dumps(body)
        elif body is not None:
            more["json"] = body
        url = self.state.urls[service] + path
        return await self.send(self.http.build_request(method, url, headers=headers, **more))

    async def succeed(
        self,
        role: str,
        service: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        unheard: tuple[int, ...] = (404,),
        **more: Any,
    ) -> httpx.Response:
        """One call that must be done or taken on.

        unheard: what it is answered while news is on its way; then it is asked once more.
        """
        answer: httpx.Response = await until(
            lambda: self.ask(role, service, method, path, body, **more),
            lambda found: found.status_code not in (*unheard, 429, 503),
            path,
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def post(
        self,
        role: str,
        service: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """POST what must be done; what is told then."""
        found: dict[str, Any] = (
            await self.succeed(role, service, "POST", path, body, **more)
        ).json()
        return found

    async def get(self, role: str, service: str, path: str, **query: Any) -> dict[str, Any]:
        """GET what must be there."""
        found: dict[str, Any] = (
            await self.succeed(role, service, "GET", path, params=query)
        ).json()
        return found

    # ── processes ────────────────────────────────────────────────────────────────────────────

    def pid(self, name: str) -> int:
        """The id of a process."""
        (found,) = [p.pid for p in self.state.processes if p.name == name]
        assert found is not None, f"{name} does not run"
        return found

    async def kill(self, name: str) -> None:
        """Kill a process as by `kill -9`, and wait until it is there again."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)

        async def look() -> bool:
            return any(
                p.name == name and p.state == "ready" and p.pid != before
                for p in self.state.processes
            )

        await until(look, bool, f"{name} again")

    async def command(self, *arguments: str) -> bytes:
        """All that a `clinicbus` command says."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", *arguments, "--data", str(self.layout.root)),
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(self.folder),
        )
        said, _ = await process.communicate()
        return said

    async def watch(self) -> None:
        """Read temporary files as they come and go, until cancelled."""
        seen: set[tuple[str, int]] = set()
        while True:
            for path in self.temporary.rglob("*"):
                try:
                    known = (str(path), path.stat().st_size)
                    if path.is_file() and known not in seen:
                        seen.add(known)
                        self.passing += str(path.name).encode() + b"\n" + path.read_bytes()
                except OSError:
                    continue  # gone again
            await asyncio.sleep(0.02)


def _environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLINICBUS_")}
    own = {"CLINICBUS_LOG_LEVEL": "DEBUG", "TMPDIR": str(folder / "tmp")}
    return {**kept, **own, **more}


@asynccontextmanager
async def place_of(folder: Path, bus: str = "postgres", **more: str) -> AsyncIterator[Place]:
    """Start a system on a folder; `more` are variables of its supervisor."""
    (folder / "tmp").mkdir()
    clock = SharedClock(folder / "clock")
    clock.set(MONDAY)
    collector = Collector()
    server = await asyncio.start_server(collector.take, "127.0.0.1", 0)
    port = collector.port = server.sockets[0].getsockname()[1]
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "PYTHONASYNCIODEBUG": "1",
    }
    with (folder / "supervisor.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SUPERVISOR, str(folder), bus),
            cwd=CHECKOUT,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(folder, **told, **more),
        )
    try:
        async with httpx.AsyncClient(timeout=30) as http:
            place = Place(folder, http, collector, clock)

            async def look() -> str:
                assert process.returncode is None, (folder / "supervisor.log").read_text()
                found = state.read(place.layout.state)
                return "" if found is None else found.phase

            await until(look, lambda phase: phase == "ready", "the system")
            watching = asyncio.create_task(place.watch())
            try:
                yield place
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        server.close()
