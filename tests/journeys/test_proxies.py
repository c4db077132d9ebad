"""Acting for another patient: what a token says counts as far as the register backs it.

45 CFR 164.502(g). Every route that a patient may call, in every service, by every standing.
"""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio

from services.patients.domain.proxies import Power
from shared.db.provision import SERVICES
from shared.testing.apps import Desk
from shared.values.ids import new_id
from shared.web import adapter, transactions
from shared.web.tokens import Principal
from tests.journeys.clinic import Body, Clinic, denver, told
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.test_who_may_what import QUEUE, is_read, key
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.502(g)")]

ALL = [power.value for power in Power]
MINUTE = 60.0


@dataclass(slots=True)
class Place:
    """A network with a visit of a patient, another patient, and people who are neither."""

    house: House
    clinic: Clinic
    theirs: Clinic
    ids: dict[str, str]
    other: str
    operations: list[Operation]
    entries: dict[str, Body] = field(default_factory=dict)

    async def enter(self, who: str, **more: Any) -> Body:
        """Let somebody act for the patient; everybody has heard of it."""
        named = {"proxy_patient_id": who} if who == self.other else {"proxy_subject": who}
        body = {**named, "authority": "patient_permission", "scope": ALL, **more}
        path = f"/v1/patients/{self.ids['patient_id']}/proxies"
        self.entries[who] = await self.clinic.does("dana", "patients", path, body)
        await self.house.settled(self.clinic.network_id)
        return self.entries[who]

    async def end(self, who: str) -> None:
        """Let them act for the patient no more."""
        path = f"/v1/patients/{self.ids['patient_id']}/proxies/{self.entries[who]['id']}/end"
        await self.clinic.does("dana", "patients", path, {"reason": "ended_by_patient"})

    def claims(self, who: str) -> dict[str, Any]:
        """What their token says: who they are, and that they act for the patient."""
        own = {"patient": who} if who == self.other else {"sub": who}
        return {**own, "acts_for": [self.ids["patient_id"]]}

    def token(self, who: str, clinic: Clinic | None = None) -> str:
        """Their token."""
        network = (clinic or self.clinic).network_id
        return self.house.office.issuer.token(network, "portal", **self.claims(who))

    def portal(self, who: str, service: str) -> Desk:
        """They, in front of a service."""
        return self.house.office.desk(service, self.clinic.network_id, "portal", **self.claims(who))

    def open_to_patients(self) -> list[Operation]:
        """What a patient may call about themselves."""
        found = [o for o in self.operations if "portal" in o.roles and o.may != "clinic:read"]
        return [o for o in found if key(o) != QUEUE]

    async def asked(
        self, operations: list[Operation], token: str
    ) -> list[tuple[Operation, httpx.Response]]:
        """What is answered about the patient's things."""
        answers = await send_all(self.house, [o.request(self.ids, token) for o in operations])
        return list(zip(operations, answers, strict=True))

    async def shut(self, token: str) -> None:
        """Nothing of the patient is there for a token, in no service, to the byte."""
        operations = self.open_to_patients()
        seen = await self.asked(operations, token)
        nothing = {n: str(new_id()) if n not in CLINICS_OWN else v for n, v in self.ids.items()}
        unknown = await send_all(self.house, [o.request(nothing, token) for o in operations])
        for (operation, answer), none in zip(seen, unknown, strict=True):
            assert (answer.status_code, answer.text) == (404, none.text), str(operation)

    async def open(self, token: str) -> None:
        """All of the patient's is there for a token."""
        reads = [o for o in self.open_to_patients() if is_read(o)]
        seen = await self.asked(reads, token)
        assert {str(o): a.status_code for o, a in seen if a.status_code > 202} == {}
        assert {o.service for o in reads} == set(SERVICES)


CLINICS_OWN = ("clinic_id", "provider_id", "appointment_type_id", "payer_id")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(house: House) -> AsyncIterator[Place]:
    clinic, theirs = await Clinic(house).open(), await Clinic(house).open()
    ids = await played(clinic)
    house.clock.at = denver(5, 17, 1)
    other = await clinic.register("Okonkwo", "Ife")
    await house.settled(clinic.network_id)
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        yield Place(house, clinic, theirs, ids, other, every_operation(house))


async def test_oneself_needs_no_entry(place: Place) -> None:
    own = place.house.office.issuer.token(
        place.clinic.network_id, "portal", patient=place.ids["patient_id"]
    )
    await place.open(own)
    # Nor does it harm to be named twice.
    twice = {"patient": place.ids["patient_id"], "acts_for": [place.ids["patient_id"]]}
    await place.open(place.house.office.issuer.token(place.clinic.network_id, "portal", **twice))


