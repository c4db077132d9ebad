"""A network to book in, with sane defaults."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.appointments.app import service
from services.appointments.settings import Settings
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import Service, app_of
from shared.web.settings import Chassis, Urls

ZONE = "America/Denver"


def settings_from(environment: dict[str, str]) -> Settings:
    """Settings for the test databases."""
    return Settings(
        Chassis(issuer=ISSUER),
        Urls(
            app_url=environment["CLINICBUS_APPOINTMENTS_APP_URL"],
            worker_url=environment["CLINICBUS_APPOINTMENTS_WORKER_URL"],
            bus_url=environment["CLINICBUS_APPOINTMENTS_BUS_URL"],
        ),
    )


def build(environment: dict[str, str], office: Office, clock: FixedClock) -> Service:
    """The service with a test clock and the office's switchboard."""
    made = service(settings_from(environment))
    made.clock = clock
    made.http = office.http
    return made


@dataclass(slots=True)
class Scene:
    """A network with one clinic, one provider in on weekdays 08:00 to 17:00, one type."""

    admin: Desk
    desk: Desk
    clinic_id: str
    provider_id: str
    type_id: str
    network_id: UUID
    database: Database
    clock: FixedClock

    def booking(self, patient_id: UUID | str, starts_at: str, **more: Any) -> dict[str, Any]:
        """The body of a booking."""
        return {
            "patient_id": str(patient_id),
            "clinic_id": self.clinic_id,
            "provider_id": self.provider_id,
            "appointment_type_id": self.type_id,
            "starts_at": starts_at,
            **more,
        }

    async def patient(self, **more: Any) -> UUID:
        """A patient whom the service has heard of."""
        from services.appointments.tables import KnownPatient

        patient_id = new_id()
        context = Context(self.network_id, Actor("person", "test"), self.clock.now())
        async with self.database.work(context) as work:
            work.add(
                KnownPatient(
                    network_id=self.network_id, patient_id=patient_id, registered=True, **more
                )
            )
        return patient_id

    async def said(self, name: str) -> list[dict[str, Any]]:
        """The bodies of the events of a name, in the order in which they were said."""
        wire = f"clinicbus.appointments.{name}.v1"
        async with self.database.raw("worker") as raw:
            rows = await raw.fetch(
                "SELECT value FROM outbox WHERE network_id = $1 AND type = $2 ORDER BY xid, id",
                self.network_id,
                wire,
            )
        return [orjson.loads(row["value"]) for row in rows]


async def scene(
    environment: dict[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    """Start the API and enter what booking needs, through the API."""
    made = build(environment, office, clock)
    await office.start("appointments", app_of(made, "api"))
    admin = office.desk("appointments", network_id, "admin")
    desk = office.desk("appointments", network_id, "front_desk")
    clinic = await admin.post("/v1/clinics", {"name": "Northside", "time_zone": ZONE})
    assert clinic.status_code == 201, clinic.text
    clinic_id = clinic.json()["id"]
    provider = await admin.post(
        "/v1/providers", {"family_name": "Okafor", "clinic_ids": [clinic_id]}
    )
    provider_id = provider.json()["id"]
    for weekday in range(1, 6):
        hours = {"clinic_id": clinic_id, "weekday": weekday}
        answer = await admin.post(
            f"/v1/providers/{provider_id}/schedules",
            {**hours, "opens": "08:00:00", "closes": "17:00:00"},
        )
        assert answer.status_code == 201, answer.text
    kind = await admin.post(
        "/v1/appointment-types",
        {
            "name": "Office visit",
            "minutes_new": 40,
            "minutes_known": 20,
            "service_code_new": "V-NEW",
            "service_code_known": "V-EST",
        },
    )
    urls = made.urls
    database = Database.connect("appointments", urls.app_url, urls.worker_url)
    office.stack.push_async_callback(database.close)
    return Scene(
        admin, desk, clinic_id, provider_id, kind.json()["id"], network_id, database, clock
    )
