"""A network with a desk to register people at, with sane defaults."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.patients.app import service
from services.patients.handlers import SUBSCRIPTIONS, locks
from services.patients.settings import Settings
from shared.contracts.appointments import ClinicOpened
from shared.contracts.envelope import Envelope, Event
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import Service, app_of
from shared.web.settings import Chassis, Urls


def settings_from(environment: dict[str, str]) -> Settings:
    """Settings for the test databases."""
    return Settings(
        Chassis(issuer=ISSUER),
        Urls(
            app_url=environment["CLINICBUS_PATIENTS_APP_URL"],
            worker_url=environment["CLINICBUS_PATIENTS_WORKER_URL"],
            bus_url=environment["CLINICBUS_PATIENTS_BUS_URL"],
        ),
    )


def build(environment: dict[str, str], office: Office, clock: FixedClock) -> Service:
    """The service with a test clock and the office's switchboard."""
    made = service(settings_from(environment))
    made.clock = clock
    made.http = office.http
    return made


def person(**more: Any) -> dict[str, Any]:
    """The body of a registration."""
    return {
        "name": {"family": "García López", "given": "Guadalupe", "preferred": "Lupe"},
        "birth_date": "1984-02-29",
        "gender": "female",
        "phones": [{"number": "303-555-0142", "use": "mobile"}],
        "emails": ["Lupe@Example.org"],
        "addresses": [
            {
                "lines": ["100 Main Street", "Apartment 4"],
                "city": "Denver",
                "state": "CO",
                "postal_code": "80202",
            }
        ],
        **more,
    }


def named(family: str | None, given: str | None, birth_date: str = "1970-01-01") -> dict[str, Any]:
    """The body of a registration of somebody of whom little is known."""
    return {"name": {"family": family, "given": given}, "birth_date": birth_date}


@dataclass(slots=True)
class Scene:
    """A network with a desk, and its database for looking behind the API."""

    desk: Desk
    office: Office
    network_id: UUID
    database: Database
    clock: FixedClock

    async def register(self, **more: Any) -> dict[str, Any]:
        """A registered patient, as the API shows it."""
        answer = await self.desk.post("/v1/patients", person(**more))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def enter(self, family: str | None, given: str | None, **more: Any) -> dict[str, Any]:
        """Somebody registered by name and birth date alone."""
        answer = await self.desk.post("/v1/patients", named(family, given, **more))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def clinic(self, clinic_id: UUID, time_zone: str) -> None:
        """A clinic whose opening the service has heard."""
        await self.hear(
            ClinicOpened(clinic_id=clinic_id, time_zone=time_zone, currency="USD"), self.clock.now()
        )

    async def hear(self, event: Event, at: datetime) -> None:
        """Let the service hear an event of appointments, as its consumer does."""
        await heard(self.database, self.network_id, event, at)

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows that the app role sees in this network."""
        context = Context(self.network_id, Actor("person", "test"), self.clock.now())
        async with self.database.work(context) as work:
            return [dict(row) for row in await work.raw.fetch(statement, *arguments)]

    async def said(self, patient_id: str) -> list[str]:
        """The names of the events of a patient, in the order of its subject's sequence."""
        rows = await self.rows(
            "SELECT type, subject_seq FROM outbox WHERE subject = $1 ORDER BY subject_seq",
            f"patient/{patient_id}",
        )
        assert [row["subject_seq"] for row in rows] == list(range(1, len(rows) + 1))
        return [row["type"].removeprefix("clinicbus.patients.").removesuffix(".v1") for row in rows]

    async def audited(self, action: str) -> list[dict[str, Any]]:
        """The audit rows of an action, the oldest first."""
        return await self.rows(
            "SELECT actor, patient_ids, outcome, detail::text FROM audit"
            " WHERE action = $1 ORDER BY id",
            action,
        )


async def heard(database: Database, network_id: UUID, event: Event, at: datetime) -> None:
    """Apply an event in a transaction: its locks, then its handler as the app role."""
    envelope = Envelope(
        id=new_id(),
        type=event.wire_type(),
        source="/clinicbus/appointments",
        subject=event.subject,
        time=at,
        subject_seq=1,
        network_id=network_id,
        actor="person/test",
        correlation_id=new_id(),
        causation_id=None,
        clinic_id=None,
        traceparent=None,
    )
    context = Context(network_id, Actor("service", "patients"), at)
    async with database.work(context, locks(event), role="worker") as work:
        await become_app(work)
        work.caused_by(envelope)
        await SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)


async def scene(
    environment: dict[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    """Start the API."""
    made = build(environment, office, clock)
    await office.start("patients", app_of(made, "api"))
    urls = made.urls
    database = Database.connect("patients", urls.app_url, urls.worker_url)
    office.stack.push_async_callback(database.close)
    desk = office.desk("patients", network_id, "front_desk")
    return Scene(desk, office, network_id, database, clock)
