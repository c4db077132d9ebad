"""The issuer's routes for what was taken back.

    GET  /revocations        the list, as every service reads it
    POST /revocations        {sub, role?} or {jti}: take it back
    POST /revocations/lift   the same: let new tokens be made again

Whoever changes it holds a token of an administrator of the network, which names them. It is not for
oneself, nor for who is bound to clinics, as a person is the network's; each deed stands in the log
of `ops.revocations`.
"""

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ops.issuer_clients import Refused, read_body
from ops.tokens import Minter
from shared.contracts.permissions import Permission, Role
from shared.web.published import Published
from shared.web.tokens import NAME_LENGTH_MAX, BadToken, Principal, TokenVerifier

log = structlog.get_logger(__name__)


class RevocationRoutes:
    """The routes over one minter's list."""

    def __init__(self, minter: Minter) -> None:
        self._minter = minter
        self._published = Published()
        self._verifier = TokenVerifier(self._published, minter.issuer, self._hear)

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/revocations", self.listed),
            Route("/revocations", self.revoke, methods=["POST"]),
            Route("/revocations/lift", self.lift, methods=["POST"]),
        ]

    async def listed(self, _: Request) -> JSONResponse:
        """The list: ids and times, of nobody's name."""
        return JSONResponse(self._minter.revocations.published())

    async def revoke(self, request: Request) -> JSONResponse:
        """Take back what a person has, or have in a role, or one token."""
        principal, target, role = await self._asked(request)
        if target in (principal.actor.id, principal.jti):
            raise Refused(403, "access_denied", "Nobody takes back what is their own.")
        taken = self._minter.revocations
        made = taken.revoke(str(principal.actor), principal.network_id, target, role)
        log.warning("revocation.made", actor=str(principal.actor), role=role)
        return JSONResponse({"since": made.since}, 201)

    async def lift(self, request: Request) -> JSONResponse:
        """Let new tokens be made again; the old ones stay refused."""
        principal, target, role = await self._asked(request)
        if target == principal.actor.id:
            raise Refused(403, "access_denied", "Nobody gives themselves back what was taken.")
        taken = self._minter.revocations
        lifted = taken.lift(str(principal.actor), principal.network_id, target, role)
        log.warning("revocation.lifted", actor=str(principal.actor), role=role)
        return JSONResponse({"lifted": lifted})

    async def _asked(self, request: Request) -> tuple[Principal, str, str | None]:
        principal = await self._administrator(request)
        given = await read_body(request)
        if ("sub" in given) == ("jti" in given) or not given.keys() <= {"sub", "jti", "role"}:
            raise Refused(400, "invalid_request", "Give sub, sub and role, or jti.")
        return principal, _target(given), _role(given)

    async def _administrator(self, request: Request) -> Principal:
        await self._hear()
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            principal = await self._verifier.verify(token if scheme.lower() == "bearer" else "")
        except BadToken as error:
            log.warning("token.refused", reason=str(error))
            raise Refused(401, "invalid_token", "A valid bearer token is needed.") from None
        if Permission.ACCESS_REVOKE not in principal.permissions:
            raise Refused(403, "access_denied", "Only an administrator may.")
        if principal.actor.clinic_ids is not None:
            raise Refused(403, "access_denied", "It is for the whole network, and not a clinic's.")
        return principal

    async def _hear(self) -> None:
        """Its own list is never old: what was taken back a moment ago opens nothing here."""
        self._published.take_keys(self._minter.published())
        self._published.take_list(self._minter.revocations.published())


def _target(given: dict[str, Any]) -> str:
    found = given.get("sub", given.get("jti"))
    if not isinstance(found, str) or not 1 <= len(found) <= NAME_LENGTH_MAX:
        raise Refused(400, "invalid_request", "An id is a text of 1 to 200 characters.")
    return found


def _role(given: dict[str, Any]) -> str | None:
    found = given.get("role")
    if found is not None and ("jti" in given or found not in {role.value for role in Role}):
        raise Refused(400, "invalid_request", "A role is one of ours, and a person's.")
    return found
