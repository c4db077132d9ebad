"""A service process: its app, its probes and its background work, from what it declares."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import httpx
import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy import MetaData
from starlette.requests import Request
from starlette.responses import Response

from shared.bus.bell import Bell
from shared.bus.port import Bus
from shared.bus.process import BusProcess, Subscriptions
from shared.db import failpoints
from shared.db.database import Database
from shared.db.errands import Errands, run_errands
from shared.db.housekeeping import run_housekeeping
from shared.db.timers import IDLE_SECONDS, Timers, run_timers
from shared.values.clock import Clock
from shared.web import trace
from shared.web.adapter import Adapter
from shared.web.clocks import SharedClock, SystemClock
from shared.web.direct import direct
from shared.web.docs import add_docs
from shared.web.limits import Limits
from shared.web.metrics import REVOCATIONS_AGE
from shared.web.openapi import describe, document
from shared.web.pointers import names_of
from shared.web.probes import add_probes
from shared.web.problems import install_handlers
from shared.web.published import Watch
from shared.web.routes import Route, Routes, signed
from shared.web.settings import Chassis, Urls, unsafe_settings
from shared.web.tokens import TokenVerifier, watched
from shared.web.transactions import Constraints

log = structlog.get_logger(__name__)

RoleName = Literal["api", "worker", "all"]
SET_CLOCK_IDLE_SECONDS = 0.1


class UnsafeSettings(Exception):
    """A production profile does not start like this; the message names each setting."""


class UndeclaredRoute(Exception):
    """A route that no `Routes` declared: nobody said who may call it."""


OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name}"})
"""What needs no token: probes and documents, which hold nothing of anybody."""


@dataclass(slots=True)
class Ports:
    """What a service's errands reach the outside with, besides its own clients."""

    http: httpx.AsyncClient
    chassis: Chassis
    clock: Clock
    service: str


@dataclass(slots=True)
class Service:
    """What a service declares; `app` turns it into a process."""

    name: str
    chassis: Chassis
    urls: Urls
    routes: Routes
    metadata: MetaData
    subscriptions: Subscriptions
    summary: str = ""
    timers: Timers | None = None
    errands: Callable[[Ports], Errands] | None = None
    constraints: Constraints = field(default_factory=dict)
    clock: Clock | None = None
    bus: Bus | None = None
    http: httpx.AsyncClient | None = None

    @property
    def every_route(self) -> list[Route]:
        """Its own routes and those that every service has."""
        return [*self.routes.declared, *trace.ROUTES.declared]

    @property
    def names_in_addresses(self) -> frozenset[str]:
        """The names that its paths and queries have: what an answer may call by its name."""
        found = {"path", "query"}
        for route in self.every_route:
            found |= set(route.path_ids)
            if route.method == "GET" and route.given is not None:
                found |= names_of(route.given)
        return frozenset(found)

    def running_clock(self) -> Clock:
        """The clock of this process."""
        if self.clock is None:
            path = self.chassis.clock_file
            self.clock = SharedClock(path) if path else SystemClock()
        return self.clock


@dataclass(slots=True)
class Running:
    """What a started process holds, for the probes."""

    service: Service
    role: RoleName
    database: Database
    died: Callable[[], None]
    bus: BusProcess | None = None
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


