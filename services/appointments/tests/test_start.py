"""An app with a route that declares no permission does not start."""

from uuid import UUID

import pytest

from services.appointments.tests.builders import build
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.web.service import UndeclaredRoute, app_of


async def test_a_route_beside_the_declared_ones_keeps_the_app_from_starting(
    environment: dict[str, str], clinic_office: Office, clock: FixedClock, network_id: UUID
) -> None:
    app = app_of(build(environment, clinic_office, clock), "api")

    async def anything(body: dict[str, str]) -> dict[str, str]:
        return body

    app.add_api_route("/v1/open-door", anything, methods=["POST"])
    with pytest.raises(UndeclaredRoute, match="open-door"):
        await clinic_office.start("appointments", app)


async def test_the_declared_routes_alone_start(
    environment: dict[str, str], clinic_office: Office, clock: FixedClock
) -> None:
    app = app_of(build(environment, clinic_office, clock), "api")
    url = await clinic_office.start("appointments", app)
    ready = await clinic_office.http.get(f"{url}/readyz")
    assert (ready.status_code, ready.json()["schema"]) == (200, "current")
