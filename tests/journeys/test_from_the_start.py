"""A day was played and people go on booking: what each service heard is made again from the topics,
is read three times over, and is heard by somebody new."""

import asyncio
import importlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from ops import bus
from ops.day import checks, command
from ops.day.databases import opened
from ops.day.story import local
from ops.layout import CHECKOUT, Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from ops.rebuild import app
from shared.bus.projections import Projections
from shared.db.provision import SERVICES
from shared.web.clocks import SharedClock
from tests.faults.town import Town, until

# The system is started and a day is played within the first test's time.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

VISITS, SEED = 12, 4
SAID_BY_NOBODY = {"known_authorizations", "known_forms"}
"""Kept of events that are agreed on and that no service says yet."""
OWN_CLOCK = {
    **{"bus_offset": None, "relay_lease": "expires_at"},
    **dict.fromkeys(("audit_seal", "audit_patient", "audit_sealer")),
}
"""Where a subscriber stands is what these tests move; a lease is renewed for ever, and the sealer
goes on by itself."""


def projections_of(service: str) -> Projections:
    """What a service says that it can make again, and what not."""
    found: Projections = importlib.import_module(f"services.{service}.handlers").PROJECTIONS
    return found


def rebuilt_tables(service: str) -> dict[str, tuple[str, ...]]:
    """The tables of each projection that is not refused."""
    return {n: p.tables for n, p in projections_of(service).items() if p.refused is None}


@dataclass(slots=True)
class Played:
    """A system on which a day was played, with a town on it that books later days."""

    town: Town
    folder: Path
    monday: datetime

    @property
    def url(self) -> str:
        """Of the server, for looking into everything."""
        return self.town.system.superuser_url

    async def rebuild(self, *words: str) -> Result:
        """`clinicbus rebuild`, while everything else goes on."""
        words = (*words, "--data", str(self.folder))
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[list[str]]:
        """Meanwhile people are registered, book and call off, as fast as they are served."""
        done: list[str] = []
        week = [await self.town.bookings(self.monday + timedelta(days=n), 60) for n in range(5)]
        bodies = cycle([body for of_a_day in week for body in of_a_day])

        async def one() -> None:
            for body in bodies:
                booked = await self.town.book(body)
                assert booked.status_code in (201, 409), booked.text
                done.append(booked.text)
                if booked.status_code == 201 and len(done) % 3 == 0:
                    await self.cancel(booked)
                if len(done) % 10 == 0:
                    await self.town.register(1, f"While {len(done)}")

        going = asyncio.create_task(one())
        try:
            yield done
        finally:
            going.cancel()
            (outcome,) = await asyncio.gather(going, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError), outcome

    async def cancel(self, booked: httpx.Response) -> None:
        """Call a visit off."""
        path = f"/v1/appointments/{booked.json()['id']}/cancel"
        token = self.town.system.token("front_desk", self.town.network)
        answer = await self.town.http.post(
            self.town.system.urls["appointments"] + path,
            json={"reason": "patient_ill"},
            headers={
                "Authorization": f"Bearer {token}",
                "Idempotency-Key": path,
                "If-Match": booked.headers["etag"],
            },
        )
        assert answer.status_code == 200, answer.text

    async def quiet(self) -> None:
        """Every event is applied, and nothing waits to be asked or done."""
        await self.town.settled()

        async def rest() -> int:
            now = SharedClock(self.folder.parent / "clock").now()
            text = (
                "SELECT (SELECT count(*) FROM intent WHERE state IN ('waiting', 'calling'))"
                " + (SELECT count(*) FROM timer WHERE ended_at IS NULL AND due_at <= $1) AS n"
            )
            return sum([(await self.town.rows(s, text, now))[0]["n"] for s in SERVICES])

        await until(rest, lambda left: left == 0, "the end of errands")
        await self.town.settled()

    async def at_the_end(self, service: str, stood: list[dict[str, Any]]) -> None:
        """Wait until a service stands where it stood. It looks every two seconds by itself."""

        async def stands() -> bool:
            return await self.town.rows(service, _STANDS) == stood

        await until(stands, bool, f"{service} at the end")

    async def everything(self, service: str) -> dict[str, str]:
        """A hash of each table of a service, with the names of the tables."""
        found = {}
        async with opened(self.url, service) as eye:
            tables = await eye.fetch(
                "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
                " AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"
            )
            for (table,) in tables:
                apart = OWN_CLOCK.get(table, "")
                if apart is None:
                    continue
                found[table] = await eye.fetchval(
                    f"SELECT count(*) || ' rows, ' || coalesce(encode(sha256(convert_to(string_agg("
                    f"line, '' ORDER BY line COLLATE \"C\"), 'UTF8')), 'hex'), 'none') FROM"
                    f" (SELECT (to_jsonb(t) - $1::text)::text AS line FROM {table} t) lines",
                    apart,
                )
        return found


