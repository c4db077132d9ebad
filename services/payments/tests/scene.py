"""A network that takes money: one clinic in Denver, priced, with people at the desk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from structlog.testing import capture_logs

from services.payments.app import service
from services.payments.clients import CardProcessor, MemoryBook, SimulatedProcessor
from services.payments.errands import errands
from services.payments.handlers import SUBSCRIPTIONS
from services.payments.settings import Cards, Settings
from services.payments.timers import TIMERS
from shared.contracts.appointments import (
    AppointmentBooked,
    ClinicOpened,
    PatientCheckedIn,
    VisitCheckedOut,
)
from shared.contracts.catalogue import EVENTS
from shared.contracts.eligibility import EstimateCreated
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import PatientRegistered
from shared.db import failpoints
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.errands import Errands, Intent, claim, run_one
from shared.db.timers import fire_due
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import Ports, Service, app_of
from shared.web.settings import Chassis, Urls

ZONE = "America/Denver"
TODAY = date(2026, 11, 2)
URLS = {"patients": "http://patients.test", "appointments": "http://appointments.test"}
PERSON = "Ana Łukasiewicz"


def settings_from(environment: Mapping[str, str], data: Path | None = None) -> Settings:
    """Settings for the test databases; `data` is where the card processor keeps its book."""
    return Settings(
        Chassis(issuer=ISSUER, urls=URLS, data=data or Path("nowhere")),
        Urls(
            app_url=environment["CLINICBUS_PAYMENTS_APP_URL"],
            worker_url=environment["CLINICBUS_PAYMENTS_WORKER_URL"],
            bus_url=environment["CLINICBUS_PAYMENTS_BUS_URL"],
        ),
        Cards(),
    )


def build(
    environment: Mapping[str, str], office: Office, clock: FixedClock, data: Path | None = None
) -> Service:
    """The service with a test clock and the office's switchboard."""
    made = service(settings_from(environment, data))
    made.clock = clock
    made.http = office.http
    return made


