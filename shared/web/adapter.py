"""From a request to a route's transaction and back: token, permission, headers, body, reply."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.responses import Response

from shared.bus.tracing import served
from shared.contracts.permissions import WITHOUT_PHI
from shared.db.actor import require_patients
from shared.db.database import Database
from shared.db.emergency import in_emergency, may_be_one
from shared.db.failpoints import hit
from shared.db.pool import GONE
from shared.db.work import Context, Work
from shared.values.clock import Clock
from shared.values.errors import (
    Conflict,
    DomainError,
    ProofWanted,
    Unavailable,
    VersionMissing,
)
from shared.web.backing import backed
from shared.web.body import fingerprint, read_bytes, require_json, require_plain, validated
from shared.web.calls import Call, Reply, read_if_match, read_key, rendered
from shared.web.guards import (
    is_denial,
    require_network,
    require_permission,
    require_somebody,
    trace_of,
)
from shared.web.limits import Limits, RateExceeded
from shared.web.metrics import DENIED, REQUESTS, SECONDS, UNAUTHENTICATED
from shared.web.minimum import lesser_of
from shared.web.problems import plain_problem, problem
from shared.web.query import require_query
from shared.web.routes import Route
from shared.web.step_up import challenge, require_proof
from shared.web.tokens import BadToken, Principal, TokenVerifier
from shared.web.transactions import Constraints, Key, Plan, in_transaction, within_reach
from shared.web.uploads import read_upload

log = structlog.get_logger(__name__)

ENRICH_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Adapter:
    """What every route of a service is answered with."""

    service: str
    database: Database
    clock: Clock
    tokens: TokenVerifier
    constraints: Constraints
    cursor_secret: bytes
    limits: Limits
    proof_levels: frozenset[str] = frozenset()
    _meters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = field(default_factory=dict)

    async def answer(
        self, route: Route, request: Request, path: Mapping[str, UUID], query: Any
    ) -> Response:
        """Answer one request of a route. Refusals become problem documents here."""
        started = time.perf_counter()
        given = request.headers.get("traceparent")
        flow, origin = trace_of(given)
        joined = given is not None and origin == given.strip()
        names = self.service, route.method, route.path
        with served(*names, flow, origin, joined=joined) as seen:
            response = await self._guarded(route, request, path, query, flow, seen.traceparent)
            seen.answered(response.status_code)
        response.raw_headers += (
            (b"x-request-id", str(flow).encode()),
            (b"traceparent", seen.traceparent.encode()),
        )
        counted = route.method, route.path, response.status_code
        requests, seconds = self._meters.get(counted) or self._meter(*counted)
        requests.inc()
        seconds.observe(time.perf_counter() - started)
        return response

    def _meter(self, method: str, path: str, status: int) -> tuple[Counter, Histogram]:
        labels = (self.service, path)
        made = REQUESTS.labels(*labels, method, status), SECONDS.labels(*labels)
        self._meters[method, path, status] = made
        return made

    async def _guarded(
        self,
        route: Route,
        request: Request,
        path: Mapping[str, UUID],
        query: Any,
        correlation_id: UUID,
        traceparent: str,
    ) -> Response:
        try:
            principal = await self.principal(request)
        except BadToken as error:
            return self._unknown(route, request, error)
        wait, told = self.limits.admit(principal, route.may)
        response = problem(RateExceeded(wait)) if wait else None
        if response is None:
            try:
                response = await self._known(
                    principal, route, request, path, query, correlation_id, traceparent
                )
            except Unavailable as error:
                response = problem(error)
        response.raw_headers += told
        return response

    def _unknown(self, route: Route, request: Request, error: BadToken) -> Response:
        """Refuse whom no token vouches for; and no more than that, who does it all the time."""
        UNAUTHENTICATED.labels(self.service, str(error)).inc()
        wait = self.limits.refused(request.client and request.client.host)
        if wait:
            return problem(RateExceeded(wait))
        log.warning("token.refused", reason=str(error), route=route.path)
        return plain_problem(
            401, "token.refused", "A valid bearer token is needed.",
            {"WWW-Authenticate": 'Bearer realm="clinicbus"'},
        )  # fmt: skip

    async def _known(
        self,
        principal: Principal,
        route: Route,
        request: Request,
        path: Mapping[str, UUID],
        query: Any,
        correlation_id: UUID,
        traceparent: str,
    ) -> Response:
        context = Context(
            principal.network_id,
            principal.actor,
            self.clock.now(),
            correlation_id,
            traceparent=traceparent,
        )
        # A cursor is of use where it was handed out, and nowhere else.
        secret = b"%s/%s/%s" % (
            self.cursor_secret, route.path.encode(), principal.network_id.bytes,
        )  # fmt: skip
        call: Call[Any] = Call(principal, path, query, None, correlation_id, traceparent, secret)
        try:
            require_permission(route, principal)
            require_network(route, principal)
            if route.may not in WITHOUT_PHI and not self.tokens.published.known:
                raise Unavailable("revocations.unknown", "Who may still come in is not known now.")
            if route.step_up:
                now = time.time()  # noqa: TID251 - tokens run on real time
                require_proof(principal, self.proof_levels, now)
            principal = call.principal = await backed(self.database, context, principal, route.may)
            context = replace(context, actor=principal.actor)
            # Before anything is read: whether there is such a patient is nothing for another.
            require_patients(principal.actor, (path[n] for n in path if n == "patient_id"))
            require_query(request, route.given if route.method == "GET" else None)
            key = await self._read(route, request, call)
            call.lesser = lesser_of(route.lesser, route.may, principal.permissions)
            if call.lesser is not None:
                call.lesser.require_asked(call.given)
            await hit("route.received")
            if route.before is not None:
                await route.before(call)
            return await self._run(route, request, call, context, key)
        except DomainError as error:
            if is_denial(error, principal):
                await self._denied(route, request, context, call, error)
            more = challenge(self.proof_levels) if isinstance(error, ProofWanted) else None
            return problem(error, await self._enriched(route, call, context, error), more)

    async def principal(self, request: Request) -> Principal:
        """Whom the request's one Authorization header speaks for. Raises BadToken."""
        given = request.headers.getlist("authorization")
        if len(given) != 1:
            raise BadToken("none" if not given else "several")
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise BadToken("scheme")
        return await self.tokens.verify(token.strip())

    async def knows(self, request: Request) -> bool:
        """Whether a request is of somebody; if not, `answer` refuses it."""
        try:
            await self.principal(request)
        except BadToken:
            return False
        return True

    async def _read(self, route: Route, request: Request, call: Call[Any]) -> Key | None:
        """Read headers and body into the call; the idempotency key, where the route has one."""
        key_text = read_key(request) if route.keyed else None
        call.if_match = read_if_match(request.headers.get("if-match"))
        call.if_none_match = request.headers.get("if-none-match")
        if route.versioned and call.if_match is None:
            raise VersionMissing("version.missing", "This change needs an If-Match header.")
        canonical = b""
        require_plain(request)
        if route.upload is not None:
            call.given, canonical = await read_upload(request, route.upload, route.limit_bytes)
        elif route.method != "GET":
            raw = await read_bytes(request)
            if route.given is not None:
                require_json(request)
                call.given = validated(raw, route.given)
                canonical = fingerprint(raw)
        if key_text is None:
            return None
        version = b"" if call.if_match is None else str(call.if_match).encode()
        caller = str(call.principal.actor)
        return Key(caller, route.method, request.url.path, key_text, canonical + b"|" + version)

    async def _run(
        self, route: Route, request: Request, call: Call[Any], context: Context, key: Key | None
    ) -> Response:
        reply = Reply()

        async def run(work: Work) -> Response:
            nonlocal reply
            await hit("route.before_command")
            if may_be_one(context.actor, route.may, route.method):
                actor = await in_emergency(work, context.actor)
                work.context = replace(context, actor=actor)
                call.principal = replace(call.principal, actor=actor)
            reply = await route.function(work, call)
            require_somebody(route, call)
            if call.lesser is not None:
                reply = replace(reply, body=call.lesser.cut(reply.body))
                call.detail["minimum"] = call.lesser.may.value
            if not work.actor.emergencies.isdisjoint(call.patients):
                call.detail["emergency"] = True
            if not work.actor.acts_for.isdisjoint(call.patients):
                call.detail["proxy"] = True
            await hit("route.after_command")
            work.audit(
                route.name, request.url.path, patients=call.patients, detail=call.detail or None
            )
            return rendered(reply)

        locks_read = route.locks_read
        plan = Plan(
            context=context,
            locks=route.locks(call) if route.locks else (),
            locks_read=None if locks_read is None else (lambda work: locks_read(work, call)),
            key=key,
            patients=call.patients,
            seen_again=lambda work, patients: work.audit(
                route.name, request.url.path, patients=patients, detail={"replayed": True}
            ),
        )
        response = await in_transaction(self.database, plan, run, self.constraints)
        if route.after is not None:
            response = rendered(await route.after(call, reply))
        await hit("route.before_reply")
        return response

    async def _denied(
        self, route: Route, request: Request, context: Context, call: Call[Any], error: DomainError
    ) -> None:
        """Audit a denial in a transaction of its own: the route's was rolled back, or never was."""
        DENIED.labels(self.service, route.path).inc()
        detail = {"needs": route.may.value, "code": error.code}
        named = [call.path["patient_id"]] if "patient_id" in call.path else []
        with within_reach():
            async with self.database.work(context) as work:
                work.audit(
                    route.name,
                    request.url.path,
                    patients=call.patients or named,
                    outcome="denied",
                    detail=detail,
                )

    async def _enriched(
        self, route: Route, call: Call[Any], context: Context, error: DomainError
    ) -> dict[str, Any]:
        if route.enrich is None or not isinstance(error, Conflict) or self.database.app.busy():
            return {}
        try:
            async with asyncio.timeout(ENRICH_SECONDS):
                async with self.database.work(context) as work:
                    return dict(await route.enrich(work, call, error))
        except (*GONE, DomainError) as late:
            log.info("enrich.skipped", route=route.path, reason=type(late).__name__)
            return {}
