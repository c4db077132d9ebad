"""What the whole local system takes after a played day: memory, connections, and when it is idle.

The tree of processes is everything that a process made for it has started, and itself: it stands
where the supervisor of `clinicbus run` does, and is the larger of the two. Kafka is not part of it.
"""

import asyncio
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import httpx

from bench.footprint import connections, programs, pss_bytes, used_by
from bench.report import Figure, at_most
from ops.day import checks
from ops.day.command import play
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from shared.web.clocks import SharedClock

MEMORY_BOUND_MB = 1200
CONNECTIONS_BOUND = 60
IDLE_BOUND_PERCENT = 5
REST_SECONDS = 5
IDLE_SECONDS = 20
VISITS = 120
SEED = 1
PAYER = {"CLINICBUS_PAYER_TIMEOUT_SECONDS": "1", "CLINICBUS_PAYER_ATTEMPTS": "2"}
"""As `clinicbus day` has it: a payer that does not answer is given up within the day."""


@dataclass(slots=True)
class Taken:
    """What was measured. memory: PSS in bytes by program. idle: seconds of processor by program."""

    memory: dict[str, int]
    connections: dict[str, int]
    idle: dict[str, float]


def footprint() -> list[Figure]:
    """Play a day on a system of its own and measure what it takes. Raises CannotRun."""
    # In a process of its own: this one has grown by all that was measured before.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        taken = fresh.submit(_taken).result()
    memory = sum(taken.memory.values()) / 1e6
    idle = 100 * sum(taken.idle.values()) / IDLE_SECONDS
    after = f"after a day of {VISITS} visits, Postgres included"
    return [
        at_most(
            "memory of all processes", memory, MEMORY_BOUND_MB, "MB", f"sum of PSS {after}",
            processes={n: round(b / 1e6) for n, b in taken.memory.items()},
            supervisor="a process that plays the day, which is larger",
        ),
        at_most(
            "server connections", sum(taken.connections.values()), CONNECTIONS_BOUND, "",
            f"pg_stat_activity {after}", databases=taken.connections,
        ),
        at_most(
            "idle processor share", idle, IDLE_BOUND_PERCENT, "% of one core",
            f"over {IDLE_SECONDS} s {after}; started again",
            percent={n: round(100 * s / IDLE_SECONDS, 2) for n, s in taken.idle.items()},
        ),
    ]  # fmt: skip


def _taken() -> Taken:
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> Taken:
    layout, clock = Layout(folder / "data"), SharedClock(folder / "clock")
    options = Options(clock_file=folder / "clock", environment=PAYER)
    async with LocalSystem(layout, Ports.free(), options) as system:
        async with httpx.AsyncClient(timeout=30) as http:
            await play(system, http, clock, VISITS, SEED)
        await checks.settled(system.superuser_url)
        memory = {name: pss_bytes(pids) for name, pids in programs(system).items()}
        held = await connections(system.superuser_url)
    # Once more on the same data, as after a restart: with a clock that can be set, timers look ten
    # times as often, which `clinicbus run` does not.
    async with LocalSystem(layout, Ports.free()) as system:
        await checks.settled(system.superuser_url)
        await asyncio.sleep(REST_SECONDS)
        before = used_by(system)
        await asyncio.sleep(IDLE_SECONDS)
        after = used_by(system)
    return Taken(memory, held, {name: after[name] - before[name] for name in after})
