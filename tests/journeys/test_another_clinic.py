"""A visit at one clinic, and people of the same network whose token is bound to another.

What is a clinic's is to them as little there as a thing that does not exist: the same answer to the
byte, lists without it, nothing written. With the binding taken away each route answers otherwise.
"""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request

from shared.contracts.permissions import Role
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web import adapter, transactions
from shared.web.tokens import Principal
from tests.journeys.clinic import Clinic, told
from tests.journeys.house import House
from tests.journeys.played import PICTURE, played
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.308(a)(4)")]

OF_A_CLINIC = (
    "clinic_id",
    "appointment_id",
    "hold_id",
    "entry_id",
    "offer_id",
    "session_id",
    "series_id",
    "equipment_id",
    "charge_id",
    "payment_id",
    "receipt_id",
    "refund_id",
    "drawer_id",
    "document_id",
    "check_id",
    "call_id",
    "subject_id",
    "room_id",
    "rule_id",
    "request_id",
    "visitor_id",
    "schedule_id",
    "block_id",
    "feed_id",
    "shift_id",
)
"""The ids of what is of one clinic."""
OF_THE_NETWORK = (
    "patient_id",
    "coverage_id",
    "consent_id",
    "contact_id",
    "access_id",
    "proxy_id",
    "provider_id",
    "appointment_type_id",
    "payer_id",
    "exception_id",
    "credential_id",
)
"""The ids of what every clinic of a network shares."""
NETWORK_WIDE = {
    *((service, "GET", "/v1/audit-entries") for service in SERVICES),
    ("patients", "GET", "/v1/emergency-accesses"),
    ("patients", "GET", "/v1/emergency-accesses/{access_id}"),
    ("patients", "POST", "/v1/emergency-accesses/{access_id}/review"),
}
"""What tells of rows that do not say their clinic: it is for tokens of the whole network."""
LISTS = (
    "/v1/appointment-requests/of-patient",
    "/v1/appointments",
    "/v1/blocks",
    "/v1/documents",
    "/v1/on-call",
    "/v1/on-call-shifts",
    "/v1/waitlist/of-patient",
    "/v1/waitlist-offers",
)
"""What is answered of a clinic's thing that is not there: a list with nothing in it."""
REMOVED = {"date", "x-request-id", "traceparent", "x-correlation-id"}


@dataclass(slots=True)
class Place:
    """A network with two clinics; the visit was played at the first, nothing at the second."""

    house: House
    clinic: Clinic
    ids: dict[str, str]
    elsewhere: str
    operations: list[Operation]

    def nothing(self) -> dict[str, str]:
        """The ids with those of a clinic's things made up."""
        return self.ids | {name: str(new_id()) for name in OF_A_CLINIC}

    def token(self, role: str, *clinics: str) -> str:
        """Somebody in a role, bound to clinics; to the second where none is named."""
        claims: dict[str, Any] = {"sub": "walker", "clinics": list(clinics or [self.elsewhere])}
        if role == Role.EHR_CLIENT:
            claims["scope"] = "system/*.cruds"
        if role == Role.PORTAL:
            claims["patient"] = self.ids["patient_id"]
        return self.house.office.issuer.token(self.clinic.network_id, role, **claims)

    def bound(self) -> list[Operation]:
        """The operations that are given an id of a clinic's thing."""
        of_a_clinic = {self.ids[name] for name in OF_A_CLINIC}
        return [o for o in self.operations if o.named(self.ids) & of_a_clinic]

    async def asked(
        self, operation: Operation, ids: dict[str, str], *clinics: str
    ) -> list[httpx.Response]:
        """What every role that may is answered, one after the other."""
        requests = [operation.request(ids, self.token(role, *clinics)) for role in operation.roles]
        return await send_all(self.house, requests, at_once=1)

    async def written(self) -> dict[str, tuple[int, int]]:
        """How many rows each table has of the network, but for those about the asking itself."""
        found = {}
        for service in SERVICES:
            rows = await self.house.rows(
                service,
                "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE a.attname = 'network_id' AND c.relkind IN ('r', 'p')"
                " AND NOT c.relispartition AND c.relname !~ '^audit'",
            )
            for row in rows:
                # A row that is changed is another version, whatever else is the same.
                (seen,) = await self.house.rows(
                    service,
                    f"SELECT count(*) AS n, coalesce(sum(hashtext(t::text)), 0) AS h"
                    f" FROM {row['relname']} t WHERE network_id = $1",
                    self.clinic.network_id,
                )
                found[f"{service}.{row['relname']}"] = (seen["n"], seen["h"])
        return found