def app_of(
    service: Service, role: RoleName = "all", died: Callable[[], None] = lambda: None
) -> FastAPI:
    """The ASGI app of a service in a role. Raises UnsafeSettings; ValueError for a bad route.

    died: called when relay and consumer, timers, errands or housekeeping ended by a fault of ours.
    None of them comes back by itself, so a process had better end, too.
    """
    unsafe = unsafe_settings(service.chassis)
    if unsafe:
        raise UnsafeSettings("; ".join(unsafe))
    # An empty setting leaves what a test has armed in this process.
    if service.chassis.failpoints:
        failpoints.arm(service.chassis.failpoints)
    worker = role != "api"
    database = Database.connect(
        service.name, service.urls.app_url, service.urls.worker_url if worker else None
    )
    if not worker:
        database.after_commit.append(Bell(database).ring)
    http = service.http or httpx.AsyncClient(timeout=10, follow_redirects=False)
    tokens, watch = watched(service.chassis.issuer, http, service.chassis.revocations)
    running = Running(service, role, database, died)

    @asynccontextmanager
    async def lifespan(starting: FastAPI) -> AsyncIterator[None]:
        try:
            refuse_undeclared(starting, service)
            async with AsyncExitStack() as stack:
                stack.push_async_callback(database.close)
                if service.http is None:
                    stack.push_async_callback(http.aclose)
                if worker:
                    await stack.enter_async_context(_background(running, http))
                if role != "worker":
                    await stack.enter_async_context(_informed(running, watch))
                yield
        except Exception as error:
            # The server below tells of it in words, which are not let through.
            log.critical("service.failed", service=service.name, exc_info=error)
            raise

    app = FastAPI(
        title=f"ClinicBus {service.name}",
        summary=service.summary,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirection repeats the query
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    install_handlers(app, service.names_in_addresses)
    add_probes(app, running)
    if role != "worker":
        _add_routes(app, service, database, tokens)
    return app


def refuse_undeclared(app: FastAPI, service: Service) -> None:
    """Raise UndeclaredRoute for a route that says no permission: the app does not start."""
    declared = {(route.method, route.path) for route in service.every_route}
    for found in app.routes:
        path = getattr(found, "path", None)
        if path in OPEN_PATHS:
            continue
        methods = (getattr(found, "methods", None) or set()) - {"HEAD"}
        if not methods or any((method, path) not in declared for method in methods):
            raise UndeclaredRoute(f"{service.name}: {path} declares no permission")


def _add_routes(app: FastAPI, service: Service, database: Database, tokens: TokenVerifier) -> None:
    adapter = Adapter(
        service=service.name,
        database=database,
        clock=service.running_clock(),
        tokens=tokens,
        proof_levels=frozenset(service.chassis.step_up_acr.split()),
        constraints=service.constraints,
        cursor_secret=f"cursor/{service.chassis.service_secret}".encode(),
        limits=Limits(service.chassis.rates),
    )
    verbs = {route.path for route in service.every_route if not route.path_ids}
    for route in service.every_route:

        def answer(
            request: Request, path: Mapping[str, Any], query: Any, route: Any = route
        ) -> Awaitable[Any]:
            return adapter.answer(route, request, path, query)

        app.router.add_api_route(
            route.path,
            signed(route, answer),
            methods=[route.method],
            response_model=None,
            response_class=Response,
            route_class_override=direct(route, answer, adapter.knows, verbs),
            **describe(route, service.routes.tag),
        )
    document(app, service)
    add_docs(app)
    if service.chassis.profile == "local":
        app.add_middleware(
            CORSMiddleware,
            allow_origin_regex=r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?",
            # Named one by one: "*" answers with whatever was asked for.
            allow_methods=["GET", "POST", "PUT", "PATCH"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Traceparent"),
            ],
            expose_headers=[
                *("ETag", "Location", "X-Request-Id", "Idempotency-Replayed", "Retry-After"),
                *("RateLimit", "RateLimit-Policy"),
            ],
        )


@asynccontextmanager
async def _background(running: Running, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """Relay, consumer, timers and errands of a worker, ended and awaited in the end."""
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
        )
    )
    tasks = running.tasks
    tasks["bus"] = asyncio.create_task(bus.run(database, clock, service.subscriptions))
    tasks["housekeeping"] = asyncio.create_task(
        run_housekeeping(database, service.chassis.outbox_days)
    )
    if service.timers is not None:
        # A clock that somebody sets jumps: look often, so that what is due is soon seen.
        idle = SET_CLOCK_IDLE_SECONDS if service.chassis.clock_file else IDLE_SECONDS
        timers = run_timers(database, service.timers, clock, idle_seconds=idle)
        tasks["timers"] = asyncio.create_task(timers)
    if service.errands is not None:
        ports = Ports(http, service.chassis, clock, service.name)
        errands = service.errands(ports)
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
async def _informed(running: Running, watch: Watch) -> AsyncIterator[None]:
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
