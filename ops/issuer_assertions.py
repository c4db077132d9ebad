"""A machine proves who it is with a JWT of its own key (RFC 7523; SMART App Launch 2.2, section
"Backend Services"). Each is taken once."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from ops import private_files
from shared.contracts.permissions import Scope, covered, scope_of
from shared.values.clock import Clock

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["ES384", "RS384", "ES256"]
"""The first two are what SMART asks of every server."""
SECONDS_MAX = 300
LEEWAY_SECONDS = 30
JTI_LENGTH_MAX = 200
USED_FILE = "used-assertions.json"


class BadAssertion(Exception):
    """The assertion is not accepted. The reason is for the log, never for the caller."""


class Assertions:
    """Checks assertions for one token endpoint, and remembers those it took until they expire."""

    def __init__(self, folder: Path, audience: str, clock: Clock) -> None:
        self._path = folder / USED_FILE
        self._audience = audience
        self._clock = clock
        # Kept in a file, too: an issuer that is started again takes none a second time.
        self._used: dict[str, int] = json.loads(private_files.kept(self._path, lambda: "{}"))

    def take(self, assertion: str, client_id: str, jwks: Mapping[str, Any]) -> None:
        """Accept one assertion of a client with these public keys. Raises BadAssertion."""
        try:
            keys = KeySet.import_key_set(dict(jwks))  # type: ignore[arg-type]
            decoded = jwt.decode(assertion, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise BadAssertion(type(error).__name__) from None
        if not isinstance(decoded.header.get("kid"), str):
            raise BadAssertion("kid")
        claims = decoded.claims
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise BadAssertion("iss_or_sub")
        if claims.get("aud") not in (self._audience, [self._audience]):
            raise BadAssertion("aud")
        self._remember(client_id, claims.get("jti"), self._until(claims))

    def _until(self, claims: Mapping[str, Any]) -> int:
        now = int(self._clock.now().timestamp())
        until, since = claims.get("exp"), claims.get("nbf", now)
        if type(until) is not int or type(since) is not int:
            raise BadAssertion("times")
        if not now - LEEWAY_SECONDS < until <= now + SECONDS_MAX + LEEWAY_SECONDS:
            raise BadAssertion("exp")
        if since > now + LEEWAY_SECONDS:
            raise BadAssertion("nbf")
        return until

    def _remember(self, client_id: str, jti: Any, until: int) -> None:
        if not isinstance(jti, str) or not 1 <= len(jti) <= JTI_LENGTH_MAX:
            raise BadAssertion("jti")
        mark = sha256(f"{client_id}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        now = int(self._clock.now().timestamp())
        self._used = {m: end for m, end in self._used.items() if end + LEEWAY_SECONDS > now}
        if mark in self._used:
            raise BadAssertion("replayed")
        self._used[mark] = until
        private_files.write(self._path, json.dumps(self._used))


def named_client(assertion: str) -> str:
    """Whom an assertion says it is of, before it is checked. Raises BadAssertion."""
    try:
        claims = json.loads(jws.extract_compact(assertion.encode()).payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise BadAssertion(type(error).__name__) from None
    if not isinstance(claims, dict):
        raise BadAssertion("claims")
    return str(claims.get("iss"))


def public_keys(jwks: Any) -> dict[str, Any]:
    """A JWKS of public EC and RSA keys, each with a `kid`. Raises ValueError for any other."""
    try:
        keys = KeySet.import_key_set(jwks).keys
        # A key without one is given its thumbprint here, which no machine would know to send.
        named = all(isinstance(key["kid"], str) for key in jwks["keys"])
    except (JoseError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("jwks") from error
    kinds = all(isinstance(key, ECKey | RSAKey) and not key.is_private for key in keys)
    if not keys or not kinds or not named:
        raise ValueError("jwks")
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


def known_scopes(given: Any) -> list[str]:
    """The scopes that a machine may ask for. Raises ValueError where one is not known."""
    if not isinstance(given, list) or not given:
        raise ValueError("scopes")
    for text in given:
        found = scope_of(text) if isinstance(text, str) else None
        if found is None or found.level != "system":
            raise ValueError("scopes")
    return [str(text) for text in given]


def granted_scopes(asked: str, registered: list[str]) -> str:
    """Those of the scopes asked for that are known and registered; any other is dropped."""
    held = [scope for text in registered if (scope := scope_of(text)) is not None]

    def may(wanted: Scope | None) -> bool:
        return wanted is not None and covered(held, wanted)

    return " ".join(text for text in dict.fromkeys(asked.split()) if may(scope_of(text)))
