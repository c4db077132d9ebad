"""How often one caller may ask of each service: people, machines, strangers, other services."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio

from shared.contracts.permissions import Role
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web import transactions
from shared.web.adapter import Adapter
from shared.web.limits import PROBES, Limits, Rate
from shared.web.service import app_of
from tests.journeys.clinic import Clinic
from tests.journeys.house import URLS, House
from tests.journeys.walk import Operation, every_operation, strange_ids

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW = {"requests": Rate(0.5, 6), "finding": Rate(0.5, 3), "refused": Rate(0.5, 4)}
READ = "/v1/traces/0190a1b2-0000-7000-8000-000000000001"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clinic(house: House) -> AsyncIterator[Clinic]:
    yield await Clinic(house).open()


@pytest.fixture
def limited() -> Iterator[None]:
    """Few requests at once, counted from now on."""
    with few():
        yield


@contextmanager
def few() -> Iterator[None]:
    limits: dict[str, Limits] = {}
    own: Any = property(lambda self: limits.setdefault(self.service, Limits(FEW)))
    with mock.patch.object(Adapter, "limits", own):
        yield


async def ask(clinic: Clinic, service: str, *roles: str, **claims: Any) -> httpx.Response:
    """A read that each service has, for operations and auditors."""
    return await clinic.house.office.desk(service, clinic.network_id, *roles, **claims).get(READ)


@pytest.mark.parametrize("service", SERVICES)
async def test_one_person_may_ask_so_often_and_is_then_told_when_again(
    clinic: Clinic, limited: None, service: str
) -> None:
    for left in range(5, -1, -1):
        answer = await ask(clinic, service, "ops", sub="olga")
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"requests";q=6;w=12'
        assert answer.headers["ratelimit"].startswith(f'"requests";r={left};t=')
    refused = await ask(clinic, service, "ops", sub="olga")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate.exceeded")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
    # Nobody else waits for it: no colleague, and nobody of the same name in another network.
    assert (await ask(clinic, service, "ops", sub="oona")).status_code == 200
    other = clinic.house.office.desk(service, new_id(), "ops", sub="olga")
    assert (await other.get(READ)).status_code == 200


def request(
    clinic: Clinic, operation: Operation, role: str, ids: Mapping[str, str]
) -> httpx.Request:
    token = clinic.house.office.issuer.token(clinic.network_id, role, sub=f"{role}-{operation}")
    return operation.request(ids, token)


async def test_every_route_counts_and_what_finds_people_counts_for_more(clinic: Clinic) -> None:
    strict = set()
    every = every_operation(clinic.house)
    ids = strange_ids(every)
    for operation in every:
        role = next(r for r in operation.roles if r not in (Role.PORTAL, Role.EHR_CLIENT))
        with few(), mock.patch.object(transactions, "HEAR_PAUSES", ()):
            answer = await clinic.house.office.http.send(request(clinic, operation, role, ids))
        if role == Role.SERVICE:  # one of ours is not counted, see below
            assert "ratelimit-policy" not in answer.headers
            continue
        policy = answer.headers["ratelimit-policy"]
        assert policy in ('"requests";q=6;w=12', '"finding";q=3;w=6'), operation
        if "finding" in policy:
            strict.add(operation.path)
        assert (operation.may in PROBES) == ("finding" in policy)
    assert strict == {
        "/v1/patients/search", "/v1/patients/match", "/v1/patients/lookup", "/v1/checks",
        "/v1/visits/{appointment_id}/estimate",
    }  # fmt: skip


async def test_who_looks_for_people_again_and_again_is_stopped_early(
    clinic: Clinic, limited: None
) -> None:
    dana = clinic.person("dana", "patients")
    for _ in range(3):
        found = await dana.post("/v1/patients/search", {"birth_date": "1984-02-29"})
        assert found.status_code == 200
    stopped = await dana.post("/v1/patients/search", {"birth_date": "1984-02-28"})
    assert (stopped.status_code, stopped.json()["code"]) == (429, "rate.exceeded")
    # For all else there is still time.
    answer = await dana.get(f"/v1/patients/{new_id()}")
    assert answer.headers["ratelimit"].startswith('"requests";r=5')


async def test_a_service_among_services_is_not_limited(clinic: Clinic, limited: None) -> None:
    for _ in range(20):
        desk = clinic.house.office.desk("patients", clinic.network_id, "service", sub="payments")
        answer = await desk.post("/v1/patients/lookup", {"ids": [str(new_id())]})
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


@pytest.mark.parametrize("service", SERVICES)
async def test_tokens_that_are_refused_are_counted_by_address(
    clinic: Clinic, limited: None, service: str
) -> None:
    async def stranger(number: int) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer a.b.{number}",
            "X-Forwarded-For": f"203.0.113.{number}",
        }
        return await clinic.house.office.http.get(URLS[service] + READ, headers=headers)

    statuses = [(await stranger(number)).status_code for number in range(8)]
    assert statuses == [401] * 4 + [429] * 4
    refused = await stranger(9)
    assert refused.json()["code"] == "rate.exceeded"
    assert int(refused.headers["retry-after"]) >= 1
    # Whoever has a token is let in from the same address.
    assert (await ask(clinic, service, "ops")).status_code == 200


async def test_what_is_refused_for_its_rate_does_nothing(clinic: Clinic, limited: None) -> None:
    room = {"clinic_id": clinic.clinic_id, "name": "Counted"}
    ada = clinic.person("ada", "appointments")
    answers = [await ada.post("/v1/rooms", room) for _ in range(9)]
    assert [a.status_code for a in answers] == [201] * 6 + [429] * 3
    assert len(await clinic.rows("appointments", "rooms", "name = 'Counted'")) == 6


async def test_a_service_takes_its_rates_from_its_settings(house: House) -> None:
    service = house.services["payments"]
    assert service.chassis.rates == {}
    limited = service.chassis.model_copy(update={"rates": FEW})
    with mock.patch.object(service, "chassis", limited), mock.patch.object(Limits, "admit") as told:
        told.return_value = (7.2, ())
        app = app_of(service, "api")
        transport = httpx.ASGITransport(app=app)
        token = house.office.issuer.token(new_id(), "ops")
        async with httpx.AsyncClient(transport=transport, base_url="http://x.test") as http:
            answer = await http.get(READ, headers={"Authorization": f"Bearer {token}"})
    assert told.called
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "8")
