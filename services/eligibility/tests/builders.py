"""A network with a payer and a clinic whose visits are checked and estimated."""

import importlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson

from services.eligibility import handlers, timers
from services.eligibility.app import service
from services.eligibility.clients import HttpPayer, PayerGateway
from services.eligibility.errands import errands
from services.eligibility.settings import Gateway, Settings
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
    AppointmentTypePublished,
    ClinicOpened,
)
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import PatientRegistered
from shared.contracts.payments import FeePriced
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.errands import Intent, claim, run_one
from shared.db.timers import fire_due
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import app_of
from shared.web.settings import Chassis, Urls

ZONE = "America/Denver"
VISIT_AT = datetime(2026, 11, 5, 1, 0, tzinfo=UTC)
"""Six in the evening of 4 November in Denver: another day than in UTC."""
VISIT_ON = date(2026, 11, 4)
FEE_CENTS = 15_000
PAYER = {
    "name": "Evergreen Health Plan",
    "payer_id": "EVG01",
    "sender_id": "CLINICBUS",
    "receiver_id": "EVG01",
    "provider_name": "Northside Clinics",
    "provider_npi": "1000000004",
}
SUBSCRIBER = {
    "family_name": "Sampleson",
    "given_name": "Samira",
    "birth_date": "1984-02-29",
    "gender": "female",
}
CHILD = {"given_name": "Sam", "birth_date": "2015-06-01", "gender": "male"}


def settings_from(environment: dict[str, str]) -> Settings:
    """Settings for the test databases."""
    return Settings(
        Chassis(issuer=ISSUER),
        Urls(
            app_url=environment["CLINICBUS_ELIGIBILITY_APP_URL"],
            worker_url=environment["CLINICBUS_ELIGIBILITY_WORKER_URL"],
            bus_url=environment["CLINICBUS_ELIGIBILITY_BUS_URL"],
        ),
        Gateway(),
    )


def simulated_payer(deadline_seconds: float = 5.0) -> HttpPayer:
    """The real adapter on the real payer simulator, without a socket between them.

    By name, for no service imports what operators run.
    """
    simulator = importlib.import_module("ops.payer_simulator.app").PayerSimulator()
    return HttpPayer(
        "http://127.0.0.1/x12",
        deadline_seconds=deadline_seconds,
        transport=httpx.ASGITransport(app=simulator.app()),
    )


