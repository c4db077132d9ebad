"""A clinic's day through the API: the verbs of a desk."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from services.appointments.tables import KnownConsent, VisitCover
from services.appointments.tests.builders import Scene, scene
from services.appointments.timers import TIMERS
from shared.db.actor import Actor
from shared.db.timers import fire_due
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


def told(answer: httpx.Response, status: int = 200) -> Any:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.request.url.path}: {answer.text}"
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of a refusal that must be this one."""
    found: dict[str, Any] = told(answer, status)
    assert found["code"] == code, found
    return found


@dataclass(slots=True)
class Day:
    """A scene with two rooms and a desk that knows the day's verbs."""

    scene: Scene
    office: Office
    boss: Desk
    rooms: list[str]

    @property
    def desk(self) -> Desk:
        """The front desk."""
        return self.scene.desk

    async def patient(self) -> UUID:
        """A patient of whom nothing is open at check-in."""
        at = self.scene
        found = await at.patient(identity_verified_at=at.clock.now())
        context = Context(at.network_id, Actor("person", "test"), at.clock.now())
        async with at.database.work(context) as work:
            for kind in ("treatment", "privacy_notice"):
                work.add(
                    KnownConsent(
                        network_id=at.network_id,
                        consent_id=new_id(),
                        patient_id=found,
                        kind=kind,
                        text_version="2026-01",
                        granted_at=at.clock.now(),
                    )
                )
        return found

    async def booked(self, patient_id: UUID, local: str, **more: Any) -> str:
        """A visit on the day of the scene, at a local time, with its cover in order; its id."""
        at = self.scene
        body = at.booking(patient_id, f"2026-11-02T{local}:00-07:00", **more)
        visit: str = told(await self.desk.post("/v1/appointments", body), 201)["id"]
        await self.covered(visit)
        return visit

    async def covered(self, visit: str) -> None:
        """Eligibility has said that a visit is covered."""
        at = self.scene
        context = Context(at.network_id, Actor("person", "test"), at.clock.now())
        async with at.database.work(context) as work:
            work.add(
                VisitCover(
                    network_id=at.network_id,
                    appointment_id=UUID(visit),
                    verdict="active",
                    reason="on_file",
                    decided_at=at.clock.now(),
                )
            )

    def at(self, local: str) -> None:
        """It is this time of the scene's day in Denver."""
        hours, minutes = map(int, local.split(":"))
        now = self.scene.clock.at
        self.scene.clock.at = now.replace(hour=hours + 7, minute=minutes, second=0, microsecond=0)

    async def does(self, visit: str, verb: str, **body: Any) -> Any:
        """The desk does something with a visit, and it is done."""
        return told(await self.tries(visit, verb, **body))

    async def tries(self, visit: str, verb: str, **body: Any) -> httpx.Response:
        """The desk tries something with a visit."""
        bodiless = verb not in BODIED
        return await self.desk.post(f"/v1/appointments/{visit}/{verb}", None if bodiless else body)

    async def visit(self, visit: str) -> Any:
        """A visit as it stands."""
        return told(await self.desk.get(f"/v1/appointments/{visit}"))

    async def seen(self, visit: str, what: str) -> Any:
        """Something of a visit."""
        return told(await self.desk.get(f"/v1/appointments/{visit}/{what}"))

    async def clinic(self, what: str) -> Any:
        """Something of the clinic."""
        return told(await self.desk.get(f"/v1/clinics/{self.scene.clinic_id}/{what}"))

    async def tick(self) -> int:
        """Let the clock do what is due."""
        return await fire_due(self.scene.database, TIMERS, self.scene.clock)

    async def counts(self, statement: str, *arguments: object) -> Any:
        """One value of this network's rows."""
        at = self.scene
        context = Context(at.network_id, Actor("person", "test"), at.clock.now())
        async with at.database.work(context) as work:
            return await work.raw.fetchval(statement, *arguments)


BODIED = {
    "check-in", "undo-arrival", "undo-check-in", "enter-in-error", "room", "change-room",
    "priority", "requirement-checks", "requirement-checks/withdraw", "waivers", "cancel",
    "reschedule",
}  # fmt: skip


async def day_at(
    environment: dict[str, str], office: Office, network_id: UUID, clock: FixedClock
) -> Day:
    """Monday, 2 November 2026, 08:00 in Denver, at a clinic with two rooms."""
    at = await scene(environment, office, network_id, clock)
    rooms = []
    for name in ("Room 1", "Room 2"):
        body = {"clinic_id": at.clinic_id, "name": name}
        rooms.append(told(await at.admin.post("/v1/rooms", body), 201)["id"])
    boss = office.desk("appointments", network_id, "admin", sub="boss")
    return Day(at, office, boss, rooms)
