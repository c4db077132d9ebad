"""A process that is kept running: started, watched without polling, started again when it ends."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ops import processes
from ops.errors import CannotRun
from ops.state import ProcessState

# Before each start again; the last one repeats. So a process is always tried within 5 s.
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
STEADY_S = 30.0  # ready for so long, and the pauses begin anew
READY_TIMEOUT_S = 60.0
READY_POLL_S = 0.1
STOP_PATIENCE_S = 18.0

Process = subprocess.Popen[bytes]


class Child:
    """One process of a local system.

    spawn: starts it and returns at once. It runs in the event loop's thread, which must outlive
        the process (see `ops.processes.tied`). Another may be set: the next start is by that.
    ready: whether it can be used; asked only until it says yes.
    changed: called after each change of `state`.
    keep: start it again when it ends after it was ready once.
    explain: the error when it ends before that.
    """

    def __init__(
        self,
        state: ProcessState,
        spawn: Callable[[], Awaitable[Process]],
        ready: Callable[[Process], Awaitable[bool]],
        changed: Callable[[ProcessState], None],
        *,
        keep: bool = True,
        explain: Callable[[], CannotRun] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.state = state
        self.spawn = spawn
        self._ready = ready
        self._changed = changed
        self._keep = keep
        self._explain = explain or self._why_not
        self._stop_signal = stop_signal
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._became_ready = asyncio.Event()

    @property
    def pid(self) -> int:
        """The id of the running process. LookupError when there is none."""
        if self.state.pid is None:
            raise LookupError(f"{self.state.name} does not run")
        return self.state.pid

    async def start(self) -> None:
        """Start it and keep it; returns once it is started, see `wait_until_ready`."""
        self._became_ready.clear()
        self._task = asyncio.create_task(self._watch(await self._begin()))

    async def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait for the first readiness; CannotRun when the process ends before it or is late."""
        watching = self._task
        if watching is None:
            raise LookupError(f"{self.state.name} was not started")
        waiting = asyncio.create_task(self._became_ready.wait())
        try:
            await asyncio.wait(
                {waiting, watching}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if self._became_ready.is_set():
            return
        if watching.done():
            watching.result()
        raise CannotRun(
            f"{self.state.name} was not ready after {timeout_s:.0f} s: see {self.state.log}."
        )

    async def stop(self) -> None:
        """End it: politely for 18 s, then by force, its own children with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(self._stop_signal)
            try:
                async with asyncio.timeout(STOP_PATIENCE_S):
                    await processes.exit_of(process)
            except TimeoutError:
                processes.kill_session(process)
                await processes.exit_of(process)
        self._ended("stopped")

    async def _begin(self) -> Process:
        process = self._process = await self.spawn()
        mark = processes.mark_of(process.pid)
        self.state.pid = process.pid
        self.state.started = mark.started if mark else ""
        self._set("starting")
        return process

    async def _watch(self, process: Process) -> None:
        """Until it is cancelled: wait for readiness, then for the end, then begin again."""
        failures = 0
        while True:
            ready_at = await self._until_ready(process)
            if ready_at is not None:
                self._became_ready.set()
                self._set("ready")
            self.state.last_end = _end_of(await processes.exit_of(process))
            if not self._became_ready.is_set():
                self._ended("stopped")
                raise self._explain()
            if not self._keep:
                self._ended("stopped")
                return
            if ready_at is not None and time.monotonic() - ready_at > STEADY_S:
                failures = 0
            process, failures = await self._begin_again(failures)

    async def _begin_again(self, failures: int) -> tuple[Process, int]:
        """Start it again after a pause, as often as it takes; it, and the failures so far."""
        while True:
            self._ended("waiting")
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1
            self.state.restarts += 1
            try:
                return await self._begin(), failures
            except (CannotRun, OSError) as error:
                self.state.last_end = str(error)

    async def _until_ready(self, process: Process) -> float | None:
        """When it became ready, or None when it ended first."""
        while process.poll() is None:
            if await self._ready(process):
                return time.monotonic()
            await asyncio.sleep(READY_POLL_S)
        return None

    def _ended(self, state: str) -> None:
        self.state.pid = None
        self.state.started = ""
        self._set(state)

    def _set(self, state: str) -> None:
        self.state.state = state
        self._changed(self.state)

    def _why_not(self) -> CannotRun:
        said = last_words(Path(self.state.log)) if self.state.log else ""
        return CannotRun(
            f"{self.state.name} ended while starting ({self.state.last_end})"
            f"{': ' + said if said else ''} (see {self.state.log})."
        )


async def all_ready(children: Sequence[Child]) -> None:
    """Wait until each is ready; CannotRun as soon as one cannot be."""
    tasks = [asyncio.create_task(child.wait_until_ready()) for child in children]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


def last_words(log: Path) -> str:
    """The last line of a log that says something, shortened."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    telling = [line for line in lines if re.search(r"[A-Za-z]{3}", line)]
    return telling[-1][:300].rstrip(".") if telling else ""


def _end_of(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