@pytest.mark.parametrize("role", ["portal", "front_desk"])
async def test_what_a_token_says_alone_opens_nothing(place: Place, role: str) -> None:
    await place.shut(place.token("nobody-entered"))
    bound = place.house.office.desk(
        "patients", place.clinic.network_id, role, **place.claims("nobody-entered")
    )
    answer = await bound.get(f"/v1/patients/{place.ids['patient_id']}")
    assert answer.status_code == 404


async def test_a_living_entry_opens_what_is_the_patients_and_no_more(place: Place) -> None:
    for who in ("a-daughter", place.other):
        await place.shut(place.token(who))
        await place.enter(who)
        await place.open(place.token(who))
        third = await place.clinic.register("Bello", who[:5])
        desk = place.portal(who, "patients")
        assert (await desk.get(f"/v1/patients/{third}")).status_code == 404
    # Of the network's other people each token opens its own.
    assert (
        await place.portal("a-daughter", "patients").get(f"/v1/patients/{place.other}")
    ).status_code == 404
    assert (
        await place.portal(place.other, "patients").get(f"/v1/patients/{place.other}")
    ).status_code == 200
    # Whoever is entered and does not say so acts for nobody.
    silent = place.house.office.desk(
        "patients", place.clinic.network_id, "portal", patient=place.other
    )
    path = f"/v1/patients/{place.ids['patient_id']}"
    assert (await silent.get(path)).status_code == 404


async def test_a_living_entry_lets_somebody_book_and_the_audit_says_for_another(
    place: Place,
) -> None:
    await place.enter("a-son")
    portal = place.portal("a-son", "appointments")
    ids = place.ids
    wish = {n: ids[n] for n in ("clinic_id", "provider_id", "appointment_type_id", "patient_id")}
    free = min(await place.clinic.free(12)).isoformat()
    body = {**wish, "starts_at": free}
    made = await portal.post("/v1/appointments", body, key="a-sons-key")
    assert made.status_code == 201, made.text
    rows = await place.clinic.rows(
        "appointments", "audit", f"correlation_id = '{made.headers['x-request-id']}'"
    )
    (row,) = rows
    assert (row["actor"], json.loads(row["detail"])["proxy"]) == ("patient/a-son", True)
    assert [str(p) for p in row["patient_ids"]] == [ids["patient_id"]]
    again = await portal.post("/v1/appointments", body, key="a-sons-key")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    # What was answered under a key is not given again to who may not act any more.
    await place.end("a-son")
    await place.house.settled(place.clinic.network_id)
    gone = await portal.post("/v1/appointments", body, key="a-sons-key")
    assert gone.status_code == 404
    own = {"patient": ids["patient_id"]}
    desk = place.house.office.desk("appointments", place.clinic.network_id, "portal", **own)
    (denied,) = await place.clinic.rows(
        "appointments", "audit", f"correlation_id = '{gone.headers['x-request-id']}'"
    )
    assert denied["outcome"] == "denied"
    assert (await desk.get(made.headers["location"])).json()["lifecycle"] == "booked"


async def test_an_entry_that_is_ended_is_refused_within_a_minute(place: Place) -> None:
    await place.enter("a-brother")
    token = place.token("a-brother")
    await place.open(token)
    began = time.monotonic()
    await place.end("a-brother")
    await place.house.settled(place.clinic.network_id)
    await place.shut(token)
    assert time.monotonic() - began < MINUTE


async def test_an_entry_holds_from_its_beginning_to_before_its_end(place: Place) -> None:
    clock = place.house.clock
    begins, until = clock.now() + timedelta(hours=1), clock.now() + timedelta(hours=3)
    times = {"begins_at": begins.isoformat(), "until_at": until.isoformat()}
    await place.enter("a-sister", **times)
    token = place.token("a-sister")
    await place.shut(token)
    clock.at = begins - timedelta(seconds=1)
    await place.shut(token)
    clock.at = begins
    await place.open(token)
    clock.at = until - timedelta(seconds=1)
    await place.open(token)
    clock.at = until
    await place.shut(token)
    await place.house.settled(place.clinic.network_id)
    await place.shut(token)
    for service in SERVICES:
        (row,) = await place.clinic.rows(
            service, "proxies", f"id = '{place.entries['a-sister']['id']}'"
        )
        assert row["ended_at"] == until, service


