"""Fixtures: a whole system of real processes, once for each bus."""

import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ops import seed
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from shared.values.ids import new_id
from shared.web.clocks import SharedClock
from tests.faults.town import Town

NOW = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)
"""Tuesday morning at both clinics. It stands still: what goes by real time are the faults."""


@pytest.fixture(scope="session", params=["postgres", "kafka"])
def bus(request: pytest.FixtureRequest) -> str:
    """Each bus. Without a broker the second is left out, and the run's last lines say so."""
    kind: str = request.param
    if kind == "kafka":
        request.getfixturevalue("kafka_bootstrap")
    return kind


@pytest.fixture(scope="session")
def broker_restart(request: pytest.FixtureRequest, bus: str) -> Callable[[], None] | None:
    """Stops the broker and starts it again; None on the Postgres bus, or where it is not ours."""
    found: Callable[[], None] | None = None
    if bus == "kafka":
        found = request.getfixturevalue("kafka_restart")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(request: pytest.FixtureRequest, bus: str) -> AsyncIterator[Town]:
    """A network with two clinics, open, on processes that are flushed to disk."""
    kind: Any = bus
    with tempfile.TemporaryDirectory(prefix="cb-faults-") as name:
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        clock.set(NOW)
        options = Options(bus=kind, clock_file=folder / "clock")
        system = LocalSystem(Layout(folder / "data"), Ports.free(), options)
        with pytest.MonkeyPatch.context() as patch:
            if bus == "kafka":
                bootstrap = request.getfixturevalue("kafka_bootstrap")
                patch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap)
            await system.start()
        try:
            async with httpx.AsyncClient(timeout=30) as http:
                network = new_id()
                facts = await seed.seed(system.urls, system.token, network)
                yield Town(system, http, network, facts)
        finally:
            await system.stop()
