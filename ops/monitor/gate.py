"""Who may see what. A caller sees events of the token's network alone.

A token that is limited to clinics sees the events of these clinics and no others: an event that
names no clinic (a patient's, a coverage's) is about people who may be none of theirs.
"""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from shared.contracts.envelope import Envelope
from shared.contracts.permissions import Permission
from shared.web.tokens import BadToken, Principal, TokenVerifier


class Refused(Exception):
    """An answer in RFC 9457's form. It never repeats what the caller sent."""

    def __init__(self, status: int, code: str, title: str) -> None:
        super().__init__(code)
        self.status, self.code, self.title = status, code, title

    def response(self) -> Response:
        """The answer."""
        members = {"type": "about:blank", "title": self.title, "status": self.status,
                   "code": self.code}  # fmt: skip
        headers = {"Cache-Control": "no-store"}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(
            orjson.dumps(members),
            self.status,
            headers=headers,
            media_type="application/problem+json",
        )


def token_of(request: Request) -> str:
    """The bearer token of a request's header. Raises Refused; a token in a URL is no token."""
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "token.missing", "A bearer token is needed.")
    return token


async def admitted(request: Request, verifier: TokenVerifier, may: Permission) -> Principal:
    """Whom the token speaks for, who may do this. Raises Refused."""
    try:
        principal = await verifier.verify(token_of(request))
    except BadToken:
        raise Refused(401, "token.refused", "The token is not accepted.") from None
    if not verifier.published.known:
        raise Refused(503, "revocations.unknown", "Who may still come in is not known now.")
    if may not in principal.permissions:
        raise Refused(403, "role.denied", "This role may not do this.")
    return principal


def may_see(principal: Principal, event: Envelope) -> bool:
    """Whether an event is one of the caller's network and clinics."""
    clinics = principal.actor.clinic_ids
    return event.network_id == principal.network_id and (
        clinics is None or event.clinic_id in clinics
    )
