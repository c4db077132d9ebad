"""Appointments without what trust costs: no audit, no signature looked at, no permission asked for,
and as a role that row security does not bind.

    BENCH_UNBOUND_URL=... python -m shared.web.run bench.without_trust:service --port 8101

It is measured and never used. What the clinic is about stays as it is: the rules of booking, the
key of a repeated request, the event.
"""

import base64
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request

from bench.without_audit import service as without_audit
from shared.contracts.permissions import MATRIX, Role
from shared.db.actor import Actor
from shared.web import adapter
from shared.web.service import Service
from shared.web.tokens import Principal

URL = "BENCH_UNBOUND_URL"


def _principal_of(known: dict[str, Principal]) -> Callable[..., Any]:
    async def principal(_: adapter.Adapter, request: Request) -> Principal:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if token not in known:
            body = token.split(".")[1]
            claims = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            roles = tuple(claims["roles"])
            permissions = frozenset().union(*(MATRIX[Role(role)] for role in roles))
            actor = Actor("person", claims["sub"], roles)
            network = UUID(claims["network"])
            known[token] = Principal(
                actor, network, permissions, None, claims["jti"], claims["iat"]
            )
        return known[token]

    return principal


def service() -> Service:
    """The service of the environment's settings, which from now on asks nobody who they are."""
    setattr(adapter.Adapter, "principal", _principal_of({}))
    setattr(adapter, "require_permission", lambda _route, _principal: None)
    setattr(adapter, "require_patients", lambda _actor, _patients: None)
    made = without_audit()
    made.urls.app_url = os.environ[URL]
    return made
