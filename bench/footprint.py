"""What a running system takes: memory, processor, connections. By /proc, so on Linux alone."""

import os
from collections.abc import Iterable
from pathlib import Path

import asyncpg

from ops.local_system import LocalSystem

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def tree(roots: Iterable[int]) -> list[int]:
    """The processes of these ids and all below them; what has ended is left out."""
    found: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in found or not Path(f"/proc/{pid}").exists():
            continue
        found[pid] = None
        waiting.extend(_children(pid))
    return list(found)


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children.extend(int(child) for child in task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended since
    return children


def pss_bytes(pids: Iterable[int]) -> int:
    """The memory of processes, what they share counted once (proportional set size)."""
    return 1024 * sum(_kilobytes(pid) for pid in pids)


def _kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time used until now, in user and system mode, with that of children that ended.

    Of a whole tree it only grows: a child's time moves to its parent when it is reaped.
    """
    ticks = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # proc_pid_stat(5), fields 14 to 17; the name before them may hold anything.
        ticks += sum(int(part) for part in stat[stat.rindex(")") + 2 :].split()[11:15])
    return ticks / TICKS_A_SECOND


async def connections(superuser_url: str) -> dict[str, int]:
    """Connections of clients to a server by database, that of the one who asks left out."""
    connection = await asyncpg.connect(superuser_url)
    try:
        rows = await connection.fetch(
            "SELECT coalesce(datname, '-') AS name, count(*) AS many FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1"
        )
    finally:
        await connection.close()
    return {row["name"]: row["many"] for row in rows}


def programs(system: LocalSystem) -> dict[str, list[int]]:
    """The processes of each program of a system, and this one, which watches over them."""
    found = {"supervisor": [os.getpid()]}
    for process in system.state().processes:
        if process.pid is not None:
            found[process.name] = tree([process.pid])
    return found


def used_by(system: LocalSystem) -> dict[str, float]:
    """Processor time of each program of a system until now, in seconds."""
    return {name: cpu_seconds(pids) for name, pids in programs(system).items()}
