"""A network in which documents come in, with the services that are asked for names played here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from services.documents.app import service
from services.documents.clients import FolderStore
from services.documents.errands import errands
from services.documents.handlers import SUBSCRIPTIONS
from services.documents.settings import Settings
from services.documents.timers import TIMERS
from shared.contracts.appointments import AppointmentBooked
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import PatientRegistered
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.errands import Errands, claim, run_one
from shared.db.timers import fire_due
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import Ports, Service, app_of
from shared.web.service_calls import ServiceCalls
from shared.web.settings import Chassis, Urls

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)
CLINIC, PROVIDER, TYPE = UUID(int=10), UUID(int=11), UUID(int=12)
NAMES_AT = {"patients": "http://patients.test", "appointments": "http://appointments.test"}


@dataclass(slots=True)
class Owners:
    """Plays the services that own names. `asked` keeps the tokens and bodies that came."""

    down: bool = False
    asked: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What patients or appointments would answer a service."""
        self.asked.append(request)
        if self.down:
            return httpx.Response(503)
        path = request.url.path
        if path == f"/v1/clinics/{CLINIC}":
            place = {"id": str(CLINIC), "name": "Cedar Street", "time_zone": "America/Denver"}
            return httpx.Response(200, json=place)
        if path == "/v1/providers":
            who = {"id": str(PROVIDER), "family_name": "Brandt", "given_name": "Kaya"}
            return httpx.Response(200, json={"items": [who]})
        if path == "/v1/appointment-types":
            kind = {"id": str(TYPE), "name": "Office visit"}
            return httpx.Response(200, json={"items": [kind]})
        if path == "/v1/patients/lookup":
            return httpx.Response(200, json={"items": [_person(request)]})
        return httpx.Response(404)


def _person(request: httpx.Request) -> dict[str, Any]:
    patient_id = httpx.Response(200, content=request.content).json()["ids"][0]
    return {
        "id": patient_id,
        "mrn": "000000424",
        "name": {"display": "Ana-Sofía Łukasiewicz"},
        "birth_date": "1984-02-29",
    }


def settings_from(environment: Mapping[str, str], data: Path) -> Settings:
    """Settings for the test databases and a folder of the test's own."""
    return Settings(
        Chassis(issuer=ISSUER, data=data, urls=NAMES_AT),
        Urls(
            app_url=environment["CLINICBUS_DOCUMENTS_APP_URL"],
            worker_url=environment["CLINICBUS_DOCUMENTS_WORKER_URL"],
            bus_url=environment["CLINICBUS_DOCUMENTS_BUS_URL"],
        ),
    )


