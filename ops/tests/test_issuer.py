"""The token issuer, and whether the services accept what it signs. No process, no port."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from ops import issuer_clients
from ops.errors import CannotRun
from ops.issuer import app_of
from ops.tokens import Minter
from shared.contracts.permissions import Permission
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.clocks import SystemClock
from shared.web.tokens import BadToken, Principal, watched

ISSUER = "http://127.0.0.1:8110"
NETWORK, CLINIC, PATIENT, PERSON = (new_id() for _ in range(4))


@pytest.fixture(name="folder")
def private_folder(tmp_path: Path) -> Path:
    issuer_clients.set_services(tmp_path, {"documents": "the-secret"})
    return tmp_path


@pytest.fixture(name="client")
async def client_of_the_issuer(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app_of(folder, ISSUER))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


def admin(folder: Path) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer_clients.admin_secret(folder)}"}


async def verified(client: httpx.AsyncClient, token: str) -> Principal:
    return await watched(ISSUER, client)[0].verify(token)


async def test_services_accept_a_token_for_a_person(
    client: httpx.AsyncClient, folder: Path
) -> None:
    minter = Minter.of(folder, ISSUER)
    token = minter.person("front_desk", NETWORK, clinics=[CLINIC], person=PERSON)
    found = await verified(client, token)
    assert found.network_id == NETWORK
    assert (found.actor.kind, found.actor.id) == ("person", str(PERSON))
    assert found.actor.clinic_ids == frozenset({CLINIC})
    assert Permission.APPOINTMENT_BOOK in found.permissions
    assert Permission.FEE_WRITE not in found.permissions
    assert found.patient_id is None


async def test_a_portal_token_is_the_patients(client: httpx.AsyncClient, folder: Path) -> None:
    found = await verified(
        client, Minter.of(folder, ISSUER).person("portal", NETWORK, patient=PATIENT)
    )
    assert (found.actor.kind, found.patient_id) == ("patient", PATIENT)
    assert found.actor.patient_ids == frozenset({PATIENT})


async def test_a_portal_token_names_whom_else_the_patient_may_act_for(
    client: httpx.AsyncClient, folder: Path
) -> None:
    child = new_id()
    asked = {"role": "portal", "network": str(NETWORK), "patient": str(PATIENT)}
    made = await client.post(
        "/dev/token", json={**asked, "acts_for": [str(child)]}, headers=admin(folder)
    )
    found = await verified(client, made.json()["access_token"])
    assert found.actor.patient_ids == frozenset({PATIENT})
    assert found.actor.acts_for == frozenset({child})
    bad = await client.post("/dev/token", json={**asked, "acts_for": "x"}, headers=admin(folder))
    assert bad.status_code == 400


@pytest.mark.parametrize(
    ("role", "patient"),
    [("front_desk", PATIENT), ("portal", None), ("boss", None), ("service", None)],
)
def test_a_token_that_makes_no_sense_is_refused(
    folder: Path, role: str, patient: UUID | None
) -> None:
    with pytest.raises(CannotRun):
        Minter.of(folder, ISSUER).person(role, NETWORK, patient=patient)


async def test_a_token_expires(client: httpx.AsyncClient, folder: Path) -> None:
    before = FixedClock(SystemClock().now() - timedelta(hours=8, minutes=2))
    token = Minter.of(folder, ISSUER, before).person("front_desk", NETWORK)
    with pytest.raises(BadToken):
        await verified(client, token)


async def test_a_token_of_another_issuers_key_is_refused(
    client: httpx.AsyncClient, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(BadToken):
        await verified(client, Minter.of(other, ISSUER).person("admin", NETWORK))


async def test_keys_are_kept_and_only_their_public_half_is_published(
    client: httpx.AsyncClient, folder: Path
) -> None:
    published = (await client.get("/.well-known/jwks.json")).json()
    kept = json.loads((folder / "keys.json").read_text())
    assert published["keys"][0]["x"] == kept["keys"][0]["x"]
    assert "d" in kept["keys"][0]
    assert "d" not in published["keys"][0]
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["form", "json", "basic"])
async def test_a_service_gets_a_token_bound_to_network_purpose_and_cause(
    client: httpx.AsyncClient, how: str
) -> None:
    event = str(new_id())
    asked: dict[str, Any] = {
        "grant_type": "client_credentials",
        "network": str(NETWORK),
        "purpose": "chart_packet",
        "event": event,
        "act": f"person/{PERSON}",
    }
    proof = {"client_id": "documents", "client_secret": "the-secret"}
    if how == "basic":
        answer = await client.post("/token", json=asked, auth=("documents", "the-secret"))
    elif how == "json":
        answer = await client.post("/token", json=asked | proof)
    else:
        answer = await client.post("/token", data=asked | proof)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 600
    found = await verified(client, answer.json()["access_token"])
    assert (found.actor.kind, found.actor.id) == ("service", "documents")
    assert found.actor.on_behalf_of == f"person/{PERSON}"
    assert found.network_id == NETWORK
    assert Permission.PATIENT_LOOKUP in found.permissions


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"network": "everywhere"}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_request_gets_no_token(
    client: httpx.AsyncClient, change: dict[str, str], status: int, code: str
) -> None:
    asked = {
        "grant_type": "client_credentials",
        "client_id": "documents",
        "client_secret": "the-secret",
        "network": str(NETWORK),
    }
    answer = await client.post("/token", json=asked | change)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert "access_token" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b"[" * 9000, b"x" * 17_000])
async def test_a_body_that_cannot_be_read_is_refused(
    client: httpx.AsyncClient, body: bytes
) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        answer = await client.post("/token", content=body, headers={"Content-Type": kind})
        assert answer.status_code in {400, 413}


async def test_a_machine_gets_its_own_network_alone(
    client: httpx.AsyncClient, folder: Path
) -> None:
    made = await client.post(
        "/dev/clients",
        json={"client_id": "screen", "network": str(NETWORK), "roles": ["ops"]},
        headers=admin(folder),
    )
    assert made.status_code == 201
    asked = {"grant_type": "client_credentials", "network": str(new_id()), **made.json()}
    answer = await client.post("/token", data=asked)
    found = await verified(client, answer.json()["access_token"])
    assert found.network_id == NETWORK
    assert found.actor.roles == ("ops",)
    assert made.json()["client_secret"] not in (folder / "clients.json").read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["service"]},
        {"roles": ["portal"]},
        {"roles": []},
        {"roles": "admin"},
        {"network": "x"},
        {"client_id": "documents"},
    ],
)
async def test_a_machine_cannot_be_a_service_or_be_half_named(
    client: httpx.AsyncClient, folder: Path, change: dict[str, object]
) -> None:
    asked: dict[str, object] = {"client_id": "ehr", "network": str(NETWORK), "roles": ["admin"]}
    answer = await client.post("/dev/clients", json=asked | change, headers=admin(folder))
    assert answer.status_code == 400


async def test_a_development_token_needs_the_secret_and_this_machine(
    client: httpx.AsyncClient, folder: Path
) -> None:
    asked = {"role": "biller", "network": str(NETWORK), "clinics": [str(CLINIC)]}
    good = await client.post("/dev/token", json=asked, headers=admin(folder))
    found = await verified(client, good.json()["access_token"])
    assert found.actor.clinic_ids == frozenset({CLINIC})
    assert (await client.post("/dev/token", json=asked)).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert (await client.post("/dev/token", json=asked, headers=wrong)).status_code == 401
    elsewhere = admin(folder) | {"Host": "clinic.example"}
    assert (await client.post("/dev/token", json=asked, headers=elsewhere)).status_code == 403


async def test_a_development_token_from_another_machine_is_refused(folder: Path) -> None:
    transport = httpx.ASGITransport(app_of(folder, ISSUER), client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        asked = {"role": "biller", "network": str(NETWORK)}
        answer = await client.post("/dev/token", json=asked, headers=admin(folder))
    assert answer.status_code == 403
