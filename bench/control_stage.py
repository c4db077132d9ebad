"""The control beside our stage: a database on the same server, a broker, and its process."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from bench.driver import request
from bench.serving import Serving, serving
from bench.stage import LANE, PATIENTS_A_LANE, Lane, Stage, slot_start
from bench.topic import Kept, read_all
from ops import kafka
from ops.ports import Ports
from shared.bus.kafka import KafkaBus
from shared.contracts.appointments import AppointmentBooked
from shared.db.migrate import driver_url

CONTROL_TOPIC = "control.appointments"
OUR_TOPIC = AppointmentBooked.topic()
DATABASE = "bench_control"


@dataclass(slots=True)
class Arena:
    """Our stage, the control's database on the same server, and a broker that both tell."""

    made: Stage
    bootstrap: str

    @contextmanager
    def control(self) -> Iterator[Serving]:
        """The control as a process."""
        port = Ports.free().of["appointments"]
        environment = {
            "CONTROL_DATABASE_URL": driver_url(self._url),
            "CONTROL_KAFKA": self.bootstrap,
        }
        log = self.made.folder / "control.log"
        arguments = ["bench.control", "--port", str(port)]
        with serving(arguments, port, environment, log, ready="/livez") as found:
            yield found

    @contextmanager
    def relay(self) -> Iterator[None]:
        """Our relay, from our outbox to the broker, in a process of its own."""
        with self.made.service("worker", **self.on_kafka):
            yield

    @property
    def on_kafka(self) -> dict[str, str]:
        """What tells our service which bus to use."""
        return {"CLINICBUS_BUS": "kafka", "CLINICBUS_KAFKA": self.bootstrap}

    def ask(self, text: str, *arguments: Any) -> list[Any]:
        """Rows of the control's database."""

        async def asked() -> list[Any]:
            connection = await asyncpg.connect(self._url)
            try:
                return list(await connection.fetch(text, *arguments))
            finally:
                await connection.close()

        return asyncio.run(asked())

    def topic(self, name: str) -> list[Kept]:
        """What the broker holds of a topic."""
        return asyncio.run(read_all(self.bootstrap, name))

    def clear(self) -> None:
        """Give the control an empty book: its search of it must not grow with earlier runs."""
        self.ask("TRUNCATE appointment")
        self.ask("VACUUM (ANALYZE)")

    @property
    def _url(self) -> str:
        return self.made.server.superuser_url.replace("/postgres?", f"/{DATABASE}?")


def control_booking(lane: Lane, slot: int) -> bytes:
    """The request that books a slot at the control."""
    body = orjson.dumps(
        {
            "provider_id": str(lane.provider_id),
            "patient_id": str(lane.patient_id(slot)),
            "starts_at": slot_start(slot).isoformat(),
        }
    )
    return request("POST", "/appointments", {"Content-Type": "application/json"}, body)


def control_lanes(first: int) -> Callable[[int, int], bytes]:
    """Requests of clients that each book in a lane of their own, slot after slot."""
    return lambda client, number: control_booking(LANE[client], first + number)


@contextmanager
def arena(made: Stage) -> Iterator[Arena]:
    """Make the control's database and start a broker. CannotRun where none can be had."""
    folder = made.folder / "kafka"
    broker = kafka.start(folder)
    try:
        asyncio.run(_topics(broker.bootstrap))
        made.ask(f"CREATE DATABASE {DATABASE}")
        found = Arena(made, broker.bootstrap)
        with found.control():
            asyncio.run(_fill(found))
        yield found
    finally:
        kafka.stop(folder)


async def _topics(bootstrap: str) -> None:
    bus = KafkaBus(bootstrap)
    await bus.create_topics([CONTROL_TOPIC, OUR_TOPIC])
    await bus.close()


async def _fill(found: Arena) -> None:
    """The same providers and patients as on our side; the control has made its tables."""
    connection = await asyncpg.connect(found._url)
    try:
        providers = [(lane.provider_id, "P") for lane in LANE]
        patients = [(lane.patient_id(n), "A") for lane in LANE for n in range(PATIENTS_A_LANE)]
        await connection.executemany("INSERT INTO provider VALUES ($1, $2)", providers)
        await connection.executemany("INSERT INTO patient VALUES ($1, $2)", patients)
    finally:
        await connection.close()
