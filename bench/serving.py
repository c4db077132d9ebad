"""Programs that are measured: each a process of its own, which ends when the bench ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.footprint import cpu_seconds
from ops import processes
from ops.child import last_words
from ops.errors import CannotRun
from ops.layout import CHECKOUT

READY_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(slots=True)
class Serving:
    """A program that listens on a port of 127.0.0.1."""

    port: int
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """What it has used of processors until now, in user and system mode."""
        return cpu_seconds([self.process.pid])


@contextmanager
def serving(
    arguments: Sequence[str],
    port: int,
    environment: Mapping[str, str],
    log: Path,
    ready: str = "/readyz",
) -> Iterator[Serving]:
    """Run `python -m ARGUMENTS` until the block is left; it is ready when the block begins.

    environment: besides what this process has, of which CLINICBUS_... is left out.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CLINICBUS_")}
    # What is measured is what a service can, not how much it lets one caller ask.
    inherited["CLINICBUS_RATES"] = "off"
    command = processes.tied([sys.executable, "-m", *arguments], signal.SIGKILL)
    with log.open("ab") as output:
        process = processes.start(
            command, output=output, environment={**inherited, **environment}, folder=CHECKOUT
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}{ready}", log)
        yield Serving(port, process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            processes.kill_session(process)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise CannotRun(f"It ended with {process.returncode} as it started: {last_words(log)}")
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(processes.POLL_S)
    raise CannotRun(f"{url} was not ready after {READY_SECONDS:.0f} s: {last_words(log)}")
