"""What runs in a process beside its requests: relay, consumer, timers, errands, sealer, watches."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import httpx
import structlog

from shared.bus.process import BusProcess
from shared.db.database import Database
from shared.db.errands import run_errands
from shared.db.housekeeping import run_housekeeping
from shared.db.sealing import Ages, run_sealer
from shared.db.silence import run_silence
from shared.db.timers import IDLE_SECONDS, run_timers
from shared.web.metrics import AUDIT_UNANCHORED_SECONDS, AUDIT_UNSEALED_SECONDS, REVOCATIONS_AGE
from shared.web.published import Watch

if TYPE_CHECKING:
    from shared.web.service import RoleName, Service

log = structlog.get_logger(__name__)

SET_CLOCK_IDLE_SECONDS = 0.1


@dataclass(slots=True)
class Running:
    """What a started process holds, for the probes."""

    service: "Service"
    role: "RoleName"
    database: Database
    died: Callable[[], None]
    bus: BusProcess | None = None
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


def audit_gauges(service: str, *, anchored: bool) -> Callable[[Ages], None]:
    """Shows how far the sealer of a service is behind, in its metrics.

    anchored: whether it has a key; what is never anchored is not late.
    """

    def observe(ages: Ages) -> None:
        AUDIT_UNSEALED_SECONDS.labels(service).set(ages.unsealed)
        AUDIT_UNANCHORED_SECONDS.labels(service).set(ages.unanchored if anchored else 0)

    return observe


@asynccontextmanager
async def background(running: Running, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """Relay, consumer, sealer, timers and errands of a worker, ended and awaited in the end."""
    service, database = running.service, running.database
    clock = service.running_clock()
    bus = running.bus = (
        BusProcess(service.name, service.bus)
        if service.bus
        else BusProcess.connect(
            service.name,
            kind=service.chassis.bus,
            postgres_url=service.urls.bus_url,
            kafka=service.chassis.kafka,
            access=service.chassis.kafka_access,
        )
    )
    tasks = running.tasks
    tasks["bus"] = asyncio.create_task(bus.run(database, clock, service.subscriptions))
    anchors = service.chassis.audit_anchors()
    observe = audit_gauges(service.name, anchored=anchors is not None)
    tasks["sealer"] = asyncio.create_task(run_sealer(database, anchors, observe))
    tasks["housekeeping"] = asyncio.create_task(
        run_housekeeping(database, service.chassis.outbox_days)
    )
    tasks["silence"] = asyncio.create_task(run_silence(database))
    if service.timers is not None:
        # A clock that somebody sets jumps: look often, so that what is due is soon seen.
        idle = SET_CLOCK_IDLE_SECONDS if service.chassis.clock_file else IDLE_SECONDS
        timers = run_timers(database, service.timers, clock, idle_seconds=idle)
        tasks["timers"] = asyncio.create_task(timers)
    errands = service.errands_with(http)
    if errands is not None:
        tasks["errands"] = asyncio.create_task(run_errands(database, errands, clock))
    for name, task in tasks.items():
        task.add_done_callback(partial(_mourn, running, name))
    try:
        yield
    finally:
        await bus.stop()
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await bus.close()


@asynccontextmanager
async def informed(running: Running, watch: Watch) -> AsyncIterator[None]:
    """Know of an API who may still come in."""
    observe = REVOCATIONS_AGE.labels(running.service.name).set
    task = running.tasks["issuer"] = asyncio.create_task(watch.run(observe))
    task.add_done_callback(partial(_mourn, running, "issuer"))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _mourn(running: Running, name: str, task: "asyncio.Task[None]") -> None:
    """Say why a task has died. One that was told to stop is not mourned."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("task.died", service=running.service.name, kind=name, exc_info=error)
        running.died()
