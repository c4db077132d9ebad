"""What the booking benchmarks stand on: a server, a network with 16 providers, and an issuer."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ops import postgres
from ops.ports import Ports
from services.appointments import tables as t
from shared.db import migrate
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.provision import provision, roles_of, service_environment
from shared.db.work import Context
from shared.testing.tokens import TestIssuer
from shared.values.ids import new_id

LANES = 16
PATIENTS_A_LANE = 40
FIRST_DAY = datetime(2027, 1, 4, tzinfo=UTC)
NOW = datetime(2026, 12, 30, 12, tzinfo=UTC)
SLOT_MINUTES = 20
SLOTS_A_DAY = 70


@dataclass(slots=True)
class Lane:
    """One clinic with one provider, and patients who come to nobody else."""

    clinic_id: UUID = field(default_factory=new_id)
    provider_id: UUID = field(default_factory=new_id)
    patients: list[UUID] = field(
        default_factory=lambda: [new_id() for _ in range(PATIENTS_A_LANE)]
    )


@dataclass(slots=True)
class Stage:
    """A prepared network on a server."""

    server: postgres.Server
    environment: dict[str, str]
    network_id: UUID
    type_id: UUID
    lanes: list[Lane]
    issuer: TestIssuer
    folder: Path

    def token(self) -> str:
        """A front desk's token."""
        return self.issuer.token(self.network_id, "front_desk")


def slot_start(number: int) -> datetime:
    """The start of the n-th slot of a lane: 70 a day from midnight UTC, day after day."""
    day, place = divmod(number, SLOTS_A_DAY)
    return FIRST_DAY + timedelta(days=day, minutes=SLOT_MINUTES * place)


async def _fill(database: Database, stage: Stage) -> None:
    n = stage.network_id
    context = Context(n, Actor("person", "bench"), NOW)
    async with database.work(context) as work:
        kind = t.AppointmentType(
            id=stage.type_id, network_id=n, name="Visit", minutes_new=20, minutes_known=20,
            needs_room=True, service_code_new="V-NEW", service_code_known="V-EST",
        )  # fmt: skip
        work.add(kind)
        for lane in stage.lanes:
            work.add(
                t.Clinic(
                    id=lane.clinic_id, network_id=n, name="C", time_zone="UTC", currency="USD"
                )
            )
            work.add(
                t.Room(id=new_id(), network_id=n, clinic_id=lane.clinic_id, name="R", capacity=2)
            )
            work.add(t.Provider(id=lane.provider_id, network_id=n, family_name="P"))
            work.add(
                t.ProviderClinic(
                    network_id=n, provider_id=lane.provider_id, clinic_id=lane.clinic_id
                )
            )
        await work.flush()
        for lane in stage.lanes:
            for weekday in range(1, 8):
                work.add(
                    t.WeeklySchedule(
                        id=new_id(), network_id=n, provider_id=lane.provider_id,
                        clinic_id=lane.clinic_id, weekday=weekday, opens=time(0), closes=time(0),
                    )  # fmt: skip
                )
            for patient_id in lane.patients:
                work.add(
                    t.KnownPatient(
                        network_id=n, patient_id=patient_id, registered=True, visits=1
                    )
                )
    await database.close()


@contextmanager
def stage(service: str = "appointments") -> Iterator[Stage]:
    """A durable server with the appointments database and a filled network."""
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as name:
        folder = Path(name)
        server = postgres.start(folder / "pg", durable=True)
        try:
            passwords = {role: f"bench-{role}" for role in roles_of()}
            asyncio.run(provision(server.superuser_url, passwords))
            environment = service_environment(server.superuser_url, passwords)
            migrate.upgrade(service, environment["CLINICBUS_APPOINTMENTS_OWNER_URL"])
            made = Stage(
                server, environment, new_id(), new_id(), [Lane() for _ in range(LANES)],
                TestIssuer(), folder,
            )  # fmt: skip
            database = Database.connect(
                "appointments", environment["CLINICBUS_APPOINTMENTS_APP_URL"], None
            )
            asyncio.run(_fill(database, made))
            yield made
        finally:
            server.stop()


@contextmanager
def issuer_at(issuer: TestIssuer, port: int) -> Iterator[str]:
    """Answer for the issuer's keys on a port of loopback."""

    async def answer(request: Request) -> Response:
        found = issuer.answer(httpx.Request("GET", str(request.url)))
        return JSONResponse(found.json(), found.status_code)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def api(made: Stage, clock: Path) -> Iterator[tuple[int, int]]:
    """One API process of appointments; its port and process id. No relay, no consumer."""
    ports = Ports.free()
    port, issuer_port = ports.of["appointments"], ports.of["issuer"]
    import shared.testing.tokens as tokens

    with issuer_at(made.issuer, issuer_port) as url:
        tokens.ISSUER = url
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.web.run", "services.appointments.app:service",
             "--role", "api", "--port", str(port)],
            env={
                **os.environ,
                **made.environment,
                "CLINICBUS_ISSUER": url,
                "CLINICBUS_CLOCK_FILE": str(clock),
                "CLINICBUS_LOG_LEVEL": "WARNING",
            },
        )  # fmt: skip
        try:
            _until_ready(port, process)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(20)


def _until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    ready = threading.Event()
    while datetime.now(UTC) < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            ready.wait(0.1)
    raise RuntimeError("the service did not become ready")


async def count_bookings(made: Stage) -> tuple[int, int]:
    """Booked visits, and pairs of active occupancies of one lane that overlap."""
    connection = await asyncpg.connect(
        made.server.superuser_url.replace("/postgres?", "/clinicbus_appointments?")
    )
    try:
        visits = await connection.fetchval("SELECT count(*) FROM appointments")
        pairs = await connection.fetchval(
            "SELECT count(*) FROM occupancies a JOIN occupancies b ON a.id < b.id"
            " AND a.network_id = b.network_id AND a.resource_id = b.resource_id"
            " AND a.lane = b.lane AND a.active AND b.active"
            " AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at"
        )
        return visits, pairs
    finally:
        await connection.close()
