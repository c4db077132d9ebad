"""From the 201 of a booking to its effect committed in every subscriber, all services running.

The effect's time is the commit timestamp of the subscriber's `applied` row, which the server keeps
(`track_commit_timestamp`): nothing is polled while it is measured. It is taken as the commit record
is made; the flush of that record follows, and its mean time is shown beside.
"""

import asyncio
import importlib
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from bench.driver import percentile
from bench.footprint import used_by
from bench.report import Figure, at_most
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
BOUND_MS = 250
RATE = 20
WARM_SECONDS = 3
PATIENTS = 80
AT_ONCE = 8
FIRST_DAY = 21
"""Days from today: before any packet is due."""
MINUTES = 45
VISITS_A_DAY = 13

_APPLIED = """
SELECT subject, seq, extract(epoch FROM pg_xact_commit_timestamp(xmin)) AS at FROM applied
WHERE network_id = $1 AND topic = $2
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


def latency(bus: Kind, seconds: int) -> list[Figure]:
    """Measure on one bus for so many seconds, on a system of its own. Raises CannotRun."""
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as name:
        layout = Layout(Path(name) / "data")
        layout.make()
        server = postgres.start(layout.postgres)
        try:
            asyncio.run(_set(server.superuser_url))
        finally:
            server.stop()
        taken = asyncio.run(_on_system(layout, bus, seconds))
    return [_figure(bus, taken)]


async def _set(superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        for setting in SETTINGS:
            await connection.execute(f"ALTER SYSTEM SET {setting}")
    finally:
        await connection.close()


@dataclass(slots=True)
class Taken:
    """What was measured. effects: service to appointment to when its effect was committed.

    cpu: of one core, by program, while the bookings came.
    """

    answered: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    effects: dict[str, dict[str, float]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    flush_ms: float = 0.0
    seconds: float = 0.0

    def waits(self, service: str) -> list[float]:
        """Seconds from each 201 to the effect; a booking without one waited for ever."""
        found = self.effects[service]
        return [max(0.0, found.get(key, float("inf")) - at) for key, at in self.answered.items()]


def _figure(bus: Kind, taken: Taken) -> Figure:
    waits = {name: taken.waits(name) for name in taken.effects}
    last = [max(of_one) for of_one in zip(*waits.values(), strict=True)]
    by_service = {
        name: {
            "p50_ms": round(1000 * percentile(found, 0.5), 1),
            "p99_ms": round(1000 * percentile(found, 0.99), 1),
        }
        for name, found in waits.items()
    }
    return at_most(
        f"201 to effect, {bus} bus, p99", 1000 * percentile(last, 0.99), BOUND_MS, "ms",
        f"the slowest of {', '.join(waits)}",
        p50_ms=round(1000 * percentile(last, 0.5), 1),
        bookings=len(last),
        bookings_per_second=round(len(last) / taken.seconds, 1),
        refused=taken.refused[:5],
        by_service=by_service,
        cpu_share={name: round(share, 3) for name, share in taken.cpu.items()},
        taken_by="commit timestamp of the applied row, before the flush of the commit record",
        mean_flush_ms=round(taken.flush_ms, 2),
    )  # fmt: skip


async def _on_system(layout: Layout, bus: Kind, seconds: int) -> Taken:
    async with LocalSystem(layout, Ports.free(), Options(bus=bus)) as system:
        async with httpx.AsyncClient(timeout=30) as http:
            caller = seed.Caller(http, system.urls, system.token, new_id())
            facts = await seed.seed(system.urls, system.token, caller.network)
            patients = await _patients(caller, facts)
            await _settled(system)
            await _load(caller, facts, patients, 0, WARM_SECONDS * RATE)
            before = used_by(system)
            taken = await _load(caller, facts, patients, WARM_SECONDS * RATE, seconds * RATE)
            after = used_by(system)
        taken.cpu = {name: (after[name] - before[name]) / taken.seconds for name in after}
        await _settled(system)
        for service in subscribers():
            taken.effects[service] = await _effects(system, service, caller.network)
        async with opened(system.superuser_url, "appointments") as connection:
            taken.flush_ms = float(await connection.fetchval(_FLUSH))
        return taken


async def _settled(system: LocalSystem) -> None:
    check = await checks.settled(system.superuser_url)
    if not check.ok:
        raise RuntimeError(f"not everything was applied: {check.problems[:3]}")


async def _patients(caller: seed.Caller, facts: dict[str, Any]) -> list[str]:
    """Register people; every second one has cover, so that a booking asks the payer."""
    gate = asyncio.Semaphore(AT_ONCE)
    (payer_id,) = facts["payers"].values()

    async def one(number: int) -> str:
        name = f"{chr(65 + number // 10)}{'aeiou'[number % 5]}{chr(98 + number % 20)}or"
        born = f"{1930 + number}-0{1 + number % 9}-1{number % 10}"
        async with gate:
            person = {
                "name": {"family": name, "given": f"Bench{chr(97 + number % 26)}"},
                "birth_date": born,
                "override_reason": "Made up for a measurement",
            }
            made = await caller.post("front_desk", "patients", "/v1/patients", person)
            if number % 2:
                card = {
                    "patient_id": made["id"],
                    "payer_id": payer_id,
                    "order": "primary",
                    "member_id": f"ACT{number:06d}",
                    "relationship": "self",
                    "subscriber": {
                        "family_name": name,
                        "given_name": f"Bench{chr(97 + number % 26)}",
                        "birth_date": born,
                        "gender": "female",
                    },
                    "effective_from": "2026-01-01",
                }
                await caller.post("front_desk", "eligibility", "/v1/coverages", card)
            return str(made["id"])

    return list(await asyncio.gather(*(one(number) for number in range(PATIENTS))))


async def _load(
    caller: seed.Caller, facts: dict[str, Any], patients: list[str], first: int, count: int
) -> Taken:
    """Book at a steady rate, whatever becomes of those before."""
    taken = Taken()
    token = caller.token("front_desk", caller.network)
    bodies = [
        _booking(facts, patients[number % len(patients)], number)
        for number in range(first, first + count)
    ]

    async def book(body: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id())}
        url = caller.urls["appointments"] + "/v1/appointments"
        answer = await caller.http.post(url, json=body, headers=headers)
        at = time.time()
        if answer.status_code == 201:
            taken.answered[answer.json()["id"]] = at
        else:
            taken.refused.append(answer.text[:300])

    started = time.perf_counter()
    tasks: list[asyncio.Task[None]] = []
    for number, body in enumerate(bodies):
        await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(book(body)))
    await asyncio.gather(*tasks)
    taken.seconds = time.perf_counter() - started
    return taken


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


async def _effects(system: LocalSystem, service: str, network: UUID) -> dict[str, float]:
    """Appointment to the instant at which the service's effect was committed.

    Only where the subject's first event is still its last one: a later one moves the row.
    """
    async with opened(system.superuser_url, service) as connection:
        rows = await connection.fetch(_APPLIED, network, AppointmentBooked.topic())
    return {
        row["subject"].removeprefix("appointment/"): float(row["at"])
        for row in rows
        if row["seq"] == 1
    }
