"""The five services in one process: real apps, the real bus, one clock, one payer, no sockets."""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import asyncpg
import httpx

from ops.day.databases import opened
from ops.payer_simulator.app import PayerSimulator
from services.eligibility.clients import HttpPayer
from shared.db.provision import SERVICES
from shared.testing.apps import Office, office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.web.service import Service, app_of

PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 0.02
PAYER = "http://127.0.0.1"
PAYER_SECONDS = 0.5
URLS = {name: f"http://{name}.test" for name in SERVICES}


async def until(look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool], what: str) -> Any:
    """Look until it is good, for a quarter of a minute at most."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = await look()
        if good(found):
            return found
        assert time.monotonic() < end, f"{what} did not come; last seen: {found}"
        await asyncio.sleep(LOOK_SECONDS)


_SAID = "SELECT topic, subject, max(subject_seq) FROM outbox WHERE network_id = $1 GROUP BY 1, 2"
_APPLIED = "SELECT topic, subject, seq FROM applied WHERE network_id = $1"
_OPEN = """
SELECT (SELECT count(*) FROM intent WHERE network_id = $1 AND state IN ('waiting', 'calling'))
     + (SELECT count(*) FROM timer WHERE network_id = $1 AND ended_at IS NULL AND due_at <= $2)
"""
Subjects = dict[tuple[str, str], int]


@dataclass(slots=True)
class House:
    """The running services. `eyes` look into each database as a superuser does."""

    office: Office
    services: dict[str, Service]
    clock: FixedClock
    folder: Path
    eyes: dict[str, asyncpg.Connection]

    async def rows(self, service: str, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a service's database, of every network."""
        return [dict(row) for row in await self.eyes[service].fetch(statement, *arguments)]

    async def payer_answers(self, member_id: str, behaviour: Mapping[str, Any]) -> None:
        """Let the payer answer about a member like this from now on."""
        answer = await self.office.http.put(f"{PAYER}/behaviour/{member_id}", json=behaviour)
        assert answer.status_code == 200, answer.text

    async def settled(self, network_id: UUID) -> None:
        """Wait until nothing of a network is on its way: every event heard, every errand run,
        every timer that is due fired."""
        await until(lambda: self._left(network_id), lambda left: not left, "rest")

    async def _left(self, network_id: UUID) -> list[str]:
        before = await self._said(network_id)
        left = []
        for name in SERVICES:
            eye = self.eyes[name]
            async with eye.transaction(isolation="repeatable_read"):
                rows = await eye.fetch(_APPLIED, network_id)
                open_rows = await eye.fetchval(_OPEN, network_id, self.clock.now())
            applied = {(row[0], row[1]): row[2] for row in rows}
            topics = self.services[name].subscriptions.topics
            late = [k for k, seq in before.items() if k[0] in topics and applied.get(k) != seq]
            if open_rows or late:
                left.append(f"{name}: {open_rows} errands and timers, events {late}")
        # What was said meanwhile has to be heard, too.
        return left or [str(k) for k in (await self._said(network_id)).items() - before.items()]

    async def _said(self, network_id: UUID) -> Subjects:
        found: Subjects = {}
        for name in SERVICES:
            for row in await self.eyes[name].fetch(_SAID, network_id):
                found[row[0], row[1]] = row[2]
        return found

    async def later(self, network_id: UUID, by: timedelta = timedelta(minutes=1)) -> datetime:
        """Let it be quiet, and then some time later."""
        await self.settled(network_id)
        return self.clock.move(by)


def _environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What the processes of a real system are told, of these services."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLINICBUS_")}
    urls = ", ".join(f'"{name}": "{url}"' for name, url in URLS.items())
    return {
        **kept,
        **{name: url for name, url in environment.items() if not name.endswith("_OWNER_URL")},
        "CLINICBUS_ISSUER": ISSUER,
        "CLINICBUS_URLS": f"{{{urls}}}",
        "CLINICBUS_DATA": str(folder),
        "CLINICBUS_PAYER_ATTEMPTS": "1",
        "CLINICBUS_RATES": "off",
    }


def _services(environment: Mapping[str, str], folder: Path, payer: HttpPayer) -> list[Service]:
    """The services as their own `app.py` puts them together from the environment."""
    with mock.patch.dict(os.environ, _environment(environment, folder), clear=True):
        made = []
        for name in SERVICES:
            outside = {"gateway": payer} if name == "eligibility" else {}
            made.append(importlib.import_module(f"services.{name}.app").service(**outside))
        return made


@asynccontextmanager
async def house_of(
    superuser_url: str, environment: Mapping[str, str], folder: Path
) -> AsyncIterator[House]:
    """Start the services on databases that are migrated; it is Monday, 2 November 2026, 8:00 in
    Denver, the day after a clock change."""
    clock = FixedClock(datetime(2026, 11, 2, 15, 0, tzinfo=UTC))
    simulator = httpx.ASGITransport(app=PayerSimulator().app())
    payer = HttpPayer(f"{PAYER}/x12", deadline_seconds=PAYER_SECONDS, transport=simulator)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(payer.close)
        eyes = {}
        for name in SERVICES:
            eyes[name] = await stack.enter_async_context(opened(superuser_url, name))
        found = await stack.enter_async_context(office())
        found.switchboard.connect(PAYER, simulator)
        services = {}
        for made in _services(environment, folder, payer):
            made.clock, made.http = clock, found.http
            await found.start(made.name, app_of(made, "all"))
            services[made.name] = made
        yield House(found, services, clock, folder, eyes)
