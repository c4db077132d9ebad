"""Bearer tokens, as RFC 8725 asks."""

import asyncio
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
from shared.web.published import KNOWN_SECONDS, PAUSE_SECONDS, Published, Watch
from shared.web.tokens import BadToken, TokenVerifier


class Fixture:
    def __init__(self) -> None:
        self.issuer = TestIssuer()
        self.asked = 0
        self.down = False
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.now = 1000.0
        transport = httpx.MockTransport(self._answer)
        self.http = httpx.AsyncClient(transport=transport)
        self.published = Published(lambda: self.now)
        self.watch = Watch(self.published, ISSUER, self.http, monotonic=lambda: self.now)
        self.verifier = TokenVerifier(self.published, ISSUER, self.watch.refresh)
        self.network_id: UUID = new_id()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("down", request=request)
        await self.let_go.wait()
        return self.issuer.answer(request)

    async def later(self, seconds: float) -> None:
        """What a process knows that has looked at the issuer after a while."""
        self.now += seconds
        await self.watch.refresh()

    def revoke(self, since: float, **what: str) -> None:
        entry = {"network": str(self.network_id), "since": since, **what}
        self.issuer.revocations.append(entry)


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


async def test_known_keys_go_on_without_the_issuer_and_strange_ones_ask_it_rarely(
    at: Fixture,
) -> None:
    """A21."""
    await at.verifier.verify(at.issuer.token(at.network_id, "nurse"))
    at.down = True
    await at.later(PAUSE_SECONDS + 1)
    asked = at.asked
    await at.verifier.verify(at.issuer.token(at.network_id, "provider"))
    stranger = TestIssuer(ECKey.generate_key("P-256", {"kid": "new"}))
    for _ in range(20):
        with pytest.raises(BadToken):
            await at.verifier.verify(stranger.token(at.network_id, "nurse"))
    assert at.asked == asked
    at.now += PAUSE_SECONDS + 1
    for _ in range(20):
        with pytest.raises(BadToken):
            await at.verifier.verify(stranger.token(at.network_id, "nurse"))
    assert at.asked == asked + 2  # for the keys and for the list, once


async def test_an_issuer_that_hangs_holds_up_nobody_whose_key_is_known(at: Fixture) -> None:
    good = at.issuer.token(at.network_id, "nurse")
    await at.verifier.verify(good)
    at.now += PAUSE_SECONDS + 1
    at.let_go.clear()
    stranger = TestIssuer(ECKey.generate_key("P-256", {"kid": "new"}))
    waiting = asyncio.create_task(at.verifier.verify(stranger.token(at.network_id, "nurse")))
    await asyncio.wait([waiting], timeout=0.01)
    assert not waiting.done()
    await at.verifier.verify(at.issuer.token(at.network_id, "provider"))
    at.let_go.set()
    with pytest.raises(BadToken):
        await waiting


async def test_a_key_that_was_taken_away_opens_nothing_though_its_tokens_were_seen(
    at: Fixture,
) -> None:
    """A20."""
    token = at.issuer.token(at.network_id, "nurse")
    await at.verifier.verify(token)
    at.issuer.key = ECKey.generate_key("P-256", {"kid": "next"})
    await at.later(PAUSE_SECONDS + 1)
    with pytest.raises(BadToken):
        await at.verifier.verify(token)


async def test_a_new_key_is_known_as_soon_as_it_signs(at: Fixture) -> None:
    await at.verifier.verify(at.issuer.token(at.network_id, "nurse"))
    at.issuer.key = ECKey.generate_key("P-256", {"kid": "test"})
    at.now += PAUSE_SECONDS + 1
    await at.verifier.verify(at.issuer.token(at.network_id, "nurse"))


@pytest.mark.parametrize("keys", [{"keys": []}, {}, [], {"keys": [{"kty": "EC"}]}, "x"])
async def test_keys_that_cannot_be_read_leave_those_that_are_known(
    at: Fixture, keys: object
) -> None:
    token = at.issuer.token(at.network_id, "nurse")
    await at.verifier.verify(token)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=keys)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        await Watch(at.published, ISSUER, http).refresh()
    await at.verifier.verify(token)


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        ({"sub": "ada"}, True),
        ({"sub": "ada", "role": "nurse"}, True),
        ({"jti": "the-token"}, True),
        ({"sub": "ada", "role": "biller"}, False),
        ({"sub": "bea"}, False),
        ({"jti": "another"}, False),
    ],
)
async def test_what_was_taken_back_is_refused_though_it_was_seen_before(
    at: Fixture, what: dict[str, str], refused: bool
) -> None:
    """A24, and a role that was revoked."""
    token = at.issuer.token(at.network_id, "nurse", "provider", sub="ada", jti="the-token")
    await at.verifier.verify(token)
    at.revoke(time.time(), **what)
    await at.later(PAUSE_SECONDS + 1)
    if refused:
        with pytest.raises(BadToken, match="revoked"):
            await at.verifier.verify(token)
    else:
        await at.verifier.verify(token)


