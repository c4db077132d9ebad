"""A network whose visits are reminded of: what the worker does, by hand, and the patients service
and the messenger played here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import httpx

from services.appointments.domain.messages import Message, Outcome, Taken
from services.appointments.domain.reminders import Channel
from services.appointments.errands import errands
from services.appointments.handlers import SUBSCRIPTIONS
from services.appointments.tests.builders import Scene, scene
from services.appointments.timers import TIMERS
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import (
    ConsentGranted,
    ConsentRevoked,
    MessageChannel,
    MessagesPreferred,
)
from shared.db.actor import Actor
from shared.db.database import become_app
from shared.db.errands import Errands, claim, run_one
from shared.db.timers import fire_due
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.service import Ports
from shared.web.settings import Chassis

PATIENTS = "http://patients.test"
assert [channel.value for channel in Channel] == list(get_args(MessageChannel))


@dataclass(slots=True)
class Patients:
    """Plays the patients service. addresses: by channel; `asked` keeps what it was asked."""

    addresses: dict[str, str | None] = field(default_factory=lambda: {"email": "lupe@example.org"})
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What it would answer a service."""
        assert request.url.path == "/v1/contact-points/lookup"
        wish = json.loads(request.content)
        self.asked.append(wish)
        found = {"channel": wish["channel"], "address": self.addresses.get(wish["channel"])}
        return httpx.Response(self.status, json=found if self.status == 200 else {})


@dataclass(slots=True)
class Carrier:
    """A messenger that keeps what it is given and answers as it is told."""

    answers: list[Outcome] = field(default_factory=list)
    sent: list[tuple[Message, str]] = field(default_factory=list)

    async def send(self, message: Message, address: str) -> Outcome:
        """See `Messenger.send`."""
        self.sent.append((message, address))
        return self.answers.pop(0) if self.answers else Taken()


