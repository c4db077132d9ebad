"""Ends what a killed supervisor left running: its own processes, known by id and start time."""

import signal
import time

from ops import processes
from ops.errors import CannotRun
from ops.state import SystemState

POLITE_S = 5.0
LAST_STEPS = ((signal.SIGKILL, 5.0),)


def end(left: SystemState | None) -> list[str]:
    """End the recorded processes that still run; the names of those. Postgres is not among them.

    The caller holds the lock, so the supervisor that recorded them is gone. (What it had started
    is dying already; this is for what does not.) `ops.postgres.prepare` ends an old Postgres.
    """
    if left is None:
        return []
    running = {
        process.name: process.mark
        for process in left.processes
        if process.name != "postgres" and process.mark and processes.is_running(process.mark)
    }
    for mark in running.values():
        processes.send(mark, signal.SIGTERM)
    until = time.monotonic() + POLITE_S
    while any(map(processes.is_running, running.values())) and time.monotonic() < until:
        time.sleep(processes.POLL_S)
    for name, mark in running.items():
        if not processes.end(mark, LAST_STEPS):
            raise CannotRun(
                f"An old {name} (process {mark.pid}) does not end: end it with"
                f" `kill -9 {mark.pid}`, then start again."
            )
    return list(running)