async def test_another_services_own_clock_is_enough_for_an_end_that_was_said(place: Place) -> None:
    """Nobody needs to hear of the end that came with the beginning."""
    clock = place.house.clock
    until = clock.now() + timedelta(hours=1)
    await place.enter("an-aunt", until_at=until.isoformat())
    for service in SERVICES:
        (row,) = await place.clinic.rows(
            service, "proxies", f"id = '{place.entries['an-aunt']['id']}'"
        )
        assert (row["lapses_at"], row["ended_at"]) == (until, None), service


@pytest.mark.parametrize("power", ALL)
async def test_a_scope_opens_the_routes_that_it_names(place: Place, power: str) -> None:
    who = f"only-{power}"
    await place.enter(who, scope=[power])
    token = place.token(who)
    operations = place.open_to_patients()
    named = [o for o in operations if o.may == power]
    assert named
    others = await place.asked([o for o in operations if o.may != power], token)
    assert {str(o): a.status_code for o, a in others if a.status_code != 404} == {}
    seen = await place.asked([o for o in named if is_read(o)], token)
    assert {str(o): a.status_code for o, a in seen if a.status_code > 202} == {}
    for operation in (o for o in named if not is_read(o)):
        ((_, answer),) = await place.asked([operation], token)
        # It is a rule of the service that answers, and no refusal of the person.
        assert answer.status_code not in (401, 403, 404), str(operation)


async def test_an_entry_of_one_network_is_of_no_use_in_another(place: Place) -> None:
    await place.enter("a-cousin")
    await place.open(place.token("a-cousin"))
    await place.shut(place.token("a-cousin", place.theirs))
    # Nor one that the other network made, of a patient of its own, for the same person.
    child = await place.theirs.register("Ivanov", "Mila")
    body = {"proxy_subject": "a-guest", "authority": "patient_permission", "scope": ALL}
    await place.theirs.does("dana", "patients", f"/v1/patients/{child}/proxies", body)
    await place.house.settled(place.theirs.network_id)
    await place.shut(place.token("a-guest"))
    await place.shut(place.token("a-guest", place.theirs))


async def test_a_parent_acts_until_the_child_is_of_age(place: Place) -> None:
    day = place.house.clock.now().date() + timedelta(days=2)
    born = day.replace(year=day.year - 18)
    child = await place.clinic.register("Fontaine", "Mina", birth_date=born.isoformat())
    body = {
        "proxy_patient_id": place.ids["patient_id"],
        "authority": "parent_or_guardian_of_minor",
        "scope": ["patient:read", "appointment:read"],
    }
    path = f"/v1/patients/{child}/proxies"
    made = await place.clinic.does("dana", "patients", path, body)
    await place.house.settled(place.clinic.network_id)
    names = {"patient": place.ids["patient_id"], "acts_for": [child]}

    async def seen() -> dict[str, int]:
        office, network = place.house.office, place.clinic.network_id
        patients = office.desk("patients", network, "portal", **names)
        visits = office.desk("appointments", network, "portal", **names)
        answers = {
            "patients": await patients.get(f"/v1/patients/{child}"),
            "appointments": await visits.get("/v1/appointments", patient_id=child),
        }
        return {service: answer.status_code for service, answer in answers.items()}

    assert await seen() == {"patients": 200, "appointments": 200}
    birthday = denver(day.day, 0)
    place.house.clock.at = birthday - timedelta(seconds=1)
    assert await seen() == {"patients": 200, "appointments": 200}
    place.house.clock.at = birthday
    await place.house.settled(place.clinic.network_id)
    assert await seen() == {"patients": 404, "appointments": 404}
    entry = told(await place.clinic.person("dana", "patients").get(f"{path}/{made['id']}"))
    assert (entry["state"], entry["end_reason"]) == ("ended", "age_of_majority")
    said = await place.clinic.rows(
        "patients", "outbox", f"type LIKE '%proxy.ended.v1' AND subject = 'patient/{child}'"
    )
    assert [json.loads(bytes(row["value"]))["reason"] for row in said] == ["expired"]


async def test_without_the_register_each_route_shows_the_patient(place: Place) -> None:
    async def believed(_d: Any, _c: Any, principal: Principal, _m: Any) -> Principal:
        actor = principal.actor
        ids = (actor.patient_ids or frozenset()) | actor.acts_for
        return replace(principal, actor=replace(actor, patient_ids=ids))

    token = place.token("nobody-ever-entered")
    await place.shut(token)
    for operation in place.open_to_patients():
        with mock.patch.object(adapter, "backed", believed):
            ((_, answer),) = await place.asked([operation], token)
        assert answer.status_code != 404, str(operation)