@dataclass(slots=True)
class Reminding:
    """A scene, and what lies behind it."""

    at: Scene
    office: Office
    patients: Patients
    mail: Carrier
    errands: Errands
    heard: dict[str, int] = field(default_factory=dict)

    @property
    def clock(self) -> FixedClock:
        """The clock of all."""
        return self.at.clock

    async def patient(self, *, consent: bool = True, **more: Any) -> UUID:
        """A patient who takes messages."""
        found = await self.at.patient(**more)
        if consent:
            await self.consents(found)
        return found

    async def consents(self, patient_id: UUID) -> UUID:
        """A consent to messages is heard of; its id."""
        event = ConsentGranted(
            patient_id=patient_id,
            consent_id=new_id(),
            kind="messages",
            text_version="2026-01",
            granted_at=self.clock.now(),
        )
        await self.hear(event)
        return event.consent_id

    async def revokes(self, patient_id: UUID, consent_id: UUID) -> None:
        """It is taken back."""
        await self.hear(
            ConsentRevoked(
                patient_id=patient_id,
                consent_id=consent_id,
                kind="messages",
                revoked_at=self.clock.now(),
            )
        )

    async def prefers(self, patient_id: UUID, *channels: str, time_zone: str | None = None) -> None:
        """What messages may come by is heard of."""
        await self.hear(
            MessagesPreferred.model_validate(
                {
                    "patient_id": patient_id,
                    "channels": list(channels),
                    "time_zone": time_zone,
                    "preferred_at": self.clock.now(),
                }
            )
        )

    async def hear(self, event: Event) -> None:
        """Apply an event as the consumer does."""
        sequence = self.heard[event.subject] = self.heard.get(event.subject, 0) + 1
        envelope = Envelope(
            id=new_id(),
            type=event.wire_type(),
            source=f"/clinicbus/{event.producer}",
            subject=event.subject,
            time=self.clock.now(),
            subject_seq=sequence,
            network_id=self.at.network_id,
            actor="person/test",
            correlation_id=new_id(),
            causation_id=None,
            clinic_id=None,
            traceparent=None,
        )
        context = Context(self.at.network_id, Actor("service", "appointments"), self.clock.now())
        locks = SUBSCRIPTIONS.locks(event)
        async with self.at.database.work(context, locks, role="worker") as work:
            await become_app(work)
            work.caused_by(envelope)
            await SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)

    async def book(self, patient_id: UUID, starts_at: str = "2026-11-12T10:00:00-07:00") -> str:
        """Book a visit ten days ahead; its id."""
        answer = await self.at.desk.post("/v1/appointments", self.at.booking(patient_id, starts_at))
        assert answer.status_code == 201, answer.text
        await self.fire()
        return str(answer.json()["id"])

    async def does(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """The desk does something; then what it set off is done, too."""
        answer = await self.at.desk.post(path, body, **more)
        assert answer.status_code in (200, 201), answer.text
        await self.fire()
        return answer.json()

    async def fire(self) -> None:
        """Fire what is due."""
        await fire_due(self.at.database, TIMERS, self.clock)

    async def run(self) -> None:
        """Run the errands of this network that are due."""
        while found := await claim(self.at.database):
            for intent in found:
                if intent.network_id == self.at.network_id:
                    await run_one(self.at.database, self.errands, self.clock, intent)

    async def later(self, *, to: datetime | None = None, by: timedelta | None = None) -> None:
        """It is later, and all that is due by then is done, each at its time."""
        until = to or self.clock.now() + (by or timedelta())
        while True:
            due = await self.value(
                "SELECT min(due_at) FROM timer WHERE network_id = $1 AND ended_at IS NULL"
                " AND due_at <= $2", until,
            )  # fmt: skip
            self.clock.at = max(self.clock.at, due) if due else until
            await self.work_off()
            if due is None:
                return

    async def work_off(self) -> None:
        """Fire and run until nothing is due."""
        for _ in range(4):
            await self.fire()
            await self.run()

    async def retry_now(self) -> None:
        """The lease of every call that was begun, and every pause, is over."""
        async with self.at.database.raw("worker") as raw:
            await raw.execute(
                "UPDATE intent SET next_try_at = now() WHERE network_id = $1", self.at.network_id
            )

    async def rows(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of this network, which is `$1`."""
        context = Context(self.at.network_id, Actor("person", "test"), self.clock.now())
        async with self.at.database.work(context) as work:
            found = await work.raw.fetch(statement, self.at.network_id, *arguments)
            return [dict(row) for row in found]

    async def value(self, statement: str, *arguments: Any) -> Any:
        """The one value of a statement."""
        ((found,),) = [tuple(row.values()) for row in await self.rows(statement, *arguments)]
        return found

    async def ledger(self, visit: str) -> dict[tuple[str, int], tuple[str, str | None]]:
        """State and reason of a visit's reminders, by channel and lead in hours."""
        path = f"/v1/appointments/{visit}/reminders"
        items = (await self.at.desk.get(path)).json()["items"]
        return {(i["channel"], i["lead_minutes"] // 60): (i["state"], i["reason"]) for i in items}

    async def calls(self) -> list[dict[str, Any]]:
        """The call list."""
        answer = await self.at.desk.get("/v1/calls", clinic_id=self.at.clinic_id)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def said(self, *names: str) -> list[str]:
        """What was said of visits, of these names, in order."""
        rows = await self.rows(
            "SELECT type FROM outbox WHERE network_id = $1 AND subject LIKE 'appointment/%'"
            " ORDER BY subject_seq"
        )
        found = [
            r["type"].removeprefix("clinicbus.appointments.").removesuffix(".v1") for r in rows
        ]
        return [name for name in found if name.split(".")[0] in names]

    def machine(self) -> Desk:
        """The webhook of a messenger."""
        return self.office.desk("appointments", self.at.network_id, "service", sub="webhook")

    async def answers(self, code: str, text: str) -> str:
        """A patient answers; what came of it."""
        body = {"code": code, "text": text}
        answer = await self.machine().post("/v1/reminders/replies", body)
        assert answer.status_code == 200, answer.text
        await self.fire()
        return str(answer.json()["outcome"])


async def reminding(
    environment: dict[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    """Start the API, and play what its errands ask."""
    at = await scene(environment, office, network_id, clock)
    patients, mail = Patients(), Carrier()
    office.switchboard.connect(PATIENTS, patients.answer)
    chassis = Chassis(issuer=ISSUER, urls={"patients": PATIENTS})
    ports = Ports(office.http, chassis, clock, "appointments")
    return Reminding(at, office, patients, mail, errands(ports, {Channel.EMAIL: mail}))
