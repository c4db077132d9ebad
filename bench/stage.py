"""What the booking benchmarks stand on: a server, a network with 16 providers, and an issuer.

Each of the 16 clients has a lane: a clinic, its room, its provider, and 40 patients of its own. So
clients meet in no lock, as the desks of different clinics do not.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.driver import request
from bench.footprint import cpu_seconds, tree
from bench.serving import Serving, serving
from ops import issuer_clients, postgres, private_files
from ops.ports import Ports
from ops.tokens import Minter
from services.appointments import tables as t
from shared.db import migrate
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.provision import provision, roles_of, service_environment
from shared.db.work import Context
from shared.values.ids import new_id
from shared.web.clocks import SharedClock

SERVICE = "appointments"
SECRET = "bench-only"
TARGET = f"services.{SERVICE}.app:service"
LANES = 16
PATIENTS_A_LANE = 40
FIRST_DAY = datetime(2027, 1, 4, tzinfo=UTC)
NOW = datetime(2026, 12, 30, 12, tzinfo=UTC)
"""Where the business clock stands, so that nothing becomes due in between."""
SLOT_MINUTES = 20
SLOTS_A_DAY = 70

CLINIC, PROVIDER, PATIENT, ROOM, MADE = 1, 2, 3, 4, 9
"""Kinds of numbered ids; MADE ones are made by a booking."""


def numbered_prefix(kind: int) -> str:
    """An id of the bench up to its last group of 12 decimal digits."""
    return f"01900000-0000-7000-8{kind:03d}-"


def numbered(kind: int, number: int) -> UUID:
    """The id of a kind with a number: one that pgbench, too, can make from a client's number."""
    return UUID(f"{numbered_prefix(kind)}{number:012d}")


@dataclass(frozen=True, slots=True)
class Lane:
    """A client's own clinic, provider, room and patients. Its number always has three digits."""

    number: int

    @property
    def clinic_id(self) -> UUID:
        """Its clinic."""
        return numbered(CLINIC, self.number)

    @property
    def provider_id(self) -> UUID:
        """Its provider."""
        return numbered(PROVIDER, self.number)

    @property
    def room_id(self) -> UUID:
        """Its room."""
        return numbered(ROOM, self.number)

    def patient_id(self, number: int) -> UUID:
        """One of its 40 patients, in turn."""
        return numbered(PATIENT, self.number * 1000 + 100 + number % PATIENTS_A_LANE)


LANE = [Lane(100 + client) for client in range(LANES)]


@dataclass(slots=True)
class Stage:
    """A prepared network on a server. The business clock stands still, before the first slot."""

    server: postgres.Server
    environment: dict[str, str]
    folder: Path
    network_id: UUID
    type_id: UUID
    token: str

    @contextmanager
    def service(self, role: str, target: str = TARGET, **environment: str) -> Iterator[Serving]:
        """Appointments as a process in a role: `api` has neither relay nor consumer."""
        port = Ports.free().of[SERVICE]
        arguments = ["shared.web.run", target, "--role", role]
        told = {**self.environment, **environment}
        log = self.folder / f"{role}.log"
        with serving([*arguments, "--port", str(port)], port, told, log) as found:
            yield found

    def booking(self, lane: Lane, slot: int, key: str, *, patient: UUID | None = None) -> bytes:
        """The request that books a slot; by its key one of many."""
        body = orjson.dumps(
            {
                "patient_id": str(patient or lane.patient_id(slot)),
                "clinic_id": str(lane.clinic_id),
                "provider_id": str(lane.provider_id),
                "appointment_type_id": str(self.type_id),
                "starts_at": slot_start(slot).isoformat(),
            }
        )
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return request("POST", "/v1/appointments", {**headers, "Idempotency-Key": key}, body)

    def ask(self, text: str, *arguments: Any) -> list[Any]:
        """Rows of the appointments database, read by the superuser: across networks."""

        async def asked() -> list[Any]:
            url = self.server.superuser_url.replace("/postgres?", f"/clinicbus_{SERVICE}?")
            connection = await asyncpg.connect(url)
            try:
                return list(await connection.fetch(text, *arguments))
            finally:
                await connection.close()

        return asyncio.run(asked())

    def server_cpu_seconds(self) -> float:
        """What the server's processes have used of processors until now."""
        return cpu_seconds(tree([self.server.pid]))

    def free_slot(self) -> int:
        """The first slot of the first day on which nobody has anything."""
        (row,) = self.ask("SELECT max(starts_at) AS last FROM appointments")
        return 0 if row["last"] is None else ((row["last"] - FIRST_DAY).days + 1) * SLOTS_A_DAY

    def rest(self) -> None:
        """What a server does in quiet hours: vacuum, statistics, checkpoint. Before each run."""
        self.ask("VACUUM (ANALYZE)")
        self.ask("CHECKPOINT")


