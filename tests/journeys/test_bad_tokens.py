"""Tokens that open nothing, at every route of every service: RFC 8725, each by its number.

A17's longest (over 64 KB of headers) ends before any route: the server answers it. A20 and A21 are
of the keys, and in `shared/web/tests/test_tokens.py`.
"""

import base64
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from shared.contracts.permissions import Role
from shared.testing.tokens import ISSUER, TestIssuer
from shared.values.ids import new_id
from shared.web import published
from tests.journeys.house import House, until
from tests.journeys.test_who_may_what import is_read
from tests.journeys.walk import Operation, every_operation, send_all, strange_ids

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.312(d)")]

HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "test"}
EVERY_ROLE = [role.value for role in Role if role is not Role.SERVICE]


@dataclass(frozen=True, slots=True)
class Gate:
    """The services, their issuer, and what a good token says."""

    house: House
    operations: list[Operation]
    claims: dict[str, Any]
    ids: dict[str, str]

    @property
    def issuer(self) -> TestIssuer:
        return self.house.office.issuer

    def good(self, **claims: Any) -> str:
        """A good token, but for these claims."""
        whole = {**self.claims, "jti": str(new_id()), **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(HEADER, kept, self.issuer.key)

    def good_for(self, operation: Operation) -> str:
        """A good token of somebody with every role; of a service where nobody else may."""
        nobody_else = Role.SERVICE.value in operation.roles
        return self.good(roles=[Role.SERVICE.value]) if nobody_else else self.good()

    def signed(self, header: dict[str, Any], key: Any = None) -> str:
        """A token with this header, signed by the issuer's key or another."""
        return jwt.encode(header, self.claims, key or self.issuer.key, algorithms=["ES256"])


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """The services look at the issuer's list all the time."""
    with (
        mock.patch.object(published, "LOOK_SECONDS", 0.05),
        mock.patch.object(published, "PAUSE_SECONDS", -1.0),
    ):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(house: House) -> AsyncIterator[Gate]:
    """At the gate."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "clinicbus",
        "sub": "ada",
        "jti": "one",
        "iat": now,
        "exp": now + 3600,
        "network": str(new_id()),
        "roles": EVERY_ROLE,
        "acr": "aal2",
        "auth_time": now,
    }
    operations = every_operation(house)
    yield Gate(house, operations, claims, strange_ids(operations))


def _part(value: bytes | dict[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _public(gate: Gate) -> OctKey:
    """The issuer's public key, as if it were a secret that both know."""
    return OctKey.import_key(json.dumps(gate.issuer.key.as_dict(private=False)).encode())


def _forged(gate: Gate, **header: Any) -> str:
    """Signed with a key of one's own that the header brings along or tells of."""
    own = ECKey.generate_key("P-256", {"kid": "test"})
    named = {"jwk": own.as_dict(private=False)} if header.pop("with_key", False) else {}
    parts = f"{_part({**HEADER, **header, **named})}.{_part(gate.claims)}"
    signature = jwt.encode(HEADER, gate.claims, own).rpartition(".")[2]
    return f"{parts}.{signature}"


def _raw(gate: Gate, header: dict[str, Any], payload: bytes) -> str:
    """Signed by the issuer's own key, whatever the header says: as if it were careless."""
    from cryptography.hazmat.primitives.asymmetric import utils
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    signed = f"{_part(header)}.{_part(payload)}".encode()
    private = gate.issuer.key.private_key
    assert private is not None
    der = private.sign(signed, ECDSA(SHA256()))
    r, s = utils.decode_dss_signature(der)
    return f"{signed.decode()}.{_part(r.to_bytes(32) + s.to_bytes(32))}"


def _body(gate: Gate) -> bytes:
    return json.dumps(gate.claims).encode()


Make = Callable[[Gate], str]
BAD: dict[str, Make] = {
    "A2 a MAC made with the public key": lambda g: jwt.encode(
        {**HEADER, "alg": "HS256"}, g.claims, _public(g)
    ),
    "A3 no signature, as its header says": lambda g: (
        f"{_part({**HEADER, 'alg': 'none'})}.{_part(g.claims)}."
    ),
    "A3 another algorithm in the header": lambda g: _raw(g, {**HEADER, "alg": "ES384"}, _body(g)),
    "A4 a path as the key's name": lambda g: _forged(g, kid="../../etc/passwd"),
    "A4 SQL as the key's name": lambda g: _forged(g, kid="' OR '1'='1"),
    "A5 a key in the header": lambda g: _forged(g, with_key=True),
    "A5 an address of keys": lambda g: _forged(g, jku="http://127.0.0.1:9/keys"),
    "A5 an address of certificates": lambda g: _forged(g, x5u="http://127.0.0.1:9/certificates"),
    "A6 a critical member that nobody knows": lambda g: _raw(
        g, {**HEADER, "crit": ["urn:of:nobody"], "urn:of:nobody": True}, _body(g)
    ),
    "A7 an issuer that begins like ours": lambda g: g.good(iss=ISSUER + ".evil.test"),
    "A7 an issuer that ours begins like": lambda g: g.good(iss=ISSUER[:-1]),
    "A8 no issuer": lambda g: g.good(iss=None),
    "A9 for another service": lambda g: g.good(aud="another"),
    "A9 for another service, too": lambda g: g.good(aud=["clinicbus", "another"]),
    "A10 for nobody": lambda g: g.good(aud=None),
    "A11 without an end": lambda g: g.good(exp=None),
    "A12 over": lambda g: g.good(exp=int(time.time()) - 3600),
    "A13 over for 61 seconds": lambda g: g.good(exp=int(time.time()) - 61),
    "A14 not yet": lambda g: g.good(nbf=int(time.time()) + 3600),
    "A14 issued tomorrow": lambda g: g.good(iat=int(time.time()) + 86_400),
    "A15 an id token": lambda g: g.signed({**HEADER, "typ": "JWT"}),
    "A15 of no type": lambda g: g.signed({"alg": "ES256", "kid": "test"}),
    "A16 of nobody": lambda g: g.good(sub=None),
    "A16 of nobody's name": lambda g: g.good(sub=""),
    "A16 of a list": lambda g: g.good(sub=["ada"]),
    "A17 over 8 KB": lambda g: g.good(more="x" * 8192),
    "A18 an unsigned one in a signed one": lambda g: _raw(
        g,
        {**HEADER, "cty": "JWT"},
        f"{_part({'alg': 'none'})}.{_part(g.claims)}.".encode(),
    ),
    "A19 compressed": lambda g: _raw(g, {**HEADER, "zip": "DEF"}, zlib.compress(_body(g))),
    "A19 compressed, it says": lambda g: _raw(g, {**HEADER, "zip": "DEF"}, _body(g)),
    "A24 of somebody who was shut out": lambda g: g.good(sub="disabled"),
}


def unlike(gate: Gate, answers: list[httpx.Response]) -> list[str]:
    """The operations that answered anything but 401 with a challenge and nothing else."""
    return [
        f"{operation}: {answer.status_code} {answer.text[:80]}"
        for operation, answer in zip(gate.operations, answers, strict=True)
        if answer.status_code != 401
        or answer.json()["code"] != "token.refused"
        or not answer.headers["www-authenticate"].startswith("Bearer")
    ]


async def test_a_good_token_comes_in_everywhere(gate: Gate) -> None:
    """Else what follows would show nothing."""
    answers = await send_all(
        gate.house, [o.request(gate.ids, gate.good_for(o)) for o in gate.operations if is_read(o)]
    )
    assert not {answer.status_code for answer in answers} & {401, 403}


@pytest.mark.parametrize("why", sorted(BAD))
async def test_a_bad_token_opens_no_route(gate: Gate, why: str) -> None:
    if why.startswith("A24"):
        network = gate.claims["network"]
        gate.issuer.revocations.append(
            {"network": network, "sub": "disabled", "since": time.time()}
        )
        first = [next(o for o in gate.operations if o.service == s) for s in gate.house.services]
        for operation in first:
            token = BAD[why](gate)
            await until(
                lambda o=operation, t=token: gate.house.office.http.send(o.request(gate.ids, t)),  # type: ignore[misc]
                lambda answer: answer.status_code == 401,
                "the refusal",
            )
    tokens = [BAD[why](gate) for _ in gate.operations]
    asked = [o.request(gate.ids, t) for o, t in zip(gate.operations, tokens, strict=True)]
    assert unlike(gate, await send_all(gate.house, asked)) == []


async def test_a1_a22_a23_a_token_comes_in_one_header_or_not_at_all(gate: Gate) -> None:
    good = gate.good()
    none = [o.request(gate.ids, None) for o in gate.operations]
    assert unlike(gate, await send_all(gate.house, none)) == []
    in_query = [o.request(gate.ids, None) for o in gate.operations]
    for request in in_query:
        request.url = request.url.copy_merge_params({"access_token": good, "token": good})
    assert unlike(gate, await send_all(gate.house, in_query)) == []
    twice = [o.request(gate.ids, good) for o in gate.operations]
    for request in twice:
        request.headers = httpx.Headers(
            [*request.headers.multi_items(), ("Authorization", "Bearer x")]
        )
    assert unlike(gate, await send_all(gate.house, twice)) == []
    otherwise = [o.request(gate.ids, None) for o in gate.operations]
    for request in otherwise:
        request.headers["Authorization"] = f"Basic {good}"
    assert unlike(gate, await send_all(gate.house, otherwise)) == []


async def test_without_a_list_of_who_was_shut_out_no_patient_is_shown(gate: Gate) -> None:
    """The clinic's own goes on: its hours are no secret."""
    from shared.contracts.permissions import WITHOUT_PHI

    with mock.patch.object(published, "KNOWN_SECONDS", -1.0):
        asked = [o.request(gate.ids, gate.good_for(o)) for o in gate.operations]
        answers = await send_all(gate.house, asked)
    refused = {
        str(o)
        for o, a in zip(gate.operations, answers, strict=True)
        if a.status_code == 503 and a.json()["code"] == "revocations.unknown"
    }
    assert refused == {str(o) for o in gate.operations if o.may not in WITHOUT_PHI}
    assert all("retry-after" in a.headers for a in answers if a.status_code == 503)


async def test_money_is_given_back_by_who_has_just_proven_who_they_are(gate: Gate) -> None:
    """RFC 9470."""
    refund = next(o for o in gate.operations if o.path.endswith("/refund"))
    now = int(time.time())
    for proof in (
        {"acr": None},
        {"auth_time": None},
        {"acr": "aal1"},
        {"auth_time": now - 301},
        {"auth_time": now + 3600},
    ):
        answer = await gate.house.office.http.send(refund.request(gate.ids, gate.good(**proof)))
        assert (answer.status_code, answer.json()["code"]) == (401, "proof.wanted")
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert 'acr_values="aal2"' in challenge
        assert 'max_age="300"' in challenge
    answer = await gate.house.office.http.send(refund.request(gate.ids, gate.good()))
    assert (answer.status_code, answer.json()["code"]) == (404, "payment.not_found")
    rows = await gate.house.rows(
        "payments",
        "SELECT outcome, detail FROM audit"
        " WHERE actor = 'person/ada' AND action = 'refund_payment'",
    )
    kept = [json.loads(row["detail"])["code"] for row in rows if row["outcome"] == "denied"]
    assert kept == ["proof.wanted"] * 5
