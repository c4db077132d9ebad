"""An EHR proves itself with its own key, once with each assertion, and gets the scopes it has."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from ops import issuer_clients
from ops.issuer import app_of
from ops.issuer_assertions import ASSERTION_TYPE, Assertions, BadAssertion
from shared.contracts.permissions import Permission
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.clocks import SystemClock
from shared.web.tokens import watched

ISSUER = "http://127.0.0.1:8110"
NETWORK = new_id()
EC = ECKey.generate_key("P-384", {"kid": "ec"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
SCOPES = ["system/Patient.rs", "system/Appointment.cruds"]


def now() -> int:
    return int(SystemClock().now().timestamp())


def assertion(key: Key = EC, alg: str = "ES384", kid: str | None = "ec", **change: Any) -> str:
    claims = {
        "iss": "ehr",
        "sub": "ehr",
        "aud": f"{ISSUER}/token",
        "exp": now() + 240,
        "jti": str(new_id()),
        **change,
    }
    header = {"alg": alg, "typ": "JWT", "kid": kid}
    return jwt.encode(
        {name: value for name, value in header.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
        key,
        algorithms=[alg],
    )


@pytest.fixture(name="client")
async def client_of_the_issuer(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app_of(tmp_path, ISSUER))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        made = await register(client, tmp_path)
        assert made.status_code == 201, made.text
        assert made.json() == {"client_id": "ehr"}
        yield client


async def register(client: httpx.AsyncClient, folder: Path, **change: Any) -> httpx.Response:
    keys = [EC.as_dict(private=False), RSA.as_dict(private=False)]
    asked = {
        "client_id": "ehr",
        "network": str(NETWORK),
        "roles": ["ehr_client"],
        "jwks": {"keys": keys},
        "scopes": SCOPES,
        **change,
    }
    secret = {"Authorization": f"Bearer {issuer_clients.admin_secret(folder)}"}
    return await client.post("/dev/clients", json=asked, headers=secret)


async def ask(client: httpx.AsyncClient, text: str, **change: str | None) -> httpx.Response:
    asked = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text,
        "scope": "system/Patient.rs",
        **change,
    }
    return await client.post("/token", data={k: v for k, v in asked.items() if v is not None})


@pytest.mark.parametrize(("key", "alg", "kid"), [(EC, "ES384", "ec"), (RSA, "RS384", "rsa")])
async def test_a_machine_that_signs_with_its_key_gets_a_token_of_its_network(
    client: httpx.AsyncClient, key: Key, alg: str, kid: str
) -> None:
    answer = await ask(client, assertion(key, alg, kid), network=str(new_id()))
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "system/Patient.rs"
    found = await watched(ISSUER, client)[0].verify(answer.json()["access_token"])
    assert (found.network_id, found.actor.id) == (NETWORK, "ehr")
    assert found.permissions == {
        Permission.PATIENT_READ,
        Permission.PATIENT_FIND,
        Permission.PATIENT_LOOKUP,
    }


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/Patient.r", "system/Patient.r"),
        ("system/Patient.rs system/Patient.cud system/*.rs", "system/Patient.rs"),
        ("openid system/Elsewhere.rs system/Appointment.cu", "system/Appointment.cu"),
        ("user/Patient.rs patient/Patient.rs system/Appointment.s", "system/Appointment.s"),
        ("system/Patient.rs?name=x system/Patient.s", "system/Patient.s"),
    ],
)
async def test_what_is_not_known_or_not_registered_is_dropped(
    client: httpx.AsyncClient, asked: str, granted: str
) -> None:
    answer = await ask(client, assertion(), scope=asked)
    assert answer.json()["scope"] == granted


@pytest.mark.parametrize("asked", [None, "", "openid", "system/*.rs", "system/Patient.cruds"])
async def test_where_nothing_is_left_there_is_no_token(
    client: httpx.AsyncClient, asked: str | None
) -> None:
    answer = await ask(client, assertion(), scope=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


STRANGER = ECKey.generate_key("P-384", {"kid": "ec"})
SHARED = OctKey.import_key(json.dumps(RSA.as_dict(private=False)).encode())
BAD: dict[str, dict[str, Any]] = {
    "of-anothers-key": {"key": STRANGER},
    "of-an-unknown-key": {"kid": "other"},
    "without-a-kid": {"kid": None},
    "with-a-shared-secret": {"key": SHARED, "alg": "HS256", "kid": "rsa"},
    "of-another-algorithm": {"key": RSA, "alg": "RS256", "kid": "rsa"},
    "of-nobody": {"iss": None},
    "of-another-issuer": {"iss": "documents"},
    "of-another-subject": {"sub": "documents"},
    "without-a-subject": {"sub": None},
    "for-nobody": {"aud": None},
    "for-the-issuer-alone": {"aud": ISSUER},
    "for-several": {"aud": [f"{ISSUER}/token", "http://elsewhere.test"]},
    "for-ever": {"exp": None},
    "for-an-hour": {"exp": now() + 3600},
    "until-a-text": {"exp": str(now() + 200)},
    "over": {"exp": now() - 60},
    "not-yet": {"nbf": now() + 120},
    "without-a-number": {"jti": None},
    "with-an-empty-number": {"jti": ""},
    "with-a-long-number": {"jti": "j" * 201},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
async def test_a_bad_assertion_gets_no_token(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    answer = await ask(client, assertion(**change))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.json()["error_description"] == "The assertion is not accepted."


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "no token", "e30.e30.", "é.é.é", "." * 40, "WzFd.WzFd.WzFd"]
)
async def test_what_is_no_assertion_gets_no_token(client: httpx.AsyncClient, text: str) -> None:
    answer = await ask(client, text)
    assert (answer.status_code, answer.json()["error"]) in [
        (401, "invalid_client"),
        (400, "invalid_request"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"client_assertion_type": "urn:something:else"},
        {"client_assertion_type": None},
        {"client_id": "documents"},
        {"client_secret": "a second proof"},
    ],
    ids=["another-type", "no-type", "another-client", "a-secret-too"],
)
async def test_an_assertion_is_the_one_proof(
    client: httpx.AsyncClient, change: dict[str, str | None]
) -> None:
    assert (await ask(client, assertion(), **change)).status_code == 401


async def test_an_assertion_is_taken_once_and_by_a_new_process_not_again(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    text = assertion()
    assert (await ask(client, text)).status_code == 200
    assert (await ask(client, text)).status_code == 401
    transport = httpx.ASGITransport(app_of(tmp_path, ISSUER))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as again:
        assert (await ask(again, text)).status_code == 401
        assert (await ask(again, assertion())).status_code == 200


def test_what_is_over_is_forgotten(tmp_path: Path) -> None:
    clock = FixedClock(SystemClock().now())
    assertions = Assertions(tmp_path, f"{ISSUER}/token", clock)
    jwks = {"keys": [EC.as_dict(private=False)]}
    text = assertion()
    assertions.take(text, "ehr", jwks)
    with pytest.raises(BadAssertion, match="replayed"):
        assertions.take(text, "ehr", jwks)
    clock.move(timedelta(minutes=6))
    with pytest.raises(BadAssertion, match="exp"):
        assertions.take(text, "ehr", jwks)
    later = assertion(exp=now() + 500)
    assertions.take(later, "ehr", jwks)
    assert len(json.loads((tmp_path / "used-assertions.json").read_text())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"network": None},
        {"network": "everywhere"},
        {"roles": ["ehr_client", "admin"]},
        {"scopes": []},
        {"scopes": "system/*.rs"},
        {"scopes": ["system/Patient.rs", "system/Nothing.rs"]},
        {"scopes": ["user/Patient.rs"]},
        {"jwks": None},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [EC.as_dict(private=True)]}},
        {"jwks": {"keys": [SHARED.as_dict() | {"kid": "a"}]}},
        {"jwks": {"keys": [{k: v for k, v in EC.as_dict(private=False).items() if k != "kid"}]}},
    ],
    ids=[
        *("no-network", "no-such-network", "a-role-more", "no-scopes", "a-text", "unknown-scope"),
        *("a-persons-scope", "no-jwks", "no-keys", "a-private-key", "a-secret-key", "no-kid"),
    ],
)
async def test_an_ehr_is_registered_with_a_network_public_keys_and_scopes(
    client: httpx.AsyncClient, tmp_path: Path, change: dict[str, Any]
) -> None:
    assert (await register(client, tmp_path, **change)).status_code == 400


async def test_an_ehr_has_no_secret_to_guess(client: httpx.AsyncClient) -> None:
    for secret in ("", "ehr", "None"):
        asked = {"client_id": "ehr", "client_secret": secret, "grant_type": "client_credentials"}
        assert (await client.post("/token", data=asked)).status_code == 401
