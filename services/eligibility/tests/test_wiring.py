"""The service put together: its errands, and the setting that says where payers are."""

import dataclasses

import httpx
import pytest

from services.eligibility.app import service
from services.eligibility.settings import Gateway, settings
from services.eligibility.tests.builders import settings_from
from shared.values.clock import FixedClock
from shared.web.service import Ports


def ports(environment: dict[str, str], clock: FixedClock, http: httpx.AsyncClient) -> Ports:
    return Ports(http, settings_from(environment).chassis, clock, "eligibility")


async def test_payers_are_asked_as_often_as_the_setting_says(
    environment: dict[str, str], clock: FixedClock
) -> None:
    found = dataclasses.replace(settings_from(environment), gateway=Gateway(attempts=7))
    made = service(found)
    assert made.errands is not None
    async with httpx.AsyncClient() as http:
        errands = made.errands(ports(environment, clock, http))
    assert {kind: errand.attempts_max for kind, errand in errands.items()} == {"check": 7}


@pytest.mark.parametrize("url", ["http://payer.example/x12", "ftp://127.0.0.1/x12"])
async def test_payers_are_not_asked_over_an_open_line(
    environment: dict[str, str], clock: FixedClock, url: str
) -> None:
    made = service(dataclasses.replace(settings_from(environment), gateway=Gateway(url=url)))
    assert made.errands is not None
    async with httpx.AsyncClient() as http:
        with pytest.raises(ValueError, match="https"):
            made.errands(ports(environment, clock, http))


def test_the_environment_says_where_payers_are(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLINICBUS_PAYER_URL", "https://payer.example/x12")
    monkeypatch.setenv("CLINICBUS_PAYER_TIMEOUT_SECONDS", "0.5")
    found = settings()
    assert (found.gateway.url, found.gateway.timeout_seconds) == ("https://payer.example/x12", 0.5)
    assert (found.gateway.attempts, found.urls.app_url) == (
        3,
        environment["CLINICBUS_ELIGIBILITY_APP_URL"],
    )
