"""Processes by the dozen: forked from one that has imported all that they need.

A service takes two to three seconds of a processor to start, nearly all of it for imports that are
the same every time, and the faults start hundreds. So those of the short list, and those that die
by the hundred, are forked; the others of FULL=1 are programs of their own.

Run as a program it reads a line of JSON for each wish and answers with one. A process ends with
this one, however this one ends.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

from ops.child import Child, Process
from ops.layout import CHECKOUT
from ops.local_system import LocalSystem
from ops.processes import tied
from ops.programs import Program, open_log

PR_SET_PDEATHSIG = 1
SERVICE = "shared.web.run"


class Forked:
    """What `subprocess.Popen` tells of a process and does to it, for one of a stable's."""

    def __init__(self, stable: "Stable", pid: int) -> None:
        self._stable, self.pid = stable, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        if self.returncode is None:
            self.returncode = self._stable.ask(of=self.pid, wait=False)
        return self.returncode

    def wait(self) -> int:
        """How it ended, once it has."""
        if self.returncode is None:
            self.returncode = self._stable.ask(of=self.pid, wait=True)
        return cast(int, self.returncode)

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it; nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send_signal(signal.SIGKILL)


class Stable:
    """The parent of such processes. Used by one thread, and closed by leaving its block."""

    def __init__(self, *modules: str) -> None:
        command = tied([sys.executable, "-m", "tests.faults.stable", *modules], signal.SIGKILL)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Process:
        """A process that does what `python -m MODULE ARGUMENTS` does; it writes to a file."""
        open_log(log).close()
        pid = self.ask(
            module=module, arguments=arguments, environment=dict(environment), log=str(log)
        )
        return cast(Process, Forked(self, pid))

    def ask(self, **wish: Any) -> Any:
        """Send a line and read one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class ForkingSystem(LocalSystem):
    """A system whose services come out of a stable, for as long as there is one."""

    stable: Stable | None = None

    def child_of(self, program: Program) -> Child:
        """See `LocalSystem`."""
        found = super().child_of(program)
        of_its_own = found.spawn
        module, *arguments = program.arguments
        if module != SERVICE:
            return found
        environment = {**self.environment_of(program.name), **program.environment}
        log = self.layout.log / f"{program.name}.log"

        async def spawn() -> Process:
            if self.stable is None:
                return await of_its_own()
            return self.stable.start(module, arguments, environment, log)

        found.spawn = spawn
        return found


# ── the program ──────────────────────────────────────────────────────────────────────────────────


def _become(wish: dict[str, Any], parent: int) -> None:
    """Become the process that is wanted. Does not return."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    output = os.open(wish["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(wish["environment"])
    os._exit(importlib.import_module(wish["module"]).main(wish["arguments"]))


def _ended(pid: int, *, wait: bool) -> int | None:
    found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def main(modules: Sequence[str]) -> None:
    """Import the modules, and do what is wished until there is nobody to wish."""
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    gc.enable()
    parent = os.getpid()
    for line in sys.stdin:
        wish = json.loads(line)
        if "of" in wish:
            answer = _ended(wish["of"], wait=wish["wait"])
        elif (answer := os.fork()) == 0:
            _become(wish, parent)
        os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