async def test_a_revocation_is_of_tokens_until_then_and_of_its_network(at: Fixture) -> None:
    now = int(time.time())
    at.revoke(now - 30, sub="ada")
    at.revoke(now - 50, sub="ada")  # the newest counts, whatever the order
    await at.later(PAUSE_SECONDS + 1)
    for issued, network_id, refused in (
        (now - 31, at.network_id, True),
        (now - 30, at.network_id, True),
        (now - 29, at.network_id, False),
        (now - 31, new_id(), False),
    ):
        token = at.issuer.token(network_id, "nurse", sub="ada", iat=issued)
        if refused:
            with pytest.raises(BadToken, match="revoked"):
                await at.verifier.verify(token)
        else:
            await at.verifier.verify(token)


async def test_a_list_of_revocations_is_good_for_five_minutes(at: Fixture) -> None:
    assert not at.published.known
    await at.watch.refresh()
    assert at.published.known
    at.down = True
    await at.later(KNOWN_SECONDS)
    assert at.published.known
    at.now += 1
    assert not at.published.known
    at.down = False
    await at.later(PAUSE_SECONDS + 1)
    assert at.published.known


NETWORK = "0198a000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    "entry",
    [
        {"network": NETWORK, "since": 1},
        {"network": NETWORK, "since": 1, "sub": "a", "jti": "b"},
        {"network": NETWORK, "since": 1, "jti": "b", "role": "nurse"},
        {"network": NETWORK, "since": 1, "sub": ""},
        {"network": NETWORK, "since": 1, "sub": ["a"]},
        {"network": NETWORK, "since": "soon", "sub": "a"},
        {"network": "n", "since": 1, "sub": "a"},
        {"since": 1, "sub": "a"},
        "a",
    ],
)
async def test_a_list_that_cannot_be_read_whole_is_no_list(at: Fixture, entry: object) -> None:
    before = int(time.time())
    at.revoke(before, sub="ada")
    at.issuer.revocations.append(entry)  # type: ignore[arg-type]
    await at.watch.refresh()
    assert not at.published.known
    at.issuer.revocations.pop()
    await at.later(PAUSE_SECONDS + 1)
    assert at.published.known
    at.issuer.revocations.append(entry)
    await at.later(PAUSE_SECONDS + 1)
    # What was heard before stays: nobody comes in by a list that was spoilt.
    with pytest.raises(BadToken, match="revoked"):
        await at.verifier.verify(at.issuer.token(at.network_id, "nurse", sub="ada", iat=before))


async def test_the_watch_looks_on_and_on_and_tells_the_age_of_the_list(at: Fixture) -> None:
    ages: asyncio.Queue[float] = asyncio.Queue()
    watching = asyncio.create_task(at.watch.run(ages.put_nowait))
    assert await ages.get() == 0
    watching.cancel()
    await asyncio.wait([watching])
    assert watching.cancelled()


async def test_who_acts_for_others_is_bound_to_themselves_until_the_register_was_asked(
    at: Fixture,
) -> None:
    own, child = new_id(), new_id()
    for claims, ids in (
        ({"patient": str(own), "acts_for": [str(child), str(own)]}, {own}),
        ({"acts_for": [str(child)]}, set()),
    ):
        for role in ("portal", "front_desk"):
            found = await at.verifier.verify(at.issuer.token(at.network_id, role, **claims))
            assert found.actor.kind == "patient"
            assert found.actor.patient_ids == frozenset(ids)
            assert found.actor.acts_for == frozenset({child})
    alone = await at.verifier.verify(at.issuer.token(at.network_id, "portal", patient=str(own)))
    assert (alone.actor.patient_ids, alone.actor.acts_for) == (frozenset({own}), frozenset())
    nobody = await at.verifier.verify(at.issuer.token(at.network_id, "front_desk", acts_for=[]))
    assert nobody.actor.patient_ids is None
    for bad in ("x", ["x"], {"a": 1}, 1):
        with pytest.raises(BadToken):
            await at.verifier.verify(at.issuer.token(at.network_id, "portal", acts_for=bad))
