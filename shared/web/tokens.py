"""Bearer tokens: JWTs of one issuer, checked as RFC 8725 asks.

One algorithm (ES256), keys only from the issuer's own JWKS by `kid`, `typ` at+jwt (RFC 9068),
issuer and audience compared whole, expiry required, a minute of clock skew at most.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.contracts.permissions import Permission, permissions_of
from shared.db.actor import Actor

AUDIENCE = "clinicbus"
ALGORITHMS = ["ES256"]
LEEWAY_SECONDS = 60
TOKEN_BYTES_MAX = 8 * 1024
FETCH_PAUSE_SECONDS = 5.0
CACHE_SIZE = 2048
CACHE_SECONDS = 30.0


class BadToken(Exception):
    """The token is not accepted. The reason is for the log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a token speaks for."""

    actor: Actor
    network_id: UUID
    permissions: frozenset[Permission]
    patient_id: UUID | None


class TokenVerifier:
    """Checks tokens of one issuer. Keys are fetched when an unknown `kid` comes, at most once in
    five seconds; verified tokens are remembered for half a minute, never past their expiry."""

    def __init__(self, issuer: str, client: httpx.AsyncClient) -> None:
        self._issuer = issuer
        self._client = client
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()
        self._seen: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The principal of a token. Raises BadToken."""
        if len(token) > TOKEN_BYTES_MAX:
            raise BadToken("too_long")
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
        for attempt in (0, 1):
            keys = await self._key_set(refresh=attempt == 1)
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                if attempt == 0:
                    continue
                raise BadToken(type(error).__name__) from None
            if str(decoded.header.get("typ", "")).lower() != "at+jwt":
                raise BadToken("typ")
            return self._checked(decoded.claims)
        raise BadToken("unverified")

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

    async def _key_set(self, *, refresh: bool) -> KeySet:
        async with self._lock:
            due = time.monotonic() - self._fetched_at > FETCH_PAUSE_SECONDS
            if (self._keys is None or refresh) and due:
                self._fetched_at = time.monotonic()
                try:
                    answer = await self._client.get(f"{self._issuer}/.well-known/jwks.json")
                    answer.raise_for_status()
                    self._keys = KeySet.import_key_set(answer.json())
                except (httpx.HTTPError, ValueError, JoseError) as error:
                    if self._keys is None:
                        raise BadToken(f"no_keys:{type(error).__name__}") from None
            if self._keys is None:
                raise BadToken("no_keys")
            return self._keys


def _principal(claims: dict[str, Any]) -> Principal:
    try:
        network_id = UUID(claims["network"])
        roles = tuple(str(role) for role in claims.get("roles", ()))
        clinics = claims.get("clinics")
        clinic_ids = None if clinics is None else frozenset(UUID(str(c)) for c in clinics)
        patient = claims.get("patient")
        patient_id = None if patient is None else UUID(patient)
        # A token that names a patient is bound to whom it names, whatever its roles.
        others = [UUID(other) for other in claims.get("acts_for", ())]
        bound = None if patient_id is None else frozenset({patient_id, *others})
        permissions = permissions_of(
            roles, _text(claims.get("scope", "")), patient=patient_id is not None
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        raise BadToken("claims") from None
    acting = claims.get("act")
    kind = "service" if "service" in roles else "patient" if patient_id else "person"
    actor = Actor(
        kind=kind,
        id=str(claims["sub"])[:200],
        roles=roles,
        clinic_ids=clinic_ids,
        patient_ids=bound,
        on_behalf_of=str(acting["sub"])[:200] if isinstance(acting, dict) else None,
    )
    return Principal(actor, network_id, permissions, patient_id)


def _text(claim: Any) -> str:
    if not isinstance(claim, str):
        raise TypeError("a scope claim is a text (RFC 9068, section 2.2.3)")
    return claim
