"""The demonstration network: what a clinic network enters on its first day, through the APIs."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from shared.values.ids import new_id

Token = Callable[..., str]

CLINICS = (
    {"name": "Northside Clinic", "time_zone": "America/Denver", "currency": "USD"},
    {"name": "Harbor Clinic", "time_zone": "America/New_York", "currency": "USD"},
)
PROVIDERS = (
    (("Okafor", "Ada", "1000000012"), ("Lindqvist", "Maja", "1000000020"), ("Rao", "Vikram", None)),
    (("Moreau", "Claire", "1000000038"), ("Silva", "Rui", None), ("Haddad", "Lina", None)),
)
"""Invented people; the NPIs hold their check digit and are assigned to nobody in the range."""
TYPES = (
    {
        "name": "Office visit",
        "minutes_new": 20,
        "minutes_known": 15,
        "buffer_after_minutes": 5,
        "needs_room": True,
        "service_code_new": "V-NEW",
        "service_code_known": "V-EST",
    },
    {
        "name": "Physical",
        "minutes_new": 60,
        "minutes_known": 40,
        "needs_room": True,
        "service_code_new": "V-PHY",
        "service_code_known": "V-PHY",
    },
)
FEES = {"V-NEW": 24000, "V-EST": 15000, "V-PHY": 30000}
ROOMS_A_CLINIC = 4


FIRST_NEWS_SECONDS = 60.0


class SeedFailed(Exception):
    """An API refused what the demonstration needs."""


@dataclass(slots=True)
class Caller:
    """Calls the services of one network as people of several roles."""

    http: httpx.AsyncClient
    urls: Mapping[str, str]
    token: Token
    network: UUID

    async def post(
        self, role: str, service: str, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """POST and give the body of the answer. Raises SeedFailed for anything but success.

        A 404 is asked again for a while: a bus that has just started takes a moment to tell one
        service of what another has entered.
        """
        headers = {
            "Authorization": f"Bearer {self.token(role, self.network)}",
            "Idempotency-Key": str(new_id()),
        }
        until = time.monotonic() + FIRST_NEWS_SECONDS
        while True:
            answer = await self.http.post(self.urls[service] + path, json=body, headers=headers)
            if answer.status_code < 300:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code != 404 or time.monotonic() > until:
                raise SeedFailed(f"{service} {path}: {answer.status_code} {answer.text}")


async def seed(
    urls: Mapping[str, str], token: Token, network: UUID | None = None
) -> dict[str, Any]:
    """Enter two clinics in two zones, six providers, rooms, types, hours, payers and fees.

    `token(role, network)` gives a bearer token. Answers the ids: network, clinics, providers by
    clinic, types, payers. Raises SeedFailed.
    """
    network = network or new_id()
    async with httpx.AsyncClient(timeout=30) as http:
        caller = Caller(http, urls, token, network)
        types = [
            await caller.post("admin", "appointments", "/v1/appointment-types", kind)
            for kind in TYPES
        ]
        clinics = [await _clinic(caller, number) for number in range(len(CLINICS))]
        payer = await _payer(caller)
    return {
        "network": str(network),
        "clinics": [clinic["id"] for clinic in clinics],
        "providers": {clinic["id"]: clinic["providers"] for clinic in clinics},
        "types": {kind["name"]: kind["id"] for kind in types},
        "payers": {"Evergreen Health Plan": payer["id"]},
    }


async def _clinic(caller: Caller, number: int) -> dict[str, Any]:
    clinic = await caller.post("admin", "appointments", "/v1/clinics", CLINICS[number])
    clinic_id = clinic["id"]
    for room in range(1, ROOMS_A_CLINIC + 1):
        body = {"clinic_id": clinic_id, "name": f"Room {room}", "position": room}
        await caller.post("admin", "appointments", "/v1/rooms", body)
    found = await asyncio.gather(*(_provider(caller, clinic_id, p) for p in PROVIDERS[number]))
    for code, cents in FEES.items():
        body = {
            "clinic_id": clinic_id,
            "code": code,
            "amount_cents": cents,
            "effective_from": "2020-01-01",
        }
        await caller.post("biller", "payments", "/v1/fees", body)
    return {"id": clinic_id, "providers": list(found)}


async def _provider(caller: Caller, clinic_id: str, names: tuple[str, str, str | None]) -> str:
    family, given, npi = names
    body: dict[str, Any] = {
        "family_name": family, "given_name": given, "clinic_ids": [clinic_id]
    }  # fmt: skip
    if npi:
        body["npi"] = npi
    provider = await caller.post("admin", "appointments", "/v1/providers", body)
    for weekday in range(1, 7):
        hours = {
            "clinic_id": clinic_id,
            "weekday": weekday,
            "opens": "08:00:00",
            "closes": "18:00:00",
        }
        path = f"/v1/providers/{provider['id']}/schedules"
        await caller.post("admin", "appointments", path, hours)
    return str(provider["id"])


async def _payer(caller: Caller) -> dict[str, Any]:
    body = {
        "name": "Evergreen Health Plan",
        "payer_id": "EVG01",
        "sender_id": "CLINICBUS",
        "receiver_id": "EVG01",
        "provider_name": "Northside Clinics",
        "provider_npi": "1000000012",
        "service_types": ["30"],
    }
    return await caller.post("biller", "eligibility", "/v1/payers", body)
