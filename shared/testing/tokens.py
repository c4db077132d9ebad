"""An issuer inside the test process."""

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.values.ids import new_id

ISSUER = "http://issuer.test"


@dataclass(slots=True)
class TestIssuer:
    """Signs tokens and answers for its keys and revocations at `ISSUER`."""

    __test__ = False

    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "test"}))
    revocations: list[dict[str, Any]] = field(default_factory=list)

    def token(self, network_id: UUID, *roles: str, **claims: Any) -> str:
        """A token of a person with these roles, who has just proven who they are; `claims` are
        added, or taken away with None."""
        now = int(time.time())
        members: dict[str, Any] = {
            "iss": ISSUER,
            "aud": "clinicbus",
            "sub": "test-person",
            "jti": str(new_id()),
            "iat": now,
            "exp": now + 3600,
            "network": str(network_id),
            "roles": list(roles),
            "acr": "aal2",
            "auth_time": now,
            **claims,
        }
        kept = {name: value for name, value in members.items() if value is not None}
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "test"}, kept, self.key)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The issuer's own HTTP: its JWKS, and tokens for services."""
        if request.url.path == "/.well-known/jwks.json":
            return httpx.Response(200, json={"keys": [self.key.as_dict(private=False)]})
        if request.url.path == "/revocations":
            return httpx.Response(200, json={"revocations": self.revocations})
        if request.url.path == "/token":
            wish = dict(httpx.QueryParams(request.content.decode()))
            token = self.token(
                UUID(wish["network"]),
                "service",
                sub=wish["client_id"],
                act={"sub": wish.get("act", "unknown")},
                purpose=wish.get("purpose", "none"),
            )
            return httpx.Response(200, json={"access_token": token, "expires_in": 3600})
        return httpx.Response(404)