def same(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer that may not differ."""
    headers = [(k, v) for k, v in answer.headers.items() if k not in REMOVED]
    return answer.status_code, sorted(headers), answer.content


def empty(operation: Operation, answer: httpx.Response) -> bool:
    """Whether a list or a trace is answered that has nothing in it."""
    if answer.status_code != 200 or operation.method != "GET":
        return False
    if "traces" in operation.path:
        return not answer.json()["entries"] and not answer.json()["heard"]
    return operation.path in LISTS and not answer.json()["items"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(house: House) -> AsyncIterator[Place]:
    """The network. The document is filed with the visit; one that is not is the patient's."""
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    scan = {
        "source": "scan",
        "document_class": "insurance_card",
        "patient_id": ids["patient_id"],
        "appointment_id": ids["appointment_id"],
    }
    files = {"file": ("card.png", PICTURE, "image/png")}
    made = await clinic.person("dana", "documents").post("/v1/documents", data=scan, files=files)
    ids["document_id"] = told(made, 201)["id"]
    ask = {"coverage_id": ids["coverage_id"], "appointment_id": ids["appointment_id"]}
    asked = await clinic.person("bo", "eligibility").post("/v1/checks", ask)
    ids["check_id"] = told(asked, 202)["id"]
    second = {"name": "Birch Street Family Clinic", "time_zone": "America/Denver"}
    other = (await clinic.does("ada", "appointments", "/v1/clinics", second))["id"]
    await house.settled(clinic.network_id)
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        yield Place(house, clinic, ids, other, every_operation(house))


async def test_each_id_is_of_a_clinic_or_of_the_network(place: Place) -> None:
    assert sorted(place.ids) == sorted((*OF_A_CLINIC, *OF_THE_NETWORK))


async def test_what_is_of_another_clinic_is_as_little_there_as_nothing(place: Place) -> None:
    before = await place.written()
    assert len(place.bound()) > 35
    wrong = []
    for operation in place.bound():
        there = await place.asked(operation, place.ids)
        nowhere = await place.asked(operation, place.nothing())
        for role, one, other in zip(operation.roles, there, nowhere, strict=True):
            if same(one) != same(other):
                wrong.append(
                    f"{operation} as {role}: {one.status_code} {one.text[:90]}"
                    f" and of nothing {other.status_code} {other.text[:90]}"
                )
            elif one.status_code != 404 and not empty(operation, one):
                wrong.append(f"{operation} as {role}: {one.status_code} {one.text[:140]}")
    assert not wrong, "\n".join(wrong)
    after = await place.written()
    assert {k: (before[k], after[k]) for k in before if before[k] != after[k]} == {}


async def test_ones_own_clinic_opens_nothing_of_another(place: Place) -> None:
    """A thing of the one clinic that is named together with the other."""
    of_things = {place.ids[name] for name in OF_A_CLINIC if name != "clinic_id"}
    mixed = [o for o in place.bound() if place.ids["clinic_id"] in o.named(place.ids)]
    mixed = [o for o in mixed if o.named(place.ids) & of_things]
    assert {o.path for o in mixed} >= {"/v1/payments"}
    before = await place.written()
    for operation in mixed:
        mine = {"clinic_id": place.elsewhere}
        there = await place.asked(operation, place.ids | mine)
        nowhere = await place.asked(operation, place.nothing() | mine)
        for one, other in zip(there, nowhere, strict=True):
            assert one.status_code == 404 or empty(operation, one), (str(operation), one.text)
            assert same(one) == same(other), (str(operation), one.text, other.text)
    assert await place.written() == before


async def test_lists_leave_out_what_is_of_another_clinic(place: Place) -> None:
    patient, ids = place.ids["patient_id"], place.ids

    async def seen(service: str, role: str, path: str, clinic: str, **query: str) -> Any:
        desk = place.house.office.desk(
            service, place.clinic.network_id, role, sub="walker", clinics=[clinic]
        )
        return told(await desk.get(path, **query))

    async def both(service: str, role: str, path: str, **query: str) -> tuple[Any, Any]:
        here = await seen(service, role, path, ids["clinic_id"], **query)
        return here, await seen(service, role, path, place.elsewhere, **query)

    here, there = await both("appointments", "front_desk", "/v1/appointments", patient_id=patient)
    assert here["items"][0]["id"] == ids["appointment_id"]
    booked = [item for item in here["items"][1:] if item["lifecycle"] == "booked"]
    assert {item["series_id"] for item in booked} == {ids["series_id"]}
    assert there["items"] == []
    here, there = await both("documents", "front_desk", "/v1/documents", patient_id=patient)
    gone = {item["id"] for item in here["items"]} - {item["id"] for item in there["items"]}
    # The packet of the visit is filed with it, too; what is filed with the patient alone stays.
    assert ids["document_id"] in gone
    assert there["items"]
    assert all(item["appointment_id"] is None for item in there["items"])
    here, there = await both("payments", "biller", f"/v1/accounts/{patient}")
    assert here["items"]
    assert there["items"] == []
    here, there = await both("payments", "biller", "/v1/ledger/trial-balance")
    assert here["accounts"]
    assert there["accounts"] == []
    here, there = await both("appointments", "front_desk", "/v1/clinics")
    assert [item["id"] for item in here["items"]] == [ids["clinic_id"]]
    assert [item["id"] for item in there["items"]] == [place.elsewhere]
    here, there = await both("patients", "nurse", f"/v1/patients/{patient}")
    assert here["last_visit"]
    assert there["last_visit"] is None


async def test_a_day_of_another_clinic_is_one_of_none(place: Place) -> None:
    desk = place.house.office.desk(
        "appointments", place.clinic.network_id, "nurse", clinics=[place.elsewhere]
    )
    there, nowhere = [
        await desk.get("/v1/appointments", clinic_id=clinic, day="2026-11-05")
        for clinic in (place.ids["clinic_id"], str(new_id()))
    ]
    assert there.status_code == 404
    assert same(there) == same(nowhere)


async def test_a_payment_at_another_clinic_is_no_twin(place: Place) -> None:
    """The same sum at the same moment: its id would tell the one clinic of the other."""
    ids, network = place.ids, place.clinic.network_id
    body = {"patient_id": ids["patient_id"], "amount_cents": 1_234, "method": "check"}
    first = body | {"clinic_id": ids["clinic_id"], "check_number": "1"}
    await place.clinic.does("dana", "payments", "/v1/payments", first)
    second = body | {"clinic_id": place.elsewhere}
    desk = place.house.office.desk("payments", network, "front_desk", clinics=[place.elsewhere])
    made = told(await desk.post("/v1/payments", second | {"check_number": "2"}), 201)
    assert made["twin_of"] is None
    again = told(await desk.post("/v1/payments", second | {"check_number": "3"}), 201)
    assert again["twin_of"] == made["id"]


async def test_a_token_without_any_clinic_is_bound_to_none(place: Place) -> None:
    """An empty list of clinics is no want of the claim: nothing of any clinic is there."""
    token = place.house.office.issuer.token(
        place.clinic.network_id, "front_desk", "biller", "auditor", clinics=[]
    )
    mine = [o for o in place.bound() if {"front_desk", "biller", "auditor"} & set(o.roles)]
    reads = [o for o in mine if o.method == "GET"]
    assert len(reads) > 15
    answers = await send_all(place.house, [o.request(place.ids, token) for o in reads])
    assert [
        f"{o}: {a.status_code} {a.text[:90]}"
        for o, a in zip(reads, answers, strict=True)
        if a.status_code != 404 and not empty(o, a)
    ] == []


async def test_an_auditor_of_some_clinics_is_told_nothing_of_the_others(place: Place) -> None:
    """Whatever the route: a row that does not say its clinic is no row of theirs."""
    # Which clinics there are, and who works where, is the network's own.
    of_a_clinic = {place.ids[name] for name in OF_A_CLINIC if name != "clinic_id"}
    reads = [o for o in place.operations if "auditor" in o.roles and o.method == "GET"]
    assert len(reads) > 20
    mine = await send_all(
        place.house, [o.request(place.ids, place.token("auditor")) for o in reads]
    )
    assert [
        f"{o}: {a.status_code} {a.text[:200]}"
        for o, a in zip(reads, mine, strict=True)
        if any(each in a.text for each in of_a_clinic)
    ] == []
    whole = place.house.office.issuer.token(place.clinic.network_id, "auditor", sub="walker")
    all_of_it = await send_all(place.house, [o.request(place.ids, whole) for o in reads])
    told_of = [a for a in all_of_it if any(each in a.text for each in of_a_clinic)]
    assert len(told_of) > 10


async def test_what_cannot_tell_clinics_apart_wants_a_token_of_the_network(place: Place) -> None:
    wide = [o for o in place.operations if (o.service, o.method, o.path) in NETWORK_WIDE]
    assert len(wide) == len(NETWORK_WIDE)
    bound = [[place.ids["clinic_id"]], [place.elsewhere], []]
    for operation in wide:
        for clinics in bound:
            token = place.house.office.issuer.token(
                place.clinic.network_id, "auditor", sub="walker", clinics=clinics
            )
            request = operation.request(place.ids, token)
            (answer,) = await send_all(place.house, [request])
            assert (answer.status_code, answer.json()["code"]) == (403, "clinics.limited")
            assert "token of the whole network" in answer.json()["title"]
            flow = f"correlation_id = '{answer.headers['x-request-id']}'"
            (row,) = await place.clinic.rows(operation.service, "audit", flow)
            assert (row["outcome"], row["actor"]) == ("denied", "person/walker")
            with mock.patch.object(adapter, "require_network"):
                (answer,) = await send_all(place.house, [request])
            assert answer.json().get("code") != "clinics.limited"
    # Nothing else is refused to them for that reason.
    others = [o for o in place.operations if o not in wide and "auditor" in o.roles]
    requests = [o.request(place.ids, place.token("auditor")) for o in others]
    answers = await send_all(place.house, requests)
    assert "clinics.limited" not in {a.json().get("code") for a in answers}


async def test_who_is_of_the_clinic_is_shown_its_things(place: Place) -> None:
    reads = [o for o in place.bound() if o.method == "GET"]
    wrong = []
    for operation in reads:
        for answer in await place.asked(operation, place.ids, place.ids["clinic_id"]):
            if answer.status_code not in (200, 202):
                wrong.append(f"{operation}: {answer.status_code} {answer.text[:90]}")
    assert not wrong, "\n".join(wrong)


async def test_a_consent_is_signed_at_no_other_clinic(place: Place) -> None:
    network, path = place.clinic.network_id, f"/v1/patients/{place.ids['patient_id']}/consents"
    desk = place.house.office.desk("patients", network, "front_desk", clinics=[place.elsewhere])
    signed = {"kind": "treatment", "text_version": "2026-01"}
    there, nowhere = [
        await desk.post(path, signed | {"clinic_id": clinic})
        for clinic in (place.ids["clinic_id"], str(new_id()))
    ]
    assert there.status_code == 404
    assert same(there) == same(nowhere)
    mine = await desk.post(path, signed | {"clinic_id": place.elsewhere})
    with mock.patch("services.patients.queries.clinics.at_clinic", return_value=True):
        theirs = await desk.post(path, signed | {"clinic_id": place.ids["clinic_id"]})
    assert (mine.status_code, theirs.status_code) == (201, 201)


BEHIND_ANOTHER = {
    "services.appointments.commands.blocks": "Of a provider at two clinics: test_blocks.py.",
    "services.appointments.queries.availability": "The clinic's zone is asked for before it.",
    "services.documents.api.filing": "It says whom the audit names; the list is judged by itself.",
    "services.patients.queries.clinics": "Only a consent signed at a clinic asks it: see above.",
}
"""Where taking the check away changes no answer of the walk."""


async def test_without_the_check_in_one_place_some_route_tells(place: Place) -> None:
    checking = [
        name
        for name, module in sorted(sys.modules.items())
        if name.startswith("services.") and hasattr(module, "at_clinic")
    ]
    assert len(checking) > 10
    silent = set()
    for name in checking:
        with mock.patch(f"{name}.at_clinic", return_value=True):
            for operation in place.bound():
                if operation.service != name.split(".")[1]:
                    continue
                nowhere = await place.asked(operation, place.nothing())
                there = await place.asked(operation, place.ids)
                if [same(answer) for answer in there] != [same(answer) for answer in nowhere]:
                    break
            else:
                silent.add(name)
    assert silent == set(BEHIND_ANOTHER)


async def test_without_the_binding_each_route_tells_of_another_clinic(place: Place) -> None:
    """It changes what it finds, and stands last."""
    true_principal = adapter.Adapter.principal

    async def unbound(self: adapter.Adapter, request: Request) -> Principal:
        found = await true_principal(self, request)
        return replace(found, actor=replace(found.actor, clinic_ids=None))

    for operation in place.bound():
        with mock.patch.object(adapter.Adapter, "principal", unbound):
            nowhere = await place.asked(operation, place.nothing())
            there = await place.asked(operation, place.ids)
        pairs = zip(there, nowhere, strict=True)
        assert any(same(one) != same(other) for one, other in pairs), str(operation)
