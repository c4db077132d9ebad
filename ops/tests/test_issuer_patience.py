"""A49 of the list of bad inputs: whoever tries to log in again and again is made to wait."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ops import issuer_clients
from ops.issuer import app_of
from shared.values.ids import new_id
from shared.web import limits

ISSUER = "http://127.0.0.1:8110"
NETWORK = str(new_id())


@pytest.fixture(name="clock")
def a_clock_of_ours(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("ops.issuer_patience.monotonic", lambda: now[0])
    return now


@pytest.fixture(name="client")
async def client_of_the_issuer(
    tmp_path: Path, clock: list[float]
) -> AsyncIterator[httpx.AsyncClient]:
    issuer_clients.set_services(tmp_path, {"documents": "the-secret"})
    transport = httpx.ASGITransport(app_of(tmp_path, ISSUER))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


async def machine(client: httpx.AsyncClient, folder: Path, name: str) -> dict[str, str]:
    """A machine client that is registered, and what it logs in with."""
    headers = {"Authorization": f"Bearer {issuer_clients.admin_secret(folder)}"}
    body = {"client_id": name, "network": NETWORK, "roles": ["biller"]}
    made = await client.post("/dev/clients", json=body, headers=headers)
    assert made.status_code == 201, made.text
    secret = made.json()["client_secret"]
    return {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}


async def test_a49_a_thousand_logins_a_minute_are_too_many(
    client: httpx.AsyncClient, tmp_path: Path, clock: list[float]
) -> None:
    login = await machine(client, tmp_path, "kiosk")
    statuses = []
    for _ in range(1_000):
        answer = await client.post("/token", data=login)
        statuses.append(answer.status_code)
        clock[0] += 0.06
    assert set(statuses) == {200, 429}
    assert 300 <= statuses.count(200) <= 365
    answers = [await client.post("/token", data=login) for _ in range(2)]
    answer = answers[1]
    assert answer.json() == {
        "error": "slow_down",
        "error_description": "Too many tries; try again after Retry-After.",
    }
    assert answer.headers["retry-after"] == "1"
    # Who logs in now and then is let in again.
    clock[0] += 60
    assert (await client.post("/token", data=login)).status_code == 200


async def test_a49_ten_wrong_secrets_and_the_right_one_has_to_wait(
    client: httpx.AsyncClient, tmp_path: Path, clock: list[float]
) -> None:
    login = await machine(client, tmp_path, "kiosk")
    other = await machine(client, tmp_path, "tablet")
    wrong = {**login, "client_secret": "guess"}
    statuses = [(await client.post("/token", data=wrong)).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    # What is not looked at cannot be guessed.
    assert (await client.post("/token", data=login)).status_code == 429
    assert (await client.post("/token", data=other)).status_code == 200
    clock[0] += 5.01
    assert (await client.post("/token", data=login)).status_code == 200


async def test_a49_guesses_in_a_header_count_as_well(client: httpx.AsyncClient) -> None:
    async def guess(number: int) -> int:
        pair = base64.b64encode(f"kiosk:guess-{number}".encode()).decode()
        answer = await client.post(
            "/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {pair}"},
        )
        return answer.status_code

    assert [await guess(number) for number in range(11)] == [401] * 10 + [429]


async def test_a49_the_administrators_secret_is_not_guessed_either(
    client: httpx.AsyncClient,
) -> None:
    body = {"role": "admin", "network": NETWORK}
    statuses = []
    for number in range(12):
        headers = {"Authorization": f"Bearer guess-{number}"}
        statuses.append((await client.post("/dev/token", json=body, headers=headers)).status_code)
    assert statuses == [401] * 10 + [429] * 2


async def test_a_service_asks_as_often_as_it_has_errands(client: httpx.AsyncClient) -> None:
    wish = {
        "grant_type": "client_credentials",
        "client_id": "documents",
        "client_secret": "the-secret",
        "network": NETWORK,
    }
    statuses = {(await client.post("/token", data=wish)).status_code for _ in range(200)}
    assert statuses == {200}


async def test_without_the_count_a_thousand_are_let_in(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = await machine(client, tmp_path, "kiosk")
    monkeypatch.setattr(limits.Meter, "take", lambda *_: (0.0, ()))
    statuses = {(await client.post("/token", data=login)).status_code for _ in range(100)}
    assert statuses == {200}
