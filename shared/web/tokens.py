"""Bearer tokens: JWTs of one issuer, checked as RFC 8725 asks.

One algorithm (ES256), keys only from the issuer's own JWKS by `kid`, `typ` at+jwt (RFC 9068),
issuer and audience compared whole, expiry required, a minute of clock skew at most.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError

from shared.contracts.permissions import Permission, permissions_of
from shared.db.actor import Actor
from shared.web.published import Published, Watch

AUDIENCE = "clinicbus"
ALGORITHMS = ["ES256"]
LEEWAY_SECONDS = 60
TOKEN_BYTES_MAX = 8 * 1024
NAME_LENGTH_MAX = 200
CACHE_SIZE = 2048
CACHE_SECONDS = 30.0


class BadToken(Exception):
    """The token is not accepted. The reason is for the log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a token speaks for, and how they proved it.

    issued, authenticated: seconds of the epoch; the latter is when the person last proved who they
    are, at the level `acr` (OpenID Connect Core 1.0, section 2); None where the token tells not.
    """

    actor: Actor
    network_id: UUID
    permissions: frozenset[Permission]
    patient_id: UUID | None
    jti: str
    issued: float
    acr: str | None = None
    authenticated: float | None = None


class TokenVerifier:
    """Checks tokens of one issuer, by the keys and revocations that it publishes.

    refresh: asks for both; it is called where nothing was heard yet, and for an unknown key.
    Verified tokens are remembered for half a minute, never past their expiry nor past a change of
    the keys. Whether one was taken back is looked at each time.
    """

    def __init__(
        self, published: Published, issuer: str, refresh: Callable[[], Awaitable[None]]
    ) -> None:
        self.published = published
        self._issuer = issuer
        self._refresh = refresh
        self._seen: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._generation = published.generation

    async def verify(self, token: str) -> Principal:
        """The principal of a token. Raises BadToken."""
        if len(token) > TOKEN_BYTES_MAX:
            raise BadToken("too_long")
        if not self.published.heard:
            await self._refresh()
        if self._generation != self.published.generation:
            self._seen.clear()
            self._generation = self.published.generation
        principal = await self._verified(token)
        actor = principal.actor
        if self.published.revoked(
            principal.network_id, actor.id, principal.jti, actor.roles, principal.issued
        ):
            raise BadToken("revoked")
        return principal

    async def _verified(self, token: str) -> Principal:
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._seen.get(digest)
        now = time.time()  # noqa: TID251 - tokens run on real time
        if found is not None and found[0] > now:
            return found[1]
        claims = await self._claims(token)
        principal = _principal(claims)
        until = min(now + CACHE_SECONDS, float(claims["exp"]) + LEEWAY_SECONDS)
        self._seen[digest] = (until, principal)
        while len(self._seen) > CACHE_SIZE:
            self._seen.popitem(last=False)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            decoded = self._decoded(token)
        except BadToken:
            before = self.published.generation
            await self._refresh()
            if self.published.generation == before:
                raise
            decoded = self._decoded(token)
        if str(decoded.header.get("typ", "")).lower() != "at+jwt":
            raise BadToken("typ")
        return self._checked(decoded.claims)

    def _decoded(self, token: str) -> jwt.Token:
        if self.published.keys is None:
            raise BadToken("no_keys")
        try:
            return jwt.decode(token, self.published.keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise BadToken(type(error).__name__) from None

    def _checked(self, claims: dict[str, Any]) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise BadToken(type(error).__name__) from None
        if claims["aud"] != AUDIENCE or claims["iss"] != self._issuer:
            raise BadToken("aud_or_iss")
        return claims


def watched(
    issuer: str, client: httpx.AsyncClient, revocations: str | None = None
) -> tuple[TokenVerifier, Watch]:
    """A verifier for the tokens of an issuer that answers over HTTP, and what keeps it informed.

    revocations: where its list is, unless at the issuer.
    """
    published = Published()
    watch = Watch(published, issuer, client, revocations=revocations)
    return TokenVerifier(published, issuer, watch.refresh), watch


def _principal(claims: dict[str, Any]) -> Principal:
    try:
        network_id = UUID(claims["network"])
        roles = tuple(str(role) for role in claims.get("roles", ()))
        clinics = claims.get("clinics")
        clinic_ids = None if clinics is None else frozenset(UUID(str(c)) for c in clinics)
        patient = claims.get("patient")
        patient_id = None if patient is None else UUID(patient)
        others = frozenset(UUID(other) for other in claims.get("acts_for", ())) - {patient_id}
        # A token that names patients is bound, whatever its roles: to itself, until it is looked
        # up for whom else (`shared.db.proxies`).
        own = frozenset() if patient_id is None else frozenset({patient_id})
        bound = own if own or others else None
        permissions = permissions_of(
            roles, _text(claims.get("scope", "")), patient=bound is not None
        )
        sub, jti, issued = _name(claims["sub"]), _name(claims["jti"]), float(claims["iat"])
        acr, authenticated = claims.get("acr"), claims.get("auth_time")
        acr = None if acr is None else _text(acr)
        authenticated = None if authenticated is None else float(authenticated)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadToken("claims") from None
    acting = claims.get("act")
    kind = "service" if "service" in roles else "person" if bound is None else "patient"
    actor = Actor(
        kind=kind,
        id=sub,
        roles=roles,
        clinic_ids=clinic_ids,
        patient_ids=bound,
        acts_for=others,
        on_behalf_of=str(acting["sub"])[:NAME_LENGTH_MAX] if isinstance(acting, dict) else None,
    )
    return Principal(actor, network_id, permissions, patient_id, jti, issued, acr, authenticated)


def _name(claim: Any) -> str:
    found = _text(claim)
    if not 1 <= len(found) <= NAME_LENGTH_MAX:
        raise ValueError("an id has a length")
    return found


def _text(claim: Any) -> str:
    if not isinstance(claim, str):
        raise TypeError("such a claim is a text (RFC 9068, section 2.2)")
    return claim