@dataclass(slots=True)
class Scene:
    """A network. What it hears goes through the handlers as the consumer would take it."""

    desk: Desk
    biller: Desk
    network_id: UUID
    database: Database
    clock: FixedClock
    payer_id: str = ""
    clinic_id: UUID = field(default_factory=new_id)
    type_id: UUID = field(default_factory=new_id)
    fee_id: UUID = field(default_factory=new_id)

    # ── what others say ──────────────────────────────────────────────────────────────────────

    def clinic_opened(self) -> ClinicOpened:
        return ClinicOpened(clinic_id=self.clinic_id, time_zone=ZONE, currency="USD")

    def type_published(self) -> AppointmentTypePublished:
        return AppointmentTypePublished(
            appointment_type_id=self.type_id,
            minutes=20,
            service_code_new="V-NEW",
            service_code_known="V-EST",
        )

    def fee_priced(self, **more: Any) -> FeePriced:
        facts = {
            "fee_id": self.fee_id,
            "clinic_id": self.clinic_id,
            "service_code": "V-EST",
            "amount_cents": FEE_CENTS,
            "currency": "USD",
            "effective_from": date(2020, 1, 1),
        }
        return FeePriced(**{**facts, **more})

    def registered(self, patient_id: UUID) -> PatientRegistered:
        return PatientRegistered(patient_id=patient_id, registered_at=self.clock.now())

    def booked(
        self, patient_id: UUID, starts_at: datetime = VISIT_AT, **more: Any
    ) -> AppointmentBooked:
        facts = {
            "appointment_id": new_id(),
            "patient_id": patient_id,
            "clinic_id": self.clinic_id,
            "provider_id": new_id(),
            "appointment_type_id": self.type_id,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=20),
            "new_patient": False,
            "walk_in": False,
            "booked_at": self.clock.now(),
        }
        return AppointmentBooked(**{**facts, **more})

    def moved(self, visit: AppointmentBooked, starts_at: datetime) -> AppointmentRescheduled:
        return AppointmentRescheduled(
            appointment_id=visit.appointment_id,
            patient_id=visit.patient_id,
            clinic_id=visit.clinic_id,
            provider_id=visit.provider_id,
            previous_provider_id=visit.provider_id,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=20),
            previous_starts_at=visit.starts_at,
            previous_ends_at=visit.ends_at,
            moves=1,
            reason="patient_request",
        )

    def cancelled(self, visit: AppointmentBooked) -> AppointmentCancelled:
        return AppointmentCancelled(
            appointment_id=visit.appointment_id,
            patient_id=visit.patient_id,
            clinic_id=visit.clinic_id,
            reason="patient_request",
            notice_minutes=1440,
            late=False,
            cancelled_at=self.clock.now(),
        )

    def no_show(self, visit: AppointmentBooked) -> AppointmentNoShow:
        return AppointmentNoShow(
            appointment_id=visit.appointment_id,
            patient_id=visit.patient_id,
            clinic_id=visit.clinic_id,
            cause="timer",
            recorded_at=self.clock.now(),
        )

    async def hear(self, *events: Event, fire: bool = True) -> None:
        """Let events take effect, each in a transaction of its own, and then what they set off."""
        for event in events:
            await self._hear(event)
        if fire:
            await self.fire()

    async def _hear(self, event: Event) -> None:
        envelope = Envelope(
            id=new_id(),
            type=event.wire_type(),
            source=f"/clinicbus/{event.producer}",
            subject=event.subject,
            time=self.clock.now(),
            subject_seq=1,
            network_id=self.network_id,
            actor="person/test",
            correlation_id=new_id(),
            causation_id=None,
            clinic_id=None,
            traceparent=None,
        )
        context = Context(self.network_id, Actor("service", "consumer"), self.clock.now())
        keys = handlers.SUBSCRIPTIONS.locks(event)
        async with self.database.work(context, keys, role="worker") as work:
            await become_app(work)
            work.caused_by(envelope)
            await handlers.SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)

    async def fire(self) -> None:
        """Fire the timers that are due."""
        await fire_due(self.database, timers.TIMERS, self.clock)

    # ── what people do ───────────────────────────────────────────────────────────────────────

    async def patient(self) -> UUID:
        """A patient whom the service has heard of."""
        patient_id = new_id()
        await self.hear(self.registered(patient_id))
        return patient_id

    async def visit(self, patient_id: UUID, starts_at: datetime = VISIT_AT) -> AppointmentBooked:
        """A visit that was booked."""
        booked = self.booked(patient_id, starts_at)
        await self.hear(booked)
        return booked

    def card(self, patient_id: UUID, member_id: str = "ACT100200", **more: Any) -> dict[str, Any]:
        """The body of a coverage."""
        return {
            "patient_id": str(patient_id),
            "payer_id": self.payer_id,
            "order": "primary",
            "member_id": member_id,
            "relationship": "self",
            "subscriber": SUBSCRIBER,
            "effective_from": "2026-01-01",
            **more,
        }

    async def coverage(
        self, patient_id: UUID, member_id: str = "ACT100200", **more: Any
    ) -> dict[str, Any]:
        """A coverage that was entered."""
        body = self.card(patient_id, member_id, **more)
        answer = await self.desk.post("/v1/coverages", body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def cover(self, visit: AppointmentBooked) -> dict[str, Any]:
        """The verdict on a visit's cover, as the API tells it."""
        answer = await self.desk.get(f"/v1/visits/{visit.appointment_id}/cover")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def verdict(self, visit: AppointmentBooked) -> tuple[str, str]:
        """Verdict and reason."""
        found = await self.cover(visit)
        return found["verdict"], found["reason"]

    async def estimate(self, visit: AppointmentBooked) -> dict[str, Any]:
        """The estimate of a visit, as the API tells it."""
        answer = await self.desk.get(f"/v1/visits/{visit.appointment_id}/estimate")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def check(self, check_id: str) -> dict[str, Any]:
        """A check, as the API tells it."""
        answer = await self.desk.get(f"/v1/checks/{check_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    # ── the outside ──────────────────────────────────────────────────────────────────────────

    async def claimed(self) -> list[Intent]:
        """The intents of this network that are due, taken. Pauses and leases are over at once."""
        async with self.database.raw("worker") as raw:
            await raw.execute(
                "UPDATE intent SET next_try_at = now() WHERE network_id = $1", self.network_id
            )
        found = [i for i in await claim(self.database, 1000) if i.network_id == self.network_id]
        return sorted(found, key=lambda intent: intent.id)

    async def ask(self, gateway: PayerGateway, attempts: int = 1) -> int:
        """Make the calls that are due, until none is. How many."""
        made = 0
        while intents := await self.claimed():
            for intent in intents:
                await run_one(self.database, errands(gateway, attempts), self.clock, intent)
                made += 1
        return made

    # ── what is in the database ──────────────────────────────────────────────────────────────

    async def rows(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows of this network."""
        context = Context(self.network_id, Actor("person", "test"), self.clock.now())
        async with self.database.work(context) as work:
            return [dict(row) for row in await work.raw.fetch(statement, *arguments)]

    async def said(self, subject: str = "") -> list[dict[str, Any]]:
        """What the network's events say, in order, with `name` and `seq`."""
        rows = await self.rows(
            "SELECT type, subject_seq, value FROM outbox WHERE subject LIKE $1 || '%' ORDER BY id",
            subject,
        )
        return [
            {
                "name": row["type"].removeprefix("clinicbus.eligibility."),
                "seq": row["subject_seq"],
                **orjson.loads(row["value"]),
            }
            for row in rows
        ]


async def scene(
    environment: dict[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    """Start the API and enter a payer. Clinic, kind of visit and price have not been heard of."""
    made = service(settings_from(environment))
    made.clock, made.http = clock, office.http
    await office.start("eligibility", app_of(made, "api"))
    database = Database.connect("eligibility", made.urls.app_url, made.urls.worker_url)
    office.stack.push_async_callback(database.close)
    at = Scene(
        desk=office.desk("eligibility", network_id, "front_desk"),
        biller=office.desk("eligibility", network_id, "biller"),
        network_id=network_id,
        database=database,
        clock=clock,
    )
    answer = await at.biller.post("/v1/payers", PAYER)
    assert answer.status_code == 201, answer.text
    at.payer_id = answer.json()["id"]
    return at


async def open_scene(
    environment: dict[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    """The same, with clinic, kind of visit and price."""
    at = await scene(environment, office, network_id, clock)
    await at.hear(at.clinic_opened(), at.type_published(), at.fee_priced())
    return at