@dataclass(slots=True)
class Scene:
    """A network with a desk, a provider and a patient, and what lies behind the API."""

    made: Service
    office: Office
    network_id: UUID
    database: Database
    clock: FixedClock
    store: FolderStore
    folder: Path
    owners: Owners
    errands: Errands
    heard: dict[str, int] = field(default_factory=dict)

    def who(self, *roles: str, **claims: Any) -> Desk:
        """A caller with these roles."""
        return self.office.desk("documents", self.network_id, *roles, **claims)

    @property
    def desk(self) -> Desk:
        """Somebody at the front desk."""
        return self.who("front_desk")

    async def hear(self, *events: Event, at: datetime | None = None) -> None:
        """Apply events as the consumer does, each in a transaction of its own."""
        for event in events:
            envelope = self.envelope(event, at or self.clock.now())
            context = Context(self.network_id, Actor("service", "documents"), self.clock.now())
            locks = SUBSCRIPTIONS.locks(event)
            async with self.database.work(context, locks, role="worker") as work:
                await become_app(work)
                work.caused_by(envelope)
                await SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)

    def envelope(self, event: Event, at: datetime) -> Envelope:
        """The next envelope of an event's subject."""
        sequence = self.heard.get(event.subject, 0) + 1
        self.heard[event.subject] = sequence
        return Envelope(
            id=new_id(),
            type=event.wire_type(),
            source=f"/clinicbus/{event.producer}",
            subject=event.subject,
            time=at,
            subject_seq=sequence,
            network_id=self.network_id,
            actor="person/booker",
            correlation_id=new_id(),
            causation_id=None,
            clinic_id=None,
            traceparent=None,
        )

    async def patient(self) -> UUID:
        """A patient whom the service has heard of."""
        patient_id = new_id()
        await self.hear(PatientRegistered(patient_id=patient_id, registered_at=self.clock.now()))
        return patient_id

    async def visit(self, patient_id: UUID, starts_in: timedelta) -> UUID:
        """A visit that the service has heard of."""
        appointment_id = new_id()
        await self.hear(self.booked(appointment_id, patient_id, starts_in))
        return appointment_id

    def booked(
        self, appointment_id: UUID, patient_id: UUID, starts_in: timedelta, **more: Any
    ) -> AppointmentBooked:
        """The event of a booking."""
        starts_at = self.clock.now() + starts_in
        return AppointmentBooked(
            appointment_id=appointment_id,
            patient_id=patient_id,
            clinic_id=more.pop("clinic_id", CLINIC),
            provider_id=PROVIDER,
            appointment_type_id=TYPE,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            new_patient=True,
            walk_in=False,
            booked_at=self.clock.now(),
            **more,
        )

    async def upload(
        self,
        content: bytes = PDF,
        *,
        by: Desk | None = None,
        name: str = "card.pdf",
        declared: str = "application/pdf",
        key: str | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """POST a file."""
        said = {"source": "scan", **{n: str(v) for n, v in fields.items() if v is not None}}
        files = {"file": (name, content, declared)}
        return await (by or self.desk).post("/v1/documents", files=files, data=said, key=key)

    async def row(self, text: str, *arguments: Any) -> dict[str, Any]:
        """The one row of a statement in this network. `$1` is the network."""
        rows = await self.rows(text, *arguments)
        assert len(rows) == 1, rows
        return rows[0]

    async def rows(self, text: str, *arguments: Any) -> list[dict[str, Any]]:
        """The rows of a statement in this network."""
        async with self.database.work(self._context()) as work:
            return [dict(r) for r in await work.raw.fetch(text, self.network_id, *arguments)]

    async def said(self) -> list[str]:
        """The types of what was said in this network, in order."""
        text = "SELECT type FROM outbox WHERE network_id = $1 ORDER BY occurred_at, event_id"
        return [row["type"].removeprefix("clinicbus.documents.") for row in await self.rows(text)]

    async def fire(self) -> None:
        """Fire what is due."""
        await fire_due(self.database, TIMERS, self.clock)

    async def run_errands(self) -> None:
        """Run the errands of this network that are due."""
        while found := await claim(self.database):
            for intent in found:
                if intent.network_id == self.network_id:
                    await run_one(self.database, self.errands, self.clock, intent)

    async def work_off(self) -> None:
        """Fire and run until nothing is due."""
        for _ in range(5):
            await self.fire()
            await self.run_errands()

    async def retry_now(self) -> None:
        """Let intents that wait for another try be due."""
        async with self.database.raw("worker") as raw:
            await raw.execute(
                "UPDATE intent SET next_try_at = now() WHERE network_id = $1", self.network_id
            )

    def _context(self) -> Context:
        return Context(self.network_id, Actor("person", "test"), self.clock.now())


async def scene(
    environment: Mapping[str, str],
    office: Office,
    network_id: UUID,
    clock: FixedClock,
    folder: Path,
) -> Scene:
    """Start the API, and play those whom its errands ask."""
    made = service(settings_from(environment, folder))
    made.clock = clock
    made.http = office.http
    await office.start("documents", app_of(made, "api"))
    owners = Owners()
    for url in NAMES_AT.values():
        office.switchboard.connect(url, owners.answer)
    database = Database.connect("documents", made.urls.app_url, made.urls.worker_url)
    office.stack.push_async_callback(database.close)
    store = FolderStore(folder / "objects")
    ports = Ports(office.http, made.chassis, clock, "documents")
    return Scene(
        made,
        office,
        network_id,
        database,
        clock,
        store,
        folder / "objects",
        owners,
        errands(ServiceCalls(ports), store),
    )


async def walked(desk: Desk, path: str, **query: Any) -> list[str]:
    """The ids of a list, read two at a time."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(9):
        page = (await desk.get(path, limit="2", **query, **cursor)).json()
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}
    raise AssertionError("the pages have no end")
