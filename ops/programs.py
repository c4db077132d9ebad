"""The programs of a local system, and how each is started."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ops import probe, processes
from ops.child import Child, Process, last_words
from ops.errors import CannotRun
from ops.layout import CHECKOUT, Layout
from ops.ports import SERVICES, Ports
from ops.state import ProcessState

LOG_MAX_BYTES = 20_000_000
LOGS_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """One Python program of ours, which listens on a port.

    arguments: after `python -m`. ready_path: a GET that answers 200 when it can be used; None
    when listening is enough. environment: its own, over the one that all get.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    ready_path: str | None = "/readyz"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a system is made of besides Postgres and the broker.

    first: needs no database. prepare: the module that brings the databases up to date, or None.
    services: started when that is done.
    """

    first: tuple[Program, ...]
    prepare: str | None
    services: tuple[Program, ...]

    def all(self) -> tuple[Program, ...]:
        """Every program, in the order of starting."""
        return (*self.first, *self.services)


def usual_plan(ports: Ports, layout: Layout, *, roles: Mapping[str, str] | None = None) -> Plan:
    """The issuer, the payer simulator and the five services.

    roles: the role of a service where it is not `all`.
    """
    issuer_url = f"http://127.0.0.1:{ports.of['issuer']}"
    return Plan(
        first=(
            _program(
                *("issuer", ports, "ops.issuer"),
                *("--folder", str(layout.issuer), "--issuer", issuer_url),
            ),
            Program(
                "payer_simulator",
                ("ops.payer_simulator", "--port", str(ports.of["payer_simulator"])),
                ports.of["payer_simulator"],
                ready_path=None,
            ),
        ),
        prepare="ops.prepare",
        services=tuple(
            _program(
                *(name, ports, "shared.web.run", f"services.{name}.app:service"),
                *("--role", (roles or {}).get(name, "all")),
            )
            for name in SERVICES
        ),
    )


def _program(name: str, ports: Ports, module: str, *arguments: str) -> Program:
    port = ports.of[name]
    return Program(name, (module, *arguments, "--port", str(port)), port)


def child_of(
    program: Program,
    layout: Layout,
    environment: Mapping[str, str],
    changed: Callable[[ProcessState], None],
    *,
    keep: bool,
) -> Child:
    """The child that runs a program; its output goes to a log of its own."""
    log = layout.log / f"{program.name}.log"
    asked = None if program.ready_path is None else program.url + program.ready_path
    state = ProcessState(
        program.name, port=program.port, url=program.url, probe=asked, log=str(log)
    )
    # When the supervisor is killed, so is this: at once, whatever it is doing. All that it does
    # is made to survive that.
    command = processes.tied([sys.executable, "-m", *program.arguments], signal.SIGKILL)
    own = {**environment, **program.environment}

    async def spawn() -> Process:
        with open_log(log) as output:
            return processes.start(command, output=output, environment=own, folder=CHECKOUT)

    async def ready(_: Process) -> bool:
        if asked is None:
            return await probe.accepts(program.port)
        return await probe.status_of(asked) == 200

    return Child(state, spawn, ready, changed, keep=keep)


async def run_to_end(
    module: str, given: object, layout: Layout, environment: Mapping[str, str]
) -> None:
    """Run a module of ours once, `given` as JSON on its standard input.

    CannotRun with its last words when it fails.
    """
    log = layout.log / f"{module.rpartition('.')[2]}.log"
    command = processes.tied([sys.executable, "-m", module], signal.SIGKILL)
    text = json.dumps(given).encode()
    with open_log(log) as output:
        process = processes.start(
            command, output=output, environment=environment, folder=CHECKOUT, given=text
        )
    try:
        code = await processes.exit_of(process)
    except asyncio.CancelledError:
        processes.kill_session(process)
        process.wait()
        raise
    if code != 0:
        raise CannotRun(f"{module} failed: {last_words(log)} (see {log}).")


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to; a long one is first put aside."""
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def shorten(path: Path) -> None:
    """Put a long log aside while its program goes on writing to it."""
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        path.with_suffix(".old.log").write_bytes(path.read_bytes())
        os.truncate(path, 0)  # its program appends, so it goes on at the start


async def keep_short(folder: Path) -> None:
    """Put the long ones of a folder's logs aside, once a minute, until cancelled."""
    while True:
        await asyncio.sleep(LOGS_EVERY_S)
        for log in folder.glob("*.log"):
            await asyncio.to_thread(shorten, log)
