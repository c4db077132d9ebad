"""Processes of services by the dozen: forked from one that has imported all that they need.

Run as a program it reads a line of JSON for each process that is wanted, and writes one when that
process is there and one when it has ended. A process ends with this one, however this one ends.
"""

import asyncio
import contextlib
import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops import probe
from ops.ports import Ports
from ops.processes import tied
from shared.web import run

READY_SECONDS = 30.0
PORT_TRIES = 3
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Steed:
    """One process: where it listens, and how it ends."""

    url: str
    port: int
    pid: int
    code: "asyncio.Future[int]"

    async def ready(self) -> bool:
        """Wait until it listens; False where it has ended instead."""
        async with asyncio.timeout(READY_SECONDS):
            while not await probe.accepts(self.port):
                if self.code.done():
                    return False
                await asyncio.sleep(0.01)
        return True


@dataclass(slots=True)
class Stable:
    """The parent of the processes."""

    process: asyncio.subprocess.Process
    born: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)
    ends: dict[int, "asyncio.Future[int]"] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self, service: str, environment: Mapping[str, str]) -> Steed:
        """A process of a service that answers requests, and that its clients can reach."""
        for _ in range(PORT_TRIES):
            # Between the look for a free port and its use, another may take it.
            found = await self._born(service, Ports.free().of[service], environment)
            if await found.ready():
                return found
        raise AssertionError(f"{service} does not start: see the log of the stable")

    async def _born(self, service: str, port: int, environment: Mapping[str, str]) -> Steed:
        wish = {"service": service, "port": port, "environment": dict(environment)}
        assert self.process.stdin is not None
        async with self.turn:
            self.process.stdin.write(json.dumps(wish).encode() + b"\n")
            pid = await self.born.get()
        return Steed(f"http://127.0.0.1:{port}", port, pid, self._end_of(pid))

    async def listen(self) -> None:
        """Hear of births and deaths, for as long as there is somebody to tell of them."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            if "code" in told:
                self._end_of(told["pid"]).set_result(told["code"])
            else:
                self.born.put_nowait(told["pid"])

    def _end_of(self, pid: int) -> "asyncio.Future[int]":
        return self.ends.setdefault(pid, asyncio.get_running_loop().create_future())


@asynccontextmanager
async def stable(services: list[str], log: Path) -> AsyncIterator[Stable]:
    """A stable for these services; what its processes say goes to a file."""
    command = tied([sys.executable, "-m", "tests.faults.stable", *services], signal.SIGKILL)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            cwd=Path(__file__).parents[2],
        )
    found = Stable(process)
    listening = asyncio.create_task(found.listen())
    try:
        yield found
    finally:
        process.kill()
        await process.wait()
        await listening


# ── the program ──────────────────────────────────────────────────────────────────────────────────


def _tell(**members: Any) -> None:
    os.write(1, json.dumps(members).encode() + b"\n")


def _reap(*_signal: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            _tell(pid=found[0], code=os.waitstatus_to_exitcode(found[1]))


def _serve(wish: dict[str, Any], parent: int) -> None:
    """Become a process of a service. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(wish["environment"])
    target = f"services.{wish['service']}.app:service"
    os._exit(run.main([target, "--role", "api", "--port", str(wish["port"])]))


def main(services: list[str]) -> None:
    """Import the services, and fork for each line until there are no more."""
    for service in services:
        importlib.import_module(f"services.{service}.app")
    signal.signal(signal.SIGCHLD, _reap)
    parent = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _serve(json.loads(line), parent)
        _tell(pid=pid)


if __name__ == "__main__":
    main(sys.argv[1:])