def slot_start(number: int) -> datetime:
    """The start of the n-th slot of a lane: 70 a day from midnight UTC, day after day."""
    day, place = divmod(number, SLOTS_A_DAY)
    return FIRST_DAY + timedelta(days=day, minutes=SLOT_MINUTES * place)


@contextmanager
def stage(*, durable: bool = True) -> Iterator[Stage]:
    """A server with the appointments database, a filled network, and the issuer."""
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as name:
        folder = Path(name)
        server = postgres.start(folder / "pg", durable=durable)
        try:
            passwords = {role: f"bench-{role}" for role in roles_of()}
            asyncio.run(provision(server.superuser_url, passwords))
            environment = service_environment(server.superuser_url, passwords)
            migrate.upgrade(SERVICE, environment["CLINICBUS_APPOINTMENTS_OWNER_URL"])
            port = Ports.free().of["issuer"]
            issuer = f"http://127.0.0.1:{port}"
            clock = folder / "clock"
            SharedClock(clock).set(NOW)
            environment |= {
                "CLINICBUS_ISSUER": issuer,
                "CLINICBUS_SERVICE_SECRET": SECRET,
                "CLINICBUS_CLOCK_FILE": str(clock),
                "CLINICBUS_LOG_LEVEL": "WARNING",
            }
            keys = folder / "issuer"
            private_files.make_folder(keys)
            issuer_clients.set_services(keys, {SERVICE: SECRET})
            network_id = new_id()
            token = Minter.of(keys, issuer).person("front_desk", network_id)
            made = Stage(server, environment, folder, network_id, new_id(), token)
            asyncio.run(_fill(made))
            arguments = ["ops.issuer", "--folder", str(keys), "--issuer", issuer]
            with serving([*arguments, "--port", str(port)], port, {}, folder / "issuer.log"):
                yield made
        finally:
            server.stop()


async def _fill(made: Stage) -> None:
    database = Database.connect(SERVICE, made.environment["CLINICBUS_APPOINTMENTS_APP_URL"], None)
    n = made.network_id
    async with database.work(Context(n, Actor("person", "bench"), NOW)) as work:
        work.add(
            t.AppointmentType(
                id=made.type_id, network_id=n, name="Visit", minutes_new=SLOT_MINUTES,
                minutes_known=SLOT_MINUTES, needs_room=True, service_code_new="V-NEW",
                service_code_known="V-EST",
            )
        )  # fmt: skip
        for lane in LANE:
            place: dict[str, Any] = {"network_id": n, "clinic_id": lane.clinic_id}
            work.add(
                t.Clinic(
                    id=lane.clinic_id, network_id=n, name="C", time_zone="UTC", currency="USD"
                ),
                t.Room(id=lane.room_id, name="R", capacity=2, **place),
                t.Provider(id=lane.provider_id, network_id=n, family_name="P"),
                t.ProviderClinic(provider_id=lane.provider_id, **place),
            )
        await work.flush()
        for lane in LANE:
            place = {"network_id": n, "clinic_id": lane.clinic_id, "provider_id": lane.provider_id}
            work.add(
                *(
                    t.WeeklySchedule(
                        id=new_id(), weekday=weekday, opens=time(0), closes=time(0), **place
                    )
                    for weekday in range(1, 8)
                ),
                *(
                    t.KnownPatient(
                        network_id=n, patient_id=lane.patient_id(p), registered=True, visits=1
                    )
                    for p in range(PATIENTS_A_LANE)
                ),
            )
    await database.close()
