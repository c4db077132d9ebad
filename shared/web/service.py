"""A service process: its app, its probes and its background work, from what it declares."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import structlog
from fastapi import FastAPI
from sqlalchemy import MetaData
from starlette.requests import Request
from starlette.responses import Response

from shared.bus.bell import Bell
from shared.bus.port import Bus
from shared.bus.subscriptions import Subscriptions
from shared.db import failpoints
from shared.db.database import Database
from shared.db.errands import Errands
from shared.db.timers import Timers
from shared.values.clock import Clock
from shared.web import audit_trail, trace
from shared.web.adapter import Adapter
from shared.web.background import Running, background, informed
from shared.web.by_secret import SecretRoutes, answer_secret
from shared.web.clocks import SharedClock, SystemClock
from shared.web.direct import direct
from shared.web.docs import add_docs
from shared.web.headers import head, let_in
from shared.web.limits import Limits
from shared.web.openapi import describe, document
from shared.web.pointers import names_of
from shared.web.probes import add_probes
from shared.web.problems import install_handlers
from shared.web.routes import Route, Routes, signed
from shared.web.safety import unsafe_settings
from shared.web.settings import Chassis, Urls
from shared.web.tokens import TokenVerifier, watched
from shared.web.transactions import Constraints

log = structlog.get_logger(__name__)

RoleName = Literal["api", "worker", "all"]


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
    secret_routes: SecretRoutes = field(default_factory=SecretRoutes)
    """What a secret in its path opens, and no token."""
    refused: tuple[str, ...] = ()
    """What production refuses of the settings that are this service's alone."""

    def unsafe(self) -> list[str]:
        """What keeps it from starting; empty in the local profile."""
        return unsafe_settings(self.chassis, self.urls, service=self.name, own=self.refused)

    @property
    def every_route(self) -> list[Route]:
        """Its own routes and those that every service has."""
        return [*self.routes.declared, *trace.ROUTES.declared, *audit_trail.ROUTES.declared]

    @property
    def names_in_addresses(self) -> frozenset[str]:
        """The names that its paths and queries have: what an answer may call by its name."""
        found = {"path", "query"}
        for route in self.every_route:
            found |= set(route.path_ids)
            if route.method == "GET" and route.given is not None:
                found |= names_of(route.given)
        return frozenset(found)

    def errands_with(self, http: httpx.AsyncClient) -> Errands | None:
        """Its errands, with what they reach the outside by."""
        if self.errands is None:
            return None
        return self.errands(Ports(http, self.chassis, self.running_clock(), self.name))

    def running_clock(self) -> Clock:
        """The clock of this process."""
        if self.clock is None:
            path = self.chassis.clock_file
            self.clock = SharedClock(path) if path else SystemClock()
        return self.clock


def app_of(
    service: Service, role: RoleName = "all", died: Callable[[], None] = lambda: None
) -> FastAPI:
    """The ASGI app of a service in a role. Raises UnsafeSettings; ValueError for a bad route.

    died: called when relay and consumer, timers, errands or housekeeping ended by a fault of ours.
    None of them comes back by itself, so a process had better end, too.
    """
    if unsafe := service.unsafe():
        raise UnsafeSettings("; ".join(unsafe))
    # An empty setting leaves what a test has armed in this process.
    if service.chassis.failpoints:
        failpoints.arm(service.chassis.failpoints)
    worker = role != "api"
    database = Database.connect(
        service.name, service.urls.app_url, service.urls.worker_url if worker else None
    )
    bell = Bell(database)
    if not worker:
        database.after_commit.append(bell.ring)
    http = service.http or httpx.AsyncClient(timeout=10, follow_redirects=False)
    tokens, watch = watched(service.chassis.issuer, http, service.chassis.revocations)
    running = Running(service, role, database, died)

    @asynccontextmanager
    async def lifespan(starting: FastAPI) -> AsyncIterator[None]:
        try:
            refuse_undeclared(starting, service)
            async with AsyncExitStack() as stack:
                stack.push_async_callback(database.close)
                stack.push_async_callback(bell.close)
                if service.http is None:
                    stack.push_async_callback(http.aclose)
                if worker:
                    await stack.enter_async_context(background(running, http))
                if role != "worker":
                    await stack.enter_async_context(informed(running, watch))
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
    head(app, production=service.chassis.profile == "production")
    install_handlers(app, service.names_in_addresses)
    add_probes(app, running)
    if role != "worker":
        _add_routes(app, service, database, tokens)
    return app


def refuse_undeclared(app: FastAPI, service: Service) -> None:
    """Raise UndeclaredRoute for a route that says no permission: the app does not start.

    A route that a secret opens is declared as one.
    """
    declared = {(route.method, route.path) for route in service.every_route}
    declared |= {("GET", route.path) for route in service.secret_routes.declared}
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
    for opened in service.secret_routes.declared:

        async def open_by_secret(request: Request, route: Any = opened) -> Response:
            return await answer_secret(adapter, route, request)

        app.add_route(opened.path, open_by_secret, methods=["GET"], include_in_schema=False)
    document(app, service)
    if service.chassis.has_docs:
        add_docs(app)
    local = service.chassis.profile == "local"
    let_in(app, () if local else service.chassis.cors_origins, loopback=local)
