"""The whole local system with patients to book for, and when its subscribers committed an effect.

The effect's time is the commit timestamp of the subscriber's `applied` row, which the server keeps
(`track_commit_timestamp`): nothing is polled while it is measured. It is taken as the commit record
is made; the flush of that record follows, and its mean time is shown beside.
"""

import asyncio
import importlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import orjson

from bench.driver import request
from bench.paced import Paced, paced
from ops import postgres, seed
from ops.day import checks
from ops.day.databases import opened
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from shared.contracts.appointments import AppointmentBooked
from shared.db.provision import SERVICES
from shared.values.ids import new_id

Kind = Literal["postgres", "kafka"]
PATIENTS_A_SECOND = 30
"""For each second of a measurement, so that a patient has a few open visits and not dozens: with a
patient's next visit the cover of all of them is looked at."""
AT_ONCE = 8
FIRST_DAY = 21
"""Days from today: before any packet is due."""
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.2
MINUTES = 45
VISITS_A_DAY = 13

_APPLIED = """
SELECT subject, seq, extract(epoch FROM pg_xact_commit_timestamp(xmin)) AS at FROM applied
WHERE network_id = $1 AND topic = $2 AND subject = ANY ($3)
"""
_TO_DO = """
SELECT (SELECT count(*) FROM timer WHERE ended_at IS NULL AND due_at <= now() AND attempts = 0)
     + (SELECT count(*) FROM intent
        WHERE state = 'calling' OR state = 'waiting' AND next_try_at <= now())
"""
_FLUSH = "SELECT sum(fsync_time) / greatest(sum(fsyncs), 1) AS ms FROM pg_stat_io"
SETTINGS = ("track_commit_timestamp = on", "track_wal_io_timing = on")


def subscribers() -> list[str]:
    """The services that do something when a visit is booked."""
    return [
        name
        for name in SERVICES
        if AppointmentBooked
        in importlib.import_module(f"services.{name}.handlers").SUBSCRIPTIONS.handlers
    ]


@dataclass(slots=True)
class Ground:
    """A running system. `booked`: how many visits were asked for until now."""

    system: LocalSystem
    caller: seed.Caller
    facts: dict[str, Any]
    patients: list[str]
    booked: int = field(default=0)

    async def load(self, rate: float, seconds: float) -> Paced:
        """Book at a rate, each a slot of its own."""
        token = self.caller.token("front_desk", self.caller.network)
        count = round(rate * seconds)
        asked = [self._request(token, self.booked + number) for number in range(count)]
        self.booked += count
        return await paced(self.system.ports.of["appointments"], asked, rate)

    def _request(self, token: str, number: int) -> bytes:
        body = _booking(self.facts, self.patients[number % len(self.patients)], number)
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(new_id()),
        }
        return request("POST", "/v1/appointments", headers, orjson.dumps(body))

    async def settled(self) -> float:
        """Wait until nothing is left to do: every timer that is due and every call outside made,
        and all that was said applied. The seconds it took. Raises RuntimeError after a while."""
        begun = time.monotonic()
        while await self._to_do():
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise RuntimeError("timers or calls were left")
            await asyncio.sleep(LOOK_SECONDS)
        check = await checks.settled(self.system.superuser_url)
        if not check.ok:
            raise RuntimeError(f"not everything was applied: {check.problems[:3]}")
        # What was applied last may have set a timer or asked for a call.
        return time.monotonic() - begun + (await self.settled() if await self._to_do() else 0.0)

    async def _to_do(self) -> int:
        left = 0
        for service in SERVICES:
            async with opened(self.system.superuser_url, service) as connection:
                left += await connection.fetchval(_TO_DO)
        return left

    async def effects(self, service: str, visits: Iterable[str]) -> dict[str, float]:
        """Appointment to the instant at which the service's effect was committed.

        Only where the subject's first event is still its last one: a later one moves the row.
        """
        subjects = [f"appointment/{visit}" for visit in visits]
        topic = AppointmentBooked.topic()
        async with opened(self.system.superuser_url, service) as connection:
            rows = await connection.fetch(_APPLIED, self.caller.network, topic, subjects)
        return {
            row["subject"].removeprefix("appointment/"): float(row["at"])
            for row in rows
            if row["seq"] == 1
        }

    async def waits(self, since: dict[str, float]) -> dict[str, list[float]]:
        """By service, the seconds from an instant of each visit to its effect, in their order; a
        visit without one waited for ever."""
        found: dict[str, list[float]] = {}
        for service in subscribers():
            at = await self.effects(service, since)
            found[service] = [max(0.0, at.get(v, float("inf")) - t) for v, t in since.items()]
        return found

    async def flush_ms(self) -> float:
        """The mean time of a flush of this server until now."""
        async with opened(self.system.superuser_url, "appointments") as connection:
            return float(await connection.fetchval(_FLUSH))


