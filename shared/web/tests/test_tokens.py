"""Bearer tokens, as RFC 8725 asks."""

import base64
import json
import time
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from shared.contracts.permissions import Permission
from shared.testing.tokens import ISSUER, TestIssuer
from shared.values.ids import new_id
from shared.web.tokens import BadToken, TokenVerifier


class Fixture:
    def __init__(self) -> None:
        self.issuer = TestIssuer()
        self.asked = 0
        self.down = False
        transport = httpx.MockTransport(self._answer)
        self.http = httpx.AsyncClient(transport=transport)
        self.verifier = TokenVerifier(ISSUER, self.http)
        self.network_id: UUID = new_id()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("down", request=request)
        return self.issuer.answer(request)


@pytest.fixture
async def at() -> AsyncIterator[Fixture]:
    found = Fixture()
    yield found
    await found.http.aclose()


async def test_a_good_token_names_person_network_and_permissions(at: Fixture) -> None:
    principal = await at.verifier.verify(at.issuer.token(at.network_id, "front_desk", "nobody"))
    assert principal.network_id == at.network_id
    assert Permission.APPOINTMENT_BOOK in principal.permissions
    assert Permission.LEDGER_READ not in principal.permissions
    assert str(principal.actor) == "person/test-person"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": ISSUER + ".evil"},
        {"iss": None},
        {"aud": "another-service"},
        {"aud": None},
        {"aud": ["clinicbus", "another"]},
        {"exp": None},
        {"exp": 1},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"sub": None},
        {"jti": None},
        {"network": None},
        {"network": "not-a-uuid"},
        {"network": ["a", "b"]},
        {"clinics": ["x"]},
    ],
)
async def test_a_token_with_wrong_claims_is_refused(at: Fixture, claims: dict[str, object]) -> None:
    with pytest.raises(BadToken):
        await at.verifier.verify(at.issuer.token(at.network_id, "front_desk", **claims))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_token_that_chooses_its_own_rules_is_refused(at: Fixture) -> None:
    good = at.issuer.token(at.network_id, "front_desk")
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    other = ECKey.generate_key("P-256", {"kid": "test"})
    public = json.dumps(at.issuer.key.as_dict(private=False)).encode()
    mac = OctKey.import_key(public.ljust(64, b"."))
    bad = [
        f"{_part({'alg': 'none', 'typ': 'at+jwt', 'kid': 'test'})}.{_part(claims)}.",
        jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": "test"}, claims, mac),
        jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "test"}, claims, other),
        jwt.encode({"alg": "ES256", "typ": "JWT", "kid": "test"}, claims, at.issuer.key),
        jwt.encode({"alg": "ES256", "kid": "test"}, claims, at.issuer.key),
        jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "../x"}, claims, at.issuer.key),
        good[:-4] + "AAAA",
        good + "." + good,
        "x" * 9000,
        "",
        "\ud800",
    ]
    for token in bad:
        with pytest.raises(BadToken):
            await at.verifier.verify(token)


async def test_keys_are_fetched_rarely_and_known_ones_go_on_without_the_issuer(
    at: Fixture,
) -> None:
    await at.verifier.verify(at.issuer.token(at.network_id, "nurse"))
    at.down = True
    await at.verifier.verify(at.issuer.token(at.network_id, "provider"))
    assert at.asked == 1
    stranger = TestIssuer(ECKey.generate_key("P-256", {"kid": "new"}))
    for _ in range(20):
        with pytest.raises(BadToken):
            await at.verifier.verify(stranger.token(at.network_id, "nurse"))
    assert at.asked == 1
