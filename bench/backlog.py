"""A subscriber that starts with a long backlog: how fast it drains it, and what memory that takes.

The worker process of patients, as it is deployed, on the Postgres bus. First it starts cold with
the whole backlog before it. Then the same process is kept up to date: an appender adds as soon as
less than one of its batches waits, so the lag stays flat at the highest rate that it can take.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import uvloop

from bench.bus_rates import appended
from bench.bus_stage import HEARS, SAYS, TOPIC, BusStage, bus_stage
from bench.report import Figure, at_least, at_most
from bench.serving import Serving, serving
from ops.ports import Ports
from shared.bus.consumer_actions import BATCH_RECORDS

EVENTS = 200_000
AT_ONCE = 2_000
STEADY_SECONDS = 10.0
PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.02
BOUND, MEMORY_BOUND_MB = 1.0, 400

_HEARD = "SELECT coalesce(sum(next_offset), 0)::bigint FROM bus_offset"


def backlog(events: int = EVENTS) -> list[Figure]:
    """Measure on a server of its own. Raises CannotRun."""
    with bus_stage() as made:
        uvloop.run(_filled(made, events))
        port = Ports.free().of[HEARS]
        arguments = ["shared.web.run", f"services.{HEARS}.app:service", "--role", "worker"]
        started = time.perf_counter()
        with serving(
            [*arguments, "--port", str(port)], port, made.environment, made.folder / "worker.log",
            "/livez",
        ) as worker:  # fmt: skip
            cold, drained = uvloop.run(_drained(made, started, events))
            drain_mb = _peak_mb(worker)
            steady = uvloop.run(_steady(made, events))
            peak_mb = _peak_mb(worker)
    drain = events / drained
    return [
        at_least(
            "backlog: drain ÷ steady rate", drain / steady, BOUND, "",
            "the same process, its lag flat, fed as fast as it takes it",
            events=events,
            drained_per_second=round(drain),
            steady_per_second=round(steady),
            seconds_to_the_first_effect=round(cold, 2),
        ),
        at_most(
            "backlog: memory of the service", peak_mb, MEMORY_BOUND_MB, "MB",
            "peak of resident memory (VmHWM) of the worker process",
            after_the_drain_mb=round(drain_mb),
        ),
    ]  # fmt: skip


async def _filled(made: BusStage, events: int) -> None:
    bus = made.bus("postgres", SAYS)
    try:
        await bus.create_topics([TOPIC])
        for _ in range(events // AT_ONCE):
            await appended(made, bus, made.events(AT_ONCE))
    finally:
        await bus.close()


async def _drained(made: BusStage, started: float, events: int) -> tuple[float, float]:
    """Seconds from the process's start to its first effect, and from there to the last."""
    watcher = await made.connect(HEARS)
    try:
        await _until(watcher, lambda heard: heard > 0)
        first = time.perf_counter()
        await _until(watcher, lambda heard: heard >= events)
        return first - started, time.perf_counter() - first
    finally:
        await watcher.close()


async def _until(watcher: asyncpg.Connection, enough: Callable[[int], bool]) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not enough(heard := int(await watcher.fetchval(_HEARD))):
            await asyncio.sleep(LOOK_SECONDS)
    return heard


async def _steady(made: BusStage, said: int) -> float:
    """Effects a second while less than a batch waits."""
    watcher, bus = await made.connect(HEARS), made.bus("postgres", SAYS)
    try:
        ready = made.events(BATCH_RECORDS)
        started, first = time.perf_counter(), said
        while time.perf_counter() - started < STEADY_SECONDS:
            await appended(made, bus, ready)
            said += len(ready)
            ready = made.events(BATCH_RECORDS)
            await _until(watcher, (said - BATCH_RECORDS).__lt__)
        await _until(watcher, said.__le__)
        return (said - first) / (time.perf_counter() - started)
    finally:
        await watcher.close()
        await bus.close()


def _peak_mb(worker: Serving) -> float:
    lines = Path(f"/proc/{worker.process.pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