@asynccontextmanager
async def ground(bus: Kind, seconds: int) -> AsyncIterator[Ground]:
    """A system of its own on a bus, for measurements of so many seconds. Raises CannotRun."""
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as name:
        layout = Layout(Path(name) / "data")
        layout.make()
        await _prepared(layout)
        async with (
            LocalSystem(layout, Ports.free(), Options(bus=bus)) as system,
            httpx.AsyncClient(timeout=30) as http,
        ):
            caller = seed.Caller(http, system.urls, system.token, new_id())
            facts = await seed.seed(system.urls, system.token, caller.network)
            patients = await _patients(caller, facts, PATIENTS_A_SECOND * seconds)
            made = Ground(system, caller, facts, patients)
            await made.settled()
            yield made


async def _prepared(layout: Layout) -> None:
    server = postgres.start(layout.postgres)
    try:
        connection = await asyncpg.connect(server.superuser_url)
        try:
            for setting in SETTINGS:
                await connection.execute(f"ALTER SYSTEM SET {setting}")
        finally:
            await connection.close()
    finally:
        server.stop()


async def _patients(caller: seed.Caller, facts: dict[str, Any], count: int) -> list[str]:
    """Register people; every second one has cover, so that a booking asks the payer."""
    gate = asyncio.Semaphore(AT_ONCE)
    (payer_id,) = facts["payers"].values()

    async def one(number: int) -> str:
        async with gate:
            return await _patient(caller, payer_id, number)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def _patient(caller: seed.Caller, payer_id: str, number: int) -> str:
    digits = [number // 26**place % 26 for place in range(3)]
    family = "".join(chr(97 + digit) for digit in digits).capitalize() + "or"
    given = f"Bench{chr(97 + number % 26)}"
    born = f"{1930 + number % 80}-0{1 + number % 9}-1{number % 10}"
    person = {
        "name": {"family": family, "given": given},
        "birth_date": born,
        "override_reason": "Made up for a measurement",
    }
    made = await caller.post("front_desk", "patients", "/v1/patients", person)
    if number % 2:
        holder = {"family_name": family, "given_name": given, "birth_date": born}
        card = {
            "patient_id": made["id"],
            "payer_id": payer_id,
            "order": "primary",
            "member_id": f"ACT{number:06d}",
            "relationship": "self",
            "subscriber": {**holder, "gender": "female"},
            "effective_from": "2026-01-01",
        }
        await caller.post("front_desk", "eligibility", "/v1/coverages", card)
    return str(made["id"])


def _booking(facts: dict[str, Any], patient_id: str, number: int) -> dict[str, str]:
    """The n-th visit: over all providers, every 45 minutes from 8:00, day after day."""
    places = [
        (clinic, provider, zone["time_zone"])
        for (clinic, found), zone in zip(facts["providers"].items(), seed.CLINICS, strict=True)
        for provider in found
    ]
    slot, place = divmod(number, len(places))
    clinic_id, provider_id, zone = places[place]
    day, at = divmod(slot, VISITS_A_DAY)
    weeks, weekday = divmod(day, 6)
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday()) + timedelta(days=FIRST_DAY)
    date = monday + timedelta(weeks=weeks, days=weekday)
    start = datetime(date.year, date.month, date.day, 8, tzinfo=ZoneInfo(zone))
    return {
        "patient_id": patient_id,
        "clinic_id": clinic_id,
        "provider_id": provider_id,
        "appointment_type_id": facts["types"]["Office visit"],
        "starts_at": (start.astimezone(UTC) + timedelta(minutes=MINUTES * at)).isoformat(),
    }
