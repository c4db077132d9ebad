"""Routes that a secret in their path opens, and no token: what a calendar subscribes to.

A secret is 64 characters of base64url: 16 bytes that name the network, so that row security holds
from the first query on, and 256 random bits. Kept is its SHA-256 alone. One that is unknown, or
taken back, or none at all is answered with the same 404, and none reaches a log or a trace.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from shared.bus.tracing import served
from shared.db.actor import Actor
from shared.db.work import Context, Work
from shared.values.errors import DomainError, NotFound
from shared.web.adapter import Adapter
from shared.web.calls import Reply, rendered
from shared.web.guards import trace_of
from shared.web.limits import RateExceeded
from shared.web.metrics import REQUESTS, SECONDS
from shared.web.problems import problem

UNKNOWN = Counter("clinicbus_secrets_unknown_total", "Secrets that open nothing", ("service",))

_PATH = re.compile(r"/v1/[a-z0-9-]+/\{secret\}\.[a-z]+")
_SECRET = re.compile(r"[A-Za-z0-9_-]{64}")


class Secret(NamedTuple):
    """What a secret's text says: whose network it is of, and what is kept of it."""

    network_id: UUID
    digest: bytes


def new_secret(network_id: UUID) -> str:
    """A secret of a network, with 256 random bits."""
    return base64.urlsafe_b64encode(network_id.bytes + secrets.token_bytes(32)).decode()


def secret_of(text: str) -> Secret | None:
    """What a text says; None for what is no secret."""
    if not _SECRET.fullmatch(text):
        return None
    raw = base64.urlsafe_b64decode(text)
    return Secret(UUID(bytes=raw[:16]), hashlib.sha256(raw).digest())


Function = Callable[[Work, Secret], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class SecretRoute:
    """A declared route. Its function raises NotFound for a secret that opens nothing."""

    path: str
    function: Function

    @property
    def name(self) -> str:
        """What the audit calls it."""
        return self.function.__name__

    @property
    def resource(self) -> str:
        """The path without the secret, for the audit."""
        return self.path.partition("/{")[0]


@dataclass(slots=True)
class SecretRoutes:
    """The routes of one service that a secret opens. They read; nothing is changed by a secret."""

    declared: list[SecretRoute] = field(default_factory=list)

    def get(self, path: str) -> Callable[[Function], Function]:
        """Declare a read. The path ends in `{secret}` and a suffix such as `.ics`."""
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path}: a path below /v1 that ends in {{secret}} and a suffix")

        def keep(function: Function) -> Function:
            self.declared.append(SecretRoute(path, function))
            return function

        return keep


async def answer_secret(adapter: Adapter, route: SecretRoute, request: Request) -> Response:
    """Answer one request: how often, whose it is, and what is new of it (RFC 9110, 13.1.2)."""
    started = time.perf_counter()
    given = request.headers.get("traceparent")
    flow, origin = trace_of(given)
    joined = given is not None and origin == given.strip()
    with served(adapter.service, "GET", route.path, flow, origin, joined=joined) as seen:
        response = await _guarded(adapter, route, request, flow)
        seen.answered(response.status_code)
    response.raw_headers.append((b"x-request-id", str(flow).encode()))
    labels = adapter.service, route.path
    REQUESTS.labels(*labels, "GET", response.status_code).inc()
    SECONDS.labels(*labels).observe(time.perf_counter() - started)
    return response


async def _guarded(adapter: Adapter, route: SecretRoute, request: Request, flow: UUID) -> Response:
    secret = secret_of(request.path_params["secret"])
    if secret is None:
        return _unknown(adapter, request)
    wait, told = adapter.limits.admit_secret(secret.digest)
    if wait:
        response = problem(RateExceeded(wait))
        response.raw_headers += told
        return response
    actor = Actor("feed", secret.digest.hex()[:16])
    context = Context(secret.network_id, actor, adapter.clock.now(), flow)
    try:
        async with adapter.database.work(context) as work:
            reply = await route.function(work, secret)
            work.audit(route.name, route.resource)
    except NotFound:
        return _unknown(adapter, request)
    except DomainError as error:
        return problem(error)
    response = _unless_known(request, rendered(reply))
    response.raw_headers += told
    return response


def _unknown(adapter: Adapter, request: Request) -> Response:
    """The one answer to what opens nothing; and no more than that, who guesses all the time."""
    UNKNOWN.labels(adapter.service).inc()
    wait = adapter.limits.refused(request.client and request.client.host)
    if wait:
        return problem(RateExceeded(wait))
    return problem(NotFound("secret.unknown", "There is no such address."))


def _unless_known(request: Request, response: Response) -> Response:
    """The response with its strong ETag, or 304 where the caller has it already."""
    tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    asked = request.headers.get("if-none-match", "")
    known = {one.strip().removeprefix("W/") for one in asked.split(",")}
    if tag in known or asked.strip() == "*":
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return response
