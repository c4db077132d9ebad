"""Every answer of every app says the same to a browser: whoever made it, whatever it is."""

import importlib
import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from ops import issuer
from ops.payer_simulator.app import PayerSimulator
from ops.tests.monitored import World
from shared.db.database import Database
from shared.db.provision import SERVICES
from shared.testing.apps import Office
from shared.testing.tokens import ISSUER
from shared.web import headers
from shared.web.service import app_of
from shared.web.settings import Chassis, Urls

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE")
ORIGIN = "http://127.0.0.1:3000"
DESK = "https://desk.clinic.example"
EXPECTED = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
POLICY = "default-src 'none'; frame-ancestors 'none'"
TRANSPORT = "strict-transport-security"


@pytest_asyncio.fixture(autouse=True)
async def closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Apps are asked here without their lifespan, which would close what they connect to."""
    connect, made = Database.connect, list[Database]()

    def connecting(name: str, app_url: str, worker_url: str | None) -> Database:
        made.append(connect(name, app_url, worker_url))
        return made[-1]

    monkeypatch.setattr(Database, "connect", connecting)
    yield
    for database in made:
        await database.close()


async def broken(_: Request) -> Response:
    raise RuntimeError("nobody caught this")


def service_app(name: str, profile: str, environment: dict[str, str], office: Office) -> Starlette:
    prefix = f"CLINICBUS_{name.upper()}"
    urls = Urls(app_url=environment[f"{prefix}_APP_URL"])
    chassis = Chassis.model_validate(
        {
            "profile": profile,
            "issuer": "https://issuer.test" if profile == "production" else ISSUER,
            "service_secret": "nobody else knows this one " * 2,
            "rates": "",
            "audit_key": "/nowhere/key.json",
            "cors_origins": DESK if profile == "production" else "",
        }
    )
    settings = importlib.import_module(f"services.{name}.settings")
    more: dict[str, Any] = {}
    if name == "payments":
        more["cards"] = settings.Cards(processor="none")
    if name == "eligibility":
        more["gateway"] = settings.Gateway(url="https://payer.example/x12")
    made = importlib.import_module(f"services.{name}.app").service(
        settings.Settings(chassis=chassis, urls=urls, **more)
    )
    made.http = office.http
    app = app_of(made, "api")
    app.add_route("/broken", broken)
    return app


def paths_of(app: Starlette) -> Iterator[str]:
    for route in app.routes:
        path: str = getattr(route, "path")
        yield re.sub(r"\{[^}]*\}", "not-one", path)
        yield re.sub(r"\{[^}]*\}", str(UUID(int=7)), path)
    yield from ("/", "/nowhere", "/v1/nowhere", "/v1//", "/docs/nothing", "/%00")


def faults_of(answer: httpx.Response, *, production: bool) -> list[str]:
    found = answer.headers
    faults = [f"{k}: {found.get_list(k)}" for k, v in EXPECTED.items() if found.get_list(k) != [v]]
    faults += ["server"] if "server" in found else []
    faults += ["HSTS"] if (TRANSPORT in found) is not production else []
    policies = found.get_list("content-security-policy")
    if answer.headers.get("content-type", "").startswith("text/html"):
        (policy,) = policies
        faults += [] if "frame-ancestors 'none'" in policy else ["the page's policy"]
    elif policies != [POLICY]:
        faults.append(f"policy: {policies}")
    return faults


async def walked(app: Starlette, *, production: bool, token: str | None) -> set[int]:
    """Ask everything of an app; the statuses seen. Fails at answers that lack a header."""
    statuses, faults = set(), {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    asking: list[dict[str, str]] = [{}]
    if token is not None:
        asking.append({"Authorization": f"Bearer {token}"})
    for origin in (ORIGIN, DESK):
        asking.append({"Origin": origin, "Access-Control-Request-Method": "POST"})
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        for path, method, given in product(sorted(set(paths_of(app))), METHODS, asking):
            answer = await http.request(method, path, headers=given)
            statuses.add(answer.status_code)
            if wrong := faults_of(answer, production=production):
                faults[f"{method} {path} {answer.status_code}"] = wrong
    assert faults == {}
    return statuses


@pytest.mark.parametrize("profile", ["local", "production"])
@pytest.mark.parametrize("name", SERVICES)
async def test_every_answer_of_a_service(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, name: str, profile: str
) -> None:
    app = service_app(name, profile, environment, clinic_office)
    production = profile == "production"
    # The test's issuer has no TLS, so that nobody is known to the production profile.
    token = None if production else clinic_office.issuer.token(network_id, "admin")
    statuses = await walked(app, production=production, token=token)
    assert statuses >= {200, 401, 404, 405, 500} | (set() if production else {400, 422})


@pytest.mark.parametrize("name", SERVICES)
async def test_a_production_profile_describes_itself_when_asked_to_alone(
    environment: dict[str, str],
    clinic_office: Office,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {}
    for docs in ("", "on"):
        if docs:
            monkeypatch.setenv("CLINICBUS_DOCS", docs)
        app = service_app(name, "production", environment, clinic_office)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            paths = ("/docs", "/openapi.json", "/docs/start.js")
            found[docs] = [(await http.get(path)).status_code for path in paths]
    assert found == {"": [404, 404, 404], "on": [200, 200, 200]}


@pytest.mark.parametrize("profile", ["local", "production"])
async def test_pages_of_which_origins_may_read(
    environment: dict[str, str], clinic_office: Office, profile: str
) -> None:
    app = service_app("patients", profile, environment, clinic_office)
    transport = httpx.ASGITransport(app=app)
    let_in = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        for origin in (ORIGIN, "http://localhost", DESK, f"{DESK}.evil.example", "null",
                       "http://localhost.evil.example", "http://desk.clinic.example"):  # fmt: skip
            answer = await http.get("/livez", headers={"Origin": origin})
            if allowed := answer.headers.get("access-control-allow-origin"):
                assert allowed == origin
                let_in.add(origin)
    assert let_in == ({ORIGIN, "http://localhost"} if profile == "local" else {DESK})


async def test_every_answer_of_the_issuer_and_the_simulated_payer(tmp_path: Path) -> None:
    for app in (issuer.app_of(tmp_path, ISSUER), PayerSimulator(0).app()):
        app.add_route("/broken", broken)
        assert await walked(app, production=False, token="none") >= {200, 404, 405, 500}


async def test_every_answer_of_the_monitor(network_id: UUID) -> None:
    world = await World().begin()
    app = world.site().app()
    app.add_route("/broken", broken)
    assert await walked(app, production=False, token="none") >= {200, 401, 404, 405, 500}


async def test_an_app_without_the_headers_is_found(
    environment: dict[str, str], clinic_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "ALWAYS", headers.ALWAYS[1:])
    app = service_app("patients", "local", environment, clinic_office)
    with pytest.raises(AssertionError, match="cache-control"):
        await walked(app, production=False, token=None)
