"""A clinic network as its people use it: every verb is a call to a public API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx

from shared.contracts.permissions import Role
from shared.testing.apps import Desk
from shared.values.ids import new_id
from tests.journeys.house import House, until

DENVER = ZoneInfo("America/Denver")
FEES = {"V-NEW": 25_000, "V-EST": 18_000}
STAFF = {
    "ada": Role.ADMIN,
    "dana": Role.FRONT_DESK,
    "bo": Role.BILLER,
    "noor": Role.NURSE,
    "olga": Role.OPS,
    "ute": Role.AUDITOR,
}
Body = dict[str, Any]


def told(answer: httpx.Response, status: int = 200) -> Body:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.request.url.path}: {answer.text}"
    found: Body = answer.json()
    return found


def denver(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of November 2026 on the clocks in Denver."""
    return datetime(2026, 11, day, hour, minute, tzinfo=DENVER)


@dataclass(slots=True)
class Clinic:
    """One clinic, one provider who is in on weekdays from 8 to 17, one kind of visit."""

    house: House
    network_id: UUID = field(default_factory=new_id)
    clinic_id: str = ""
    provider_id: str = ""
    type_id: str = ""
    payer_id: str = ""
    people: dict[str, Body] = field(default_factory=dict)

    def person(self, name: str, service: str, **claims: Any) -> Desk:
        """Somebody of the staff in front of a service; they are called what their token says."""
        role = STAFF[name].value
        return self.house.office.desk(service, self.network_id, role, sub=name, **claims)

    async def does(
        self, name: str, service: str, path: str, body: Mapping[str, Any] | None = None, **more: Any
    ) -> Body:
        """Somebody of the staff POSTs, and it is done or taken on."""
        answer = await self.person(name, service).post(path, body, **more)
        assert answer.status_code in (200, 201, 202), f"{path}: {answer.text}"
        found: Body = answer.json()
        return found

    async def sees(self, name: str, service: str, path: str, **query: Any) -> Body:
        """Somebody of the staff GETs."""
        return told(await self.person(name, service).get(path, **query))

    async def rows(self, service: str, table: str, where: str = "true") -> list[Body]:
        """Rows of this network."""
        statement = f"SELECT * FROM {table} WHERE network_id = $1 AND {where}"
        return await self.house.rows(service, statement, self.network_id)

    # ── before the first patient comes ───────────────────────────────────────────────────────

    async def open(self) -> "Clinic":
        """Enter all that a clinic needs, and wait until everybody has heard of it."""
        clinic = {"name": "Cedar Street Family Clinic", "time_zone": "America/Denver"}
        self.clinic_id = (await self.does("ada", "appointments", "/v1/clinics", clinic))["id"]
        provider = {"family_name": "Okafor", "given_name": "Ada", "clinic_ids": [self.clinic_id]}
        made = await self.does("ada", "appointments", "/v1/providers", provider)
        self.provider_id = made["id"]
        hours = {"clinic_id": self.clinic_id, "opens": "08:00:00", "closes": "17:00:00"}
        for weekday in range(1, 6):
            path = f"/v1/providers/{self.provider_id}/schedules"
            await self.does("ada", "appointments", path, {**hours, "weekday": weekday})
        kind = {
            "name": "Office visit",
            "minutes_new": 40,
            "minutes_known": 20,
            "service_code_new": "V-NEW",
            "service_code_known": "V-EST",
        }
        made = await self.does("ada", "appointments", "/v1/appointment-types", kind)
        self.type_id = made["id"]
        payer = {
            "name": "Evergreen Health Plan",
            "payer_id": "EVG01",
            "sender_id": "CLINICBUS",
            "receiver_id": "EVG01",
            "provider_name": "Cedar Street",
            "provider_npi": "1000000004",
        }
        self.payer_id = (await self.does("bo", "eligibility", "/v1/payers", payer))["id"]
        for code, cents in FEES.items():
            price = {"code": code, "amount_cents": cents, "effective_from": "2026-01-01"}
            await self.does("bo", "payments", "/v1/fees", {"clinic_id": self.clinic_id, **price})
        await self.house.settled(self.network_id)
        return self

    # ── patients and their cover ─────────────────────────────────────────────────────────────

    async def register(self, family: str, given: str = "Lupe", **more: Any) -> str:
        """A stranger becomes a patient; no two are alike."""
        number = len(self.people)
        person = {
            "name": {"family": family, "given": given},
            "birth_date": date(1984 - number, 2, 28 - number % 28).isoformat(),
            "gender": "female",
            "phones": [{"number": f"303-555-{number:04d}"}],
            "addresses": [
                {
                    "lines": [f"{100 + 7 * number} Main Street"],
                    "city": "Denver",
                    "state": "CO",
                    "postal_code": "80202",
                }
            ],
            **more,
        }
        made = await self.does("dana", "patients", "/v1/patients", person)
        self.people[made["id"]] = person
        return str(made["id"])

    async def cover(self, patient_id: str, member_id: str) -> str:
        """The card of a payer is entered. What its member id begins with, the payer answers."""
        person = self.people[patient_id]
        card = {
            "patient_id": patient_id,
            "payer_id": self.payer_id,
            "order": "primary",
            "member_id": member_id,
            "relationship": "self",
            "subscriber": {
                "family_name": person["name"]["family"],
                "given_name": person["name"]["given"],
                "birth_date": person["birth_date"],
                "gender": person["gender"],
            },
            "effective_from": "2026-01-01",
        }
        return str((await self.does("dana", "eligibility", "/v1/coverages", card))["id"])

    async def consent(self, patient_id: str) -> None:
        """Sign what a visit needs."""
        for kind in ("treatment", "privacy_notice"):
            body = {"kind": kind, "text_version": "2026-01"}
            await self.does("dana", "patients", f"/v1/patients/{patient_id}/consents", body)

    async def verify(self, patient_id: str) -> None:
        """Go through the demographics with the person."""
        path = f"/v1/patients/{patient_id}/verifications"
        asked = (await self.sees("dana", "patients", path))["fields"]
        answers = [{"field": f["field"], "outcome": "confirmed"} for f in asked if f["asked"]]
        await self.does("dana", "patients", path, {"fields": answers})

    # ── the visit ────────────────────────────────────────────────────────────────────────────

    def booking(self, patient_id: str, starts_at: datetime, **more: Any) -> Body:
        """The body of a booking."""
        return {
            "patient_id": patient_id,
            "clinic_id": self.clinic_id,
            "provider_id": self.provider_id,
            "appointment_type_id": self.type_id,
            "starts_at": starts_at.isoformat(),
            **more,
        }

    async def book(self, patient_id: str, starts_at: datetime, **more: Any) -> Body:
        """Book a visit."""
        body = self.booking(patient_id, starts_at, **more)
        return await self.does("dana", "appointments", "/v1/appointments", body)

    async def visit(self, appointment_id: str) -> Body:
        """A visit as appointments has it."""
        return await self.sees("dana", "appointments", f"/v1/appointments/{appointment_id}")

    async def free(self, day: int) -> set[datetime]:
        """When a known patient could come on a day."""
        found = await self.sees(
            *("dana", "appointments", "/v1/availability"),
            appointment_type_id=self.type_id,
            clinic_id=self.clinic_id,
            since=denver(day, 8).isoformat(),
            until=denver(day, 17).isoformat(),
            known_patient=True,
            grid_minutes=20,
            limit=200,
        )
        return {datetime.fromisoformat(slot["starts_at"]) for slot in found["slots"]}

    async def open_requirements(self, appointment_id: str) -> set[str]:
        """What stands between a patient and the visit."""
        path = f"/v1/appointments/{appointment_id}/requirements"
        items = (await self.sees("dana", "appointments", path))["items"]
        return {item["code"] for item in items if item["state"] == "open"}

    async def heard_states(self, appointment_id: str) -> dict[str, str]:
        """Where each service that listens believes a visit to be."""
        found = {}
        for service in ("patients", "eligibility", "payments", "documents"):
            where = f"appointment_id = '{appointment_id}'"
            (row,) = await self.rows(service, "known_visits", where)
            found[service] = row["status" if service == "patients" else "state"]
        return found

    async def verdict(self, appointment_id: str) -> tuple[str, str]:
        """Whether a visit is covered, and why."""
        path = f"/v1/visits/{appointment_id}/cover"
        found = await self.sees("dana", "eligibility", path)
        return found["verdict"], found["reason"]

    # ── money ────────────────────────────────────────────────────────────────────────────────

    async def open_drawer(self, float_cents: int = 20_000) -> str:
        """Open the drawer of the front desk."""
        body = {"clinic_id": self.clinic_id, "name": "Front desk", "float_cents": float_cents}
        return str((await self.does("dana", "payments", "/v1/drawers", body))["id"])

    async def pay(self, patient_id: str, cents: int, method: str, **more: Any) -> Body:
        """Take a payment; of a card what came of it once that is known."""
        body = {
            "patient_id": patient_id,
            "clinic_id": self.clinic_id,
            "method": method,
            "amount_cents": cents,
            **more,
        }
        made = await self.does("dana", "payments", "/v1/payments", body)
        path = f"/v1/payments/{made['id']}"
        found: Body = await until(
            lambda: self.sees("dana", "payments", path),
            lambda payment: payment["status"] in ("posted", "declined"),
            "the outcome of a payment",
        )
        return found

    async def close_day(self, day: int) -> httpx.Response:
        """Try to close the clinic's day."""
        path = f"/v1/clinics/{self.clinic_id}/close-day"
        body = {"business_date": f"2026-11-{day:02d}"}
        return await self.person("bo", "payments").post(path, body)