@dataclass(slots=True)
class Scene:
    """What a test acts with. `desk` is the front desk's, `biller` may refund."""

    office: Office
    network_id: UUID
    clock: FixedClock
    database: Database
    ports: Ports
    admin: Desk
    desk: Desk
    biller: Desk
    auditor: Desk
    clinic_id: UUID = field(default_factory=new_id)
    book: MemoryBook = field(default_factory=MemoryBook)
    processor: CardProcessor | None = None

    # ── what others say ──────────────────────────────────────────────────────────────────────

    async def hear(self, *events: Event, at: datetime | None = None) -> None:
        """Take the effect of events as the bus's consumer does: each as worker, then as app."""
        for event in events:
            context = Context(self.network_id, Actor("service", "bus"), self.clock.now())
            locks = SUBSCRIPTIONS.locks(event)
            envelope = self.envelope(event, at)
            async with self.database.work(context, locks, role="worker") as work:
                await become_app(work)
                work.caused_by(envelope)
                await SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)

    def envelope(self, event: Event, at: datetime | None = None) -> Envelope:
        """The envelope of an event that somebody's deed caused."""
        return Envelope(
            id=new_id(),
            type=event.wire_type(),
            source=f"/clinicbus/{event.producer}",
            subject=event.subject,
            time=at or self.clock.now(),
            subject_seq=1,
            network_id=self.network_id,
            actor="person/somebody",
            correlation_id=new_id(),
            causation_id=None,
            clinic_id=None,
            traceparent=None,
        )

    async def clinic(self, time_zone: str = ZONE) -> UUID:
        """Another clinic of the network that the service has heard of."""
        clinic_id = new_id()
        await self.hear(ClinicOpened(clinic_id=clinic_id, time_zone=time_zone, currency="USD"))
        return clinic_id

    async def patient(self) -> UUID:
        """A patient whom the service has heard of."""
        patient_id = new_id()
        await self.hear(PatientRegistered(patient_id=patient_id, registered_at=self.clock.now()))
        return patient_id

    def booked(self, patient_id: UUID, appointment_id: UUID | None = None) -> AppointmentBooked:
        """A visit half an hour from now."""
        starts_at = self.clock.now() + timedelta(minutes=30)
        return AppointmentBooked(
            appointment_id=appointment_id or new_id(),
            patient_id=patient_id,
            clinic_id=self.clinic_id,
            provider_id=new_id(),
            appointment_type_id=new_id(),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=20),
            new_patient=False,
            walk_in=False,
            booked_at=self.clock.now(),
        )

    async def visit(self, patient_id: UUID, *, copay_cents: int = 0, out: bool = True) -> UUID:
        """A visit that was checked in and (unless not `out`) out, with a copay if there is one."""
        booked = self.booked(patient_id)
        await self.hear(booked, self.checked_in(booked))
        if out:
            await self.hear(self.checked_out(booked))
        if copay_cents:
            await self.hear(self.estimate(booked, copay_cents))
        return booked.appointment_id

    def checked_in(self, booked: AppointmentBooked) -> PatientCheckedIn:
        """The patient of a visit came."""
        return PatientCheckedIn(**_visit(booked), checked_in_at=booked.starts_at, waived=[])

    def checked_out(self, booked: AppointmentBooked) -> VisitCheckedOut:
        """The patient of a visit went."""
        return VisitCheckedOut(
            **_visit(booked),
            appointment_type_id=booked.appointment_type_id,
            new_patient=False,
            checked_out_at=booked.ends_at,
        )

    def estimate(self, booked: AppointmentBooked, copay_cents: int) -> EstimateCreated:
        """What a visit is expected to cost the patient."""
        return EstimateCreated(
            estimate_id=new_id(),
            appointment_id=booked.appointment_id,
            patient_id=booked.patient_id,
            fee_cents=18000,
            patient_cents=copay_cents,
            copay_cents=copay_cents,
            currency="USD",
            certain=True,
            created_at=self.clock.now(),
        )

    # ── what is done at the desk ─────────────────────────────────────────────────────────────

    async def drawer(self, float_cents: int = 20000, name: str | None = None) -> str:
        """An open drawer."""
        body = {
            "clinic_id": str(self.clinic_id),
            "name": name or f"Drawer {new_id().hex[-6:]}",
            "float_cents": float_cents,
        }
        answer = await self.desk.post("/v1/drawers", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def paying(self, patient_id: UUID, cents: int, **more: Any) -> dict[str, Any]:
        """The body of a payment: a check, unless it is said otherwise."""
        body = {
            "patient_id": str(patient_id),
            "clinic_id": str(self.clinic_id),
            "amount_cents": cents,
            **more,
        }
        if "method" not in body:
            body |= {"method": "check", "check_number": "1042"}
        return body

    async def http_post_without_key(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """A POST of the desk's without an Idempotency-Key."""
        headers = {"Authorization": f"Bearer {self.desk.token}"}
        return await self.desk.http.post(self.desk.url + path, json=body, headers=headers)

    async def pay(self, patient_id: UUID, cents: int, **more: Any) -> dict[str, Any]:
        """A payment that is taken: its view."""
        answer = await self.desk.post("/v1/payments", self.paying(patient_id, cents, **more))
        assert answer.status_code in (201, 202), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def pay_by_card(self, patient_id: UUID, cents: int, token: str) -> dict[str, Any]:
        """A card payment that is sent for: its view."""
        return await self.pay(patient_id, cents, method="card", card_token=token)

    async def charge(self, appointment_id: UUID, *codes: str) -> dict[str, Any]:
        """A charge of a visit: its view."""
        lines = [{"code": code} for code in codes or ("V-EST",)]
        body = {"appointment_id": str(appointment_id), "lines": lines}
        answer = await self.desk.post("/v1/charges", body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def read(self, path: str, **query: Any) -> dict[str, Any]:
        """What the biller reads at a path."""
        answer = await self.biller.get(path, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def balance(self, patient_id: UUID) -> int:
        """What a patient owes."""
        return int((await self.read(f"/v1/accounts/{patient_id}"))["balance_cents"])

    async def day(self, day: date = TODAY) -> dict[str, Any]:
        """The report of the clinic's day."""
        path = f"/v1/clinics/{self.clinic_id}/day-report"
        return await self.read(path, business_date=day.isoformat())

    async def close_day(self, day: date = TODAY) -> httpx.Response:
        """Try to close the clinic's day."""
        path = f"/v1/clinics/{self.clinic_id}/close-day"
        return await self.desk.post(path, {"business_date": day.isoformat()})

    # ── what goes on behind it ───────────────────────────────────────────────────────────────

    def errands(self) -> Errands:
        """The errands, with this scene's card processor."""
        return errands(self.ports, self.processor)

    async def claimed(self) -> list[Intent]:
        """The intents that are due, claimed."""
        return await claim(self.database, 50)

    async def run_errands(self) -> int:
        """Run every errand that is due, until none is; how many there were."""
        ran = 0
        while found := await self.claimed():
            for intent in found:
                await run_one(self.database, self.errands(), self.clock, intent)
            ran += len(found)
        return ran

    async def make_errands_due(self) -> None:
        """Let every lease and every pause of this network's errands be over."""
        async with self.database.raw("worker") as raw:
            await raw.execute(
                "UPDATE intent SET next_try_at = now() WHERE network_id = $1"
                " AND state IN ('waiting', 'calling')",
                self.network_id,
            )

    async def fire_timers(self) -> int:
        """Fire what is due by the clock."""
        return await fire_due(self.database, TIMERS, self.clock)

    async def rows(self, statement: str, *arguments: Any) -> Sequence[Mapping[str, Any]]:
        """Rows that app sees in this network; `$1` is the first of the arguments."""
        context = Context(self.network_id, Actor("person", "test"), self.clock.now())
        async with self.database.work(context) as work:
            found: Sequence[Mapping[str, Any]] = await work.raw.fetch(statement, *arguments)
            return found

    async def said(self, name: str) -> list[Event]:
        """The events of a name that were said in this network, in order."""
        wire = f"clinicbus.payments.{name}.v1"
        rows = await self.rows("SELECT value FROM outbox WHERE type = $1 ORDER BY id", wire)
        return [EVENTS[wire].model_validate_json(row["value"]) for row in rows]

    async def ledger_is_sound(self) -> None:
        """Every entry sums to zero, and every account is what its ledger lines sum to."""
        off = await self.rows(
            "SELECT entry_id FROM ledger_lines GROUP BY entry_id, currency HAVING sum(cents) <> 0"
        )
        assert list(off) == []
        accounts = await self.rows(
            "SELECT a.balance_cents, coalesce((SELECT sum(l.cents) FROM ledger_lines l"
            "  WHERE l.owner_id = a.patient_id AND l.account_kind LIKE 'patient_%'), 0) AS ledger,"
            " coalesce((SELECT sum(l.cents) FROM ledger_lines l WHERE l.owner_id = a.patient_id"
            "  AND l.account_kind = 'patient_credit'), 0) AS credit,"
            " coalesce((SELECT sum(x.cents) FROM allocations x WHERE x.patient_id = a.patient_id"
            "  AND x.charge_id IS NULL), 0) AS unmet,"
            " (SELECT coalesce(sum(c.amount_cents), 0) FROM charges c"
            "  WHERE c.patient_id = a.patient_id) - (SELECT coalesce(sum(x.cents), 0)"
            "  FROM allocations x WHERE x.patient_id = a.patient_id AND x.charge_id IS NOT NULL)"
            " AS open FROM accounts a"
        )
        assert [row for row in accounts if row["balance_cents"] != row["ledger"]] == []
        assert [row for row in accounts if row["unmet"] != -row["credit"]] == []
        assert [row for row in accounts if row["open"] != row["ledger"] - row["credit"]] == []
        over = await self.rows(
            "SELECT charge_id FROM allocations a JOIN charges c ON c.id = a.charge_id"
            " GROUP BY charge_id, c.amount_cents"
            " HAVING sum(cents) < 0 OR sum(cents) > c.amount_cents"
        )
        assert list(over) == []


def _visit(booked: AppointmentBooked) -> dict[str, Any]:
    return {
        "appointment_id": booked.appointment_id,
        "patient_id": booked.patient_id,
        "clinic_id": booked.clinic_id,
    }


def neighbours(office: Office, clinic_id: UUID) -> None:
    """Answer for the services that a receipt's names are asked of."""

    def patients(request: httpx.Request) -> httpx.Response:
        wanted = json.loads(request.content)["ids"]
        people = [{"id": key, "name": {"display": PERSON}, "mrn": "MRN-1042"} for key in wanted]
        return httpx.Response(200, json={"items": people})

    def appointments(request: httpx.Request) -> httpx.Response:
        clinic = {"id": str(clinic_id), "name": "Cedar Street Family Clinic", "phone": None}
        address = {"city": "Denver", "line1": "1200 Cedar Street", "state": "CO"}
        return httpx.Response(200, json={**clinic, "address": address})

    office.switchboard.connect(URLS["patients"], patients)
    office.switchboard.connect(URLS["appointments"], appointments)


@contextmanager
def broken_at(place: str) -> Iterator[None]:
    """The first time that the code comes to a failpoint, an error is raised there."""
    failpoints.arm(f"{place}:raise:1")
    try:
        with capture_logs():
            yield
    finally:
        failpoints.arm("")


async def scene(
    environment: Mapping[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    """Start the API, hear of a clinic, and price what it does."""
    made = build(environment, office, clock)
    await office.start("payments", app_of(made, "api"))
    database = Database.connect("payments", made.urls.app_url, made.urls.worker_url)
    office.stack.push_async_callback(database.close)
    at = Scene(
        office,
        network_id,
        clock,
        database,
        Ports(office.http, made.chassis, clock, "payments"),
        admin=office.desk("payments", network_id, "admin"),
        desk=office.desk("payments", network_id, "front_desk"),
        biller=office.desk("payments", network_id, "biller"),
        auditor=office.desk("payments", network_id, "auditor"),
    )

    async def no_pause(_: float) -> None:
        return None

    at.processor = SimulatedProcessor(at.book, pause=no_pause)
    neighbours(office, at.clinic_id)
    async with database.raw("worker") as raw:
        # What earlier tests left undone is not this one's to do.
        await raw.execute(
            "UPDATE intent SET state = 'given_up' WHERE state IN ('waiting', 'calling')"
        )
        await raw.execute("UPDATE timer SET ended_at = now() WHERE ended_at IS NULL")
    await at.hear(ClinicOpened(clinic_id=at.clinic_id, time_zone=ZONE, currency="USD"))
    for code, cents in (("V-EST", 18000), ("V-NEW", 25000), ("G0008", 2500)):
        body = {
            "clinic_id": str(at.clinic_id),
            "code": code,
            "amount_cents": cents,
            "effective_from": "2026-01-01",
        }
        answer = await at.admin.post("/v1/fees", body)
        assert answer.status_code == 201, answer.text
    return at
