"""Processes: start one that ends with its parent, know it again later, and end it.

A process is known by its id and its start time together: an id alone may by now belong to a
stranger, and a stranger is never signalled.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_S = 0.02  # between looks at a process that is not our child; only while one is ending

# Children that run, so that one whose starter keeps its mark alone is still reaped.
_running: "list[subprocess.Popen[bytes]]" = []


@dataclass(frozen=True, slots=True)
class Mark:
    """One process for good: its id and when it started (in the system's own words)."""

    pid: int
    started: str


def mark_of(pid: int) -> Mark | None:
    """The mark of a running process, or None when there is none (a zombie counts as none)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _mark_elsewhere(pid)
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold anything
    if fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Mark(pid, f"{boot}/{fields[19]}")  # proc_pid_stat(5), field 22: start time in ticks


def this_process() -> Mark:
    """The mark of the process that asks."""
    found = mark_of(os.getpid())
    if found is None:
        raise LookupError("this process cannot see itself: is /proc there?")
    return found


def _mark_elsewhere(pid: int) -> Mark | None:
    """The same where there is no /proc."""
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else Mark(pid, started.strip())


def is_running(mark: Mark) -> bool:
    """Whether this very process still runs."""
    return mark_of(mark.pid) == mark


def send(mark: Mark, number: signal.Signals) -> bool:
    """Signal the process if it still runs; False when it is gone."""
    if not is_running(mark):
        return False
    try:
        os.kill(mark.pid, number)
    except ProcessLookupError:
        return False
    return True


def end(mark: Mark, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal and give it so many seconds, until the process is gone; True when it is."""
    for number, patience_s in steps:
        if not send(mark, number):
            return True
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            if not is_running(mark):
                return True
            time.sleep(POLL_S)
    return not is_running(mark)


def tied(
    program: Sequence[str | Path],
    death_signal: signal.Signals,
    user: tuple[int, int] | None = None,
) -> list[str]:
    """The command that runs `program` so that it gets `death_signal` when this process dies.

    user: (uid, gid) to change to first; needs root. The kernel watches the *thread* that starts
    the process, so start long-lived programs from one that stays: the main thread.
    """
    uid, gid = ("-", "-") if user is None else (str(user[0]), str(user[1]))
    return [
        *(sys.executable, "-I", "-S", str(LAUNCHER)),
        *(str(os.getpid()), str(int(death_signal)), uid, gid),
        *(str(part) for part in program),
    ]


def start(
    command: Sequence[str],
    *,
    output: IO[bytes],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    given: bytes | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own (a Ctrl-C at the terminal is the starter's).

    given: what it finds on its standard input; less than a pipe holds (64 KB).
    """
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if environment is None else dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    if process.stdin is not None:
        with process.stdin as pipe:
            pipe.write(given or b"")
    _running[:] = [known for known in _running if known.poll() is None]
    _running.append(process)
    return process


async def exit_of(process: "subprocess.Popen[bytes]") -> int:
    """Wait, without polling, until a child has ended; its return code (negative: a signal)."""
    if not hasattr(os, "pidfd_open"):
        return await asyncio.to_thread(process.wait)
    if (code := process.poll()) is not None:
        return code
    await _gone(process.pid)
    return process.wait()


async def end_of(mark: Mark) -> None:
    """Wait, without polling where the system can, until any process has ended."""
    if hasattr(os, "pidfd_open") and is_running(mark):
        await _gone(mark.pid)
    while is_running(mark):
        await asyncio.sleep(1.0)


async def _gone(pid: int) -> None:
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        loop.add_reader(watch, gone.set)
        await gone.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)


def kill_session(process: "subprocess.Popen[bytes]") -> None:
    """Kill a child that `start` made, and the processes that it made."""
    if process.poll() is None:  # not yet reaped, so the id is still its own
        os.killpg(process.pid, signal.SIGKILL)
