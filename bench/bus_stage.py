"""What the bus benchmarks stand on: a server with appointments, which says visits were booked, with
patients, which hears it, and with a bus; and a Kafka broker where one is asked for."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg

from ops import kafka, postgres
from ops.prepare import install_bus
from services.patients.handlers import SUBSCRIPTIONS
from shared.bus.consumer import Consumer
from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus, Message, Producer
from shared.bus.postgres import PostgresBus
from shared.bus.relay import Relay
from shared.contracts.appointments import AppointmentBooked
from shared.contracts.envelope import Envelope, headers_of
from shared.contracts.partition import partition_of
from shared.db import migrate
from shared.db.database import Database
from shared.db.provision import provision, roles_of, service_environment
from shared.values.ids import new_id
from shared.web.clocks import SystemClock

SAYS, HEARS = "appointments", "patients"
TOPIC = AppointmentBooked.topic()
PATIENCE_SECONDS = 300.0


@dataclass(slots=True)
class BusStage:
    """A server, and where everything on it is."""

    server: postgres.Server
    environment: dict[str, str]
    folder: Path
    bootstrap: str | None
    network_id: UUID = field(default_factory=new_id)

    def database(self, service: str) -> Database:
        """A service's database, as its worker process has it."""
        urls = (self.environment[f"CLINICBUS_{service.upper()}_{r}_URL"] for r in ("APP", "WORKER"))
        return Database.connect(service, *urls)

    def bus(self, kind: str, service: str) -> Bus:
        """A connection of a service to a bus."""
        if kind == "kafka":
            assert self.bootstrap is not None
            return KafkaBus(self.bootstrap)
        return PostgresBus(self.environment[f"CLINICBUS_{service.upper()}_BUS_URL"])

    async def connect(self, database: str) -> asyncpg.Connection:
        """A superuser's connection: across networks."""
        url = self.server.superuser_url.replace("/postgres?", f"/clinicbus_{database}?")
        return await asyncpg.connect(url)

    def events(self, count: int) -> list[Message]:
        """Bookings of so many visits, as they go on the bus."""
        return [_booked(self.network_id, new_id()) for _ in range(count)]

    async def say(self, messages: Sequence[Message]) -> None:
        """Put events into the outbox, a hundred a transaction, as commands leave them."""
        connection = await self.connect(SAYS)
        try:
            for start in range(0, len(messages), 100):
                part = messages[start : start + 100]
                await connection.execute(
                    _SAY,
                    self.network_id,
                    [m.key for m in part],
                    [m.partition for m in part],
                    ["\x1f".join(text for pair in m.headers for text in pair) for m in part],
                    [m.value for m in part],
                    TOPIC,
                )
        finally:
            await connection.close()

    async def relayed(self, database: Database, bus: Bus, events: int) -> float:
        """Run a relay over so many rows; events a second from its first append to its last.

        What comes before, such as taking the lease, is no part of a rate.
        """
        timed = _Timed(bus, events)
        relay = Relay(database, cast(Bus, timed))
        task = asyncio.ensure_future(relay.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                ended = asyncio.ensure_future(timed.ended.wait())
                await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    task.result()
        finally:
            relay.stop()
            await task
        (first, count), (last, _) = timed.appends[0], timed.appends[-1]
        return (events - count) / (last - first)

    async def heard(self, bus: Bus, database: Database, events: int) -> float:
        """Run a consumer of patients until it has heard so many more; the seconds it took."""
        watcher = await self.connect(HEARS)
        consumer = Consumer(database, SystemClock(), bus, SUBSCRIPTIONS)
        stood = await watcher.fetchval("SELECT coalesce(sum(next_offset), 0) FROM bus_offset")
        # Not by counting visits: that would take more of the server the more there are.
        enough = f"SELECT sum(next_offset) >= {stood + events} FROM bus_offset"
        return await _timed(consumer.run, consumer.stop, watcher, enough)


class _Timed:
    """A bus that notes when each batch was appended, and how many there were in it."""

    def __init__(self, bus: Bus, events: int) -> None:
        self._bus, self._left = bus, events
        self.appends: list[tuple[float, int]] = []
        self.ended = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        offsets = await self._bus.append(producer, messages)
        if messages:
            self.appends.append((time.perf_counter(), len(messages)))
            self._left -= len(messages)
            if self._left <= 0:
                self.ended.set()
        return offsets


_SAY = """
INSERT INTO outbox (network_id, event_id, type, subject, subject_seq, correlation_id, occurred_at,
  topic, partition, key, headers, value)
SELECT $1, gen_random_uuid(), 'clinicbus.appointments.appointment.booked.v1', 'appointment/' || k,
  1, gen_random_uuid(), now(), $6, p, k, string_to_array(h, E'\\x1f'), v
FROM unnest($2::text[], $3::int[], $4::text[], $5::bytea[]) u(k, p, h, v)
"""


def _booked(network_id: UUID, appointment_id: UUID) -> Message:
    event = AppointmentBooked.example().model_copy(update={"appointment_id": appointment_id})
    envelope = Envelope(
        id=new_id(),
        type=event.wire_type(),
        source=f"/clinicbus/{SAYS}",
        subject=event.subject,
        time=event.starts_at,
        subject_seq=1,
        network_id=network_id,
        actor="person/bench",
        correlation_id=new_id(),
        causation_id=None,
        clinic_id=event.clinic_id,
        traceparent=None,
    )
    key = str(appointment_id)
    body = event.model_dump_json().encode()
    return Message(TOPIC, key, partition_of(key), headers_of(envelope, event), body)


async def _timed(
    run: Callable[[], Awaitable[None]],
    stop: Callable[[], None],
    watcher: asyncpg.Connection,
    until: str,
) -> float:
    started = time.perf_counter()
    task = asyncio.ensure_future(run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await watcher.fetchval(until):
                if task.done():
                    task.result()
                await asyncio.sleep(0.01)
        return time.perf_counter() - started
    finally:
        stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await watcher.close()


@contextmanager
def bus_stage(*, with_kafka: bool = False) -> Iterator[BusStage]:
    """A flushed server with both services' databases and the bus. Raises CannotRun."""
    with tempfile.TemporaryDirectory(prefix="cb-bench-") as name:
        folder = Path(name)
        server = postgres.start(folder / "pg", durable=True)
        broker = kafka.start(folder / "kafka") if with_kafka else None
        try:
            environment = asyncio.run(_prepared(server.superuser_url))
            bootstrap = None if broker is None else broker.bootstrap
            yield BusStage(server, environment, folder, bootstrap)
        finally:
            if broker is not None:
                kafka.stop(folder / "kafka")
            server.stop()


async def _prepared(superuser_url: str) -> dict[str, str]:
    passwords = {role: f"bench-{role}" for role in roles_of()}
    await provision(superuser_url, passwords)
    environment = service_environment(superuser_url, passwords)
    for service in (SAYS, HEARS):
        url = environment[f"CLINICBUS_{service.upper()}_OWNER_URL"]
        await asyncio.to_thread(migrate.upgrade, service, url)
    await install_bus(environment["CLINICBUS_BUS_OWNER_URL"])
    return environment
