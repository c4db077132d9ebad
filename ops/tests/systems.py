"""Systems of stand-ins for the tests of this folder. Postgres and the issuer are the real ones."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.layout import CHECKOUT, Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from ops.programs import Plan, Program, usual_plan
from ops.state import ProcessState

NAMES = ("patients", "payments")


def standins(layout: Layout, ports: Ports, **flags: str) -> Plan:
    """The real issuer and two stand-ins; a flag for one by its name."""
    return Plan(
        first=usual_plan(ports, layout).first[:1],
        prepare=None,
        services=tuple(_standin(name, ports.of[name], flags.get(name)) for name in NAMES),
    )


def _standin(name: str, port: int, flag: str | None) -> Program:
    arguments = ["ops.tests.standin", "--port", str(port), *([flag] if flag else [])]
    return Program(name, tuple(arguments), port)


class Changes:
    """Hears of every change of a system, and waits for what comes of it."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def __call__(self, _: ProcessState) -> None:
        self._heard.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until the condition holds; it is looked at after each change."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._heard.clear()
                await self._heard.wait()


def system_of(
    folder: Path, changes: Changes | None = None, *, ports: Ports | None = None, **flags: str
) -> LocalSystem:
    """A system on a folder, and on free ports unless they are given."""
    layout, ports = Layout(folder), ports or Ports.free()
    return LocalSystem(
        layout,
        ports,
        Options(durable=False, environment={"CLINICBUS_FAILPOINTS": "relay.after_append:exit:3"}),
        plan=standins(layout, ports, **flags),
        on_change=changes or Changes(),
    )


def get(url: str) -> dict[str, str]:
    """The JSON object that a URL answers."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, str] = json.load(answer)
    return found


@contextmanager
def python(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Another Python in the checkout, whose output can be read; it is gone in the end."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What the process says, up to the line that holds these words; all when it ends first."""
    said = ""
    for line in process.stdout or ():
        said += line
        if words in line:
            return said
    raise AssertionError(f"it never said {words!r}:\n{said}")
