"""How an app starts: not with a route that declares no permission; and a worker whose task dies."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import structlog

from services.appointments.tests.builders import build
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.web import background
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


async def test_a_task_that_dies_is_told_of_and_ends_the_process(
    environment: dict[str, str],
    clinic_office: Office,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would not come back, and nothing else would notice before its work is missed."""
    ended = asyncio.Event()

    async def dies(*_: Any) -> None:
        raise LookupError("a fault of ours")

    monkeypatch.setattr(background, "run_housekeeping", dies)
    with structlog.testing.capture_logs() as told:
        app = app_of(build(environment, clinic_office, clock), "worker", ended.set)
        url = await clinic_office.start("appointments", app)
        async with asyncio.timeout(10):
            await ended.wait()
        alive = await clinic_office.http.get(f"{url}/livez")
    (said,) = [line for line in told if line["event"] == "task.died"]
    assert (said["kind"], said["log_level"]) == ("housekeeping", "critical")
    assert (alive.status_code, alive.json()["dead"]) == (503, ["housekeeping"])


async def test_a_worker_that_is_told_to_stop_has_lost_nobody(
    environment: dict[str, str], clinic_office: Office, clock: FixedClock
) -> None:
    """The end of a process is no death of its tasks."""
    with structlog.testing.capture_logs() as told:
        app = app_of(build(environment, clinic_office, clock), "worker")
        await clinic_office.start("appointments", app)
        await clinic_office.stack.aclose()
    assert [line for line in told if line["event"] == "task.died"] == []