async def rarely(system: LocalSystem, http: httpx.AsyncClient, network: UUID) -> None:
    """What nobody does on an ordinary day: a nurse opens a record in an emergency, and the desk
    enters who may act for a patient and what messages may come by."""
    async with opened(system.superuser_url, "patients") as eye:
        patient = await eye.fetchval("SELECT id FROM patients ORDER BY id LIMIT 1")
    why = {"reason": "other", "note": "Nobody else could tell us."}
    who = {
        "proxy_subject": "a-neighbour",
        "authority": "patient_permission",
        "scope": ["appointment:read"],
    }
    for role, path, body in (("nurse", "emergency-access", why), ("front_desk", "proxies", who)):
        answer = await http.post(
            f"{system.urls['patients']}/v1/patients/{patient}/{path}",
            json=body,
            headers={
                "Authorization": f"Bearer {system.token(role, network, proven=True)}",
                "Idempotency-Key": f"a-{path}",
            },
        )
        assert answer.status_code == 201, answer.text
    answer = await http.put(
        f"{system.urls['patients']}/v1/patients/{patient}/message-preference",
        json={"channels": ["email"]},
        headers={"Authorization": f"Bearer {system.token('front_desk', network)}"},
    )
    assert answer.status_code == 200, answer.text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day() -> AsyncIterator[Played]:
    """Played once."""
    with tempfile.TemporaryDirectory(prefix="cb-start-") as name:
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        options = Options(
            clock_file=folder / "clock",
            durable=False,
            environment={"CLINICBUS_PAYER_TIMEOUT_SECONDS": "1", "CLINICBUS_PAYER_ATTEMPTS": "1"},
        )
        async with (
            LocalSystem(Layout(folder / "data"), Ports.free(), options) as system,
            httpx.AsyncClient(timeout=30) as http,
        ):
            story, _, _ = await command.play(system, http, clock, VISITS, SEED)
            await rarely(system, http, story.network)
            await checks.settled(system.superuser_url)
            facts = {
                "clinics": [place.clinic_id for place in story.places],
                "providers": {place.clinic_id: place.provider_ids for place in story.places},
                "types": {"Office visit": story.type_id},
            }
            town = Town(system, http, story.network, facts)
            yield Played(town, folder / "data", local(story.places[0], 10, days=5).astimezone(UTC))


async def test_every_projection_equals_the_live_copy_while_people_book(day: Played) -> None:
    async with day.writing() as done:
        for service in SERVICES:
            before = len(done)
            found = await day.rebuild(service)
            assert found.exit_code == 0, found.output or found.exception
            assert "The rebuilt copy equals the live one" in found.output
            for tables in rebuilt_tables(service).values():
                for table in tables:
                    if table not in SAID_BY_NOBODY:
                        assert f"  {table}: 0 rows" not in found.output
                    assert f"  {table}: " in found.output
            assert len(done) > before, "nobody wrote meanwhile"
    await day.quiet()


@pytest.mark.parametrize("service", SERVICES)
async def test_damaged_projections_are_found_and_put_right(day: Played, service: str) -> None:
    """Their rows are lost; foreign keys are past."""
    before = await day.everything(service)
    of_name = rebuilt_tables(service)
    tables = [table for name in of_name for table in of_name[name]]
    async with opened(day.url, service) as eye:
        await eye.execute("SET session_replication_role = replica")
        for table in tables:
            await eye.execute(f"DELETE FROM {table}")
    (name, *_) = of_name
    found = await day.rebuild(service, name)
    assert found.exit_code == 1
    for table in of_name[name]:
        assert re.search(rf"  {table}: 0 rows, [1-9]\d* missing", found.output), found.output
    assert "--swap puts the rebuilt ones in place" in found.output
    swapped = await day.rebuild(service, "--swap")
    assert swapped.exit_code == 0, swapped.output
    again = await day.rebuild(service)
    assert again.exit_code == 0, again.output
    assert await day.everything(service) == before


async def test_what_is_no_projection_says_why(day: Played) -> None:
    for service in SERVICES:
        for name, each in projections_of(service).items():
            if each.refused is not None:
                found = await day.rebuild(service, name)
                assert found.exit_code == 1
                assert each.refused in str(found.exception)


_SESSIONS = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'clinicbus-documents-rebuild'
"""


async def test_a_rebuild_that_is_killed_leaves_nothing_behind(day: Played) -> None:
    before = await day.everything("documents")
    arguments = ["rebuild", "documents", "--swap", "--data", str(day.folder)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.cli", *arguments, cwd=CHECKOUT, env=dict(os.environ)
    )

    async def sessions() -> int:
        return len(await day.town.rows("documents", _SESSIONS))

    await until(sessions, lambda count: count == 1, "the session of the rebuild")
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    await until(sessions, lambda count: count == 0, "its end")
    assert await day.everything("documents") == before
    found = await day.rebuild("documents", "--swap")
    assert found.exit_code == 0, found.output
    assert await day.everything("documents") == before


_STANDS = "SELECT topic, partition, next_offset FROM bus_offset ORDER BY 1, 2"


async def test_reading_every_topic_three_times_from_the_start_changes_nothing(
    day: Played,
) -> None:
    await day.quiet()
    before = {service: await day.everything(service) for service in SERVICES}
    stood = {service: await day.town.rows(service, _STANDS) for service in SERVICES}
    assert all(sum(row["next_offset"] for row in rows) > 8 for rows in stood.values())
    for _ in range(3):
        words = ["reset-offsets", "--to", "start", "--data", str(day.folder)]
        found = await asyncio.to_thread(CliRunner().invoke, bus.app, words)
        assert found.exit_code == 0, found.output
        for service in SERVICES:
            await day.at_the_end(service, stood[service])
    await day.quiet()
    after = {service: await day.everything(service) for service in SERVICES}
    assert after == before
    assert all(len(tables) > 15 for tables in after.values())
