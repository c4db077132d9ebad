"""The bus goes away under a whole system: its clients do not notice, its readiness says so."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops import kafka
from shared.db.provision import BUS_DATABASE, SERVICES
from tests.faults.bus.lengths import lasting, within
from tests.faults.town import Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), within(240)]

AWAY_S = lasting("F1 bus away under a whole system, s", 5, 600)
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = $1 AND pid <> pg_backend_pid()
"""


def killed(folder: Path) -> None:
    """End a broker as `kill -9` does."""
    broker = kafka.status(folder)
    assert broker is not None
    os.kill(broker.pid, signal.SIGKILL)
    kafka.stop(folder)


@asynccontextmanager
async def away(town: Town, broker: Path | None) -> AsyncIterator[None]:
    """No bus inside the block: the broker is killed, or the bus's database lets nobody in."""
    if broker is not None:
        await asyncio.to_thread(killed, broker)
        try:
            yield
        finally:
            await asyncio.to_thread(kafka.start, broker, stays=True)
        return
    connection = await asyncpg.connect(town.system.superuser_url)
    allow = f"ALTER DATABASE {BUS_DATABASE} ALLOW_CONNECTIONS"
    try:
        await connection.execute(f"{allow} false")
        await connection.execute(CUT, BUS_DATABASE)
        yield
    finally:
        await connection.execute(f"{allow} true")
        await connection.close()


async def test_f1_no_client_notices_that_the_bus_is_away_and_readiness_says_it(
    request: pytest.FixtureRequest,
    town: Town,
    bus: str,
    broker_restart: Callable[[], None] | None,
) -> None:
    """Every write succeeds at the first try; every service stays ready; the lag returns to zero."""
    broker: Path | None = None
    if bus == "kafka":
        if broker_restart is None:
            pytest.skip("no broker: it must be one of our own, to be stopped")
        broker = request.getfixturevalue("kafka_folder")
    bodies = await town.bookings(utc(1, 17) + timedelta(days=41), 30)
    await town.ready()
    lived_through = dict(town.lived_through)

    async def readiness() -> dict[str, Any]:
        found = {}
        for name in SERVICES:
            answer = await town.http.get(f"{town.system.urls[name]}/readyz")
            assert answer.status_code == 200, answer.text
            found[name] = answer.json()["bus"]["relay"]["problem"] or ""
        return found

    def said(problems: dict[str, str]) -> bool:
        return problems["appointments"].startswith("bus:")

    async with away(town, broker):
        gone = asyncio.get_running_loop().time()
        answers = await at_once(6, [town.book(body) for body in bodies])
        assert [answer.status_code for answer in answers] == [201] * len(bodies)
        assert dict(town.lived_through) == lived_through
        await until(readiness, said, "the trouble in readiness")
        left = gone + AWAY_S - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left))  # the fault's length
    await until(readiness, lambda found: not any(found.values()), "the end of the trouble")
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
