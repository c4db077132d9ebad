"""Minimum necessary (45 CFR 164.502(b)): who reads less is shown less, and finds the rest nowhere.

Which field who is shown stands in `fields.txt`, by hand.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio
from pydantic import BaseModel

from services.documents.domain.classification import CLAIMS, GENERATED, DocumentClass
from shared.contracts.permissions import MATRIX, Role
from shared.web import transactions
from shared.web.minimum import Lesser, leaves
from shared.web.routes import Route
from tests.journeys.clinic import Body, Clinic, told
from tests.journeys.house import House
from tests.journeys.played import PICTURE, played
from tests.journeys.test_who_may_what import LETTERS, Id, key
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.502(b)")]

TABLE = Path(__file__).with_name("fields.txt")
SECRET: Body = {
    "name": {"family": "Fontaine", "given": "Lupe", "preferred": "Quetzalina"},
    "phones": [{"number": "303-555-7731"}],
    "emails": ["quetzal@example.org"],
}
HIDDEN = ("Quetzalina", "5557731", "quetzal@example.org", "Rafaelito", "5558842", "Zebulon")
"""What a claim does not need of the patient, as it is written in any answer."""
CONTACT = {
    "kind": "emergency",
    "relationship": "spouse",
    "name": {"given": "Rafaelito", "family": "Zebulon"},
    "phone": "303-555-8842",
}
ASKED = {"/v1/patients/search": {"family": "fontaine"}}
WRITTEN = ["/v1/documents/{document_id}", "/v1/documents/{document_id}/content"]


def expected() -> dict[Id, dict[str, frozenset[str]]]:
    """The roles that are shown each field, by route. A route without fields answers a file."""
    found: dict[Id, dict[str, frozenset[str]]] = {}
    at: Id | None = None
    for line in TABLE.read_text().splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[1:2] and words[1] in ("GET", "POST"):
            at = (words[0], words[1], words[2])
            found[at] = {}
            continue
        assert at is not None
        letters, *fields = words
        assert all(x in ("-", letter) for x, letter in zip(letters, LETTERS, strict=True)), line
        roles = frozenset(LETTERS[x] for x in letters if x != "-")
        for name in fields or [""]:
            assert name not in found[at], line
            found[at][name] = roles
    return found


def shown(told_of: Any, at: str = "") -> Iterator[str]:
    """The paths of the members of a body that are neither objects nor lists of them."""
    if isinstance(told_of, dict):
        for name, value in told_of.items():
            yield from shown(value, f"{at}.{name}" if at else name)
    elif isinstance(told_of, list) and any(isinstance(each, dict) for each in told_of):
        for each in told_of:
            yield from shown(each, at)
    else:
        yield at


@dataclass(slots=True)
class Place:
    """A clinic after a visit of somebody of whom everything is known."""

    house: House
    clinic: Clinic
    ids: dict[str, str]
    operations: list[Operation]
    routes: dict[Id, Route]

    def token(self, role: str, **claims: Any) -> str:
        """Somebody in a role, and in no other."""
        if role == Role.EHR_CLIENT:
            claims["scope"] = "system/*.cruds"
        if role == Role.PORTAL:
            claims["patient"] = self.ids["patient_id"]
        network = self.clinic.network_id
        return self.house.office.issuer.token(network, role, sub=f"{role}-reads", **claims)

    async def ask(self, operation: Operation, role: str) -> httpx.Response:
        """What somebody in a role is answered."""
        asked = replace(operation, example=ASKED.get(operation.path, operation.example))
        request = asked.request(self.ids, self.token(role))
        return (await send_all(self.house, [request]))[0]

    def with_a_minimum(self) -> list[Operation]:
        """The operations that some are answered less."""
        return [o for o in self.operations if self.routes[key(o)].lesser]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(house: House) -> AsyncIterator[Place]:
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    path = f"/v1/patients/{ids['patient_id']}"
    dana = clinic.person("dana", "patients")
    seen = await dana.get(path)
    version = int(seen.headers["etag"].strip('"'))
    assert (await dana.patch(path, SECRET, version)).status_code == 200
    made = told(await dana.post(f"{path}/contacts", CONTACT), 201)
    ids["contact_id"] = made["id"]
    await house.settled(clinic.network_id)
    routes = {
        (name, route.method, route.path): route
        for name, service in house.services.items()
        for route in service.every_route
    }
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        yield Place(house, clinic, ids, every_operation(house), routes)


def paths_of(view: type[BaseModel] | None) -> set[str]:
    return {""} if view is None else set(leaves(view))


async def test_the_table_is_about_the_fields_that_there_are(place: Place) -> None:
    table = expected()
    assert set(table) == {key(o) for o in place.with_a_minimum()}
    for at, fields in table.items():
        assert set(fields) == paths_of(place.routes[at].reply), at


async def test_each_role_may_what_the_table_says_field_by_field(place: Place) -> None:
    for at, fields in expected().items():
        route = place.routes[at]
        for role in LETTERS.values():
            if route.may in MATRIX[role]:
                allowed = paths_of(route.reply)
            else:
                by = [each for each in route.lesser if each.may in MATRIX[role]]
                allowed = paths_of(by[0].reply) if by else set()
            assert allowed == {name for name, roles in fields.items() if role in roles}, (at, role)


def heads(paths: set[str]) -> set[str]:
    return {path.partition(".")[0] for path in paths}


def lists_of(view: type[BaseModel]) -> set[str]:
    """The members that may be empty or null: their fields are not seen where there are none."""
    return {path.partition(".")[0] for path in leaves(view) if "." in path}


async def test_each_role_is_answered_the_fields_of_the_table_and_no_other(place: Place) -> None:
    table = expected()
    for operation in place.with_a_minimum():
        fields = table[key(operation)]
        seen_by_all: set[str] = set()
        for role in LETTERS.values():
            answer = await place.ask(operation, role.value)
            may = {name for name, roles in fields.items() if role in roles}
            if not may:
                assert answer.status_code == 403, (str(operation), role)
                continue
            assert answer.status_code == 200, (str(operation), role, answer.text)
            reply = place.routes[key(operation)].reply
            if reply is None:
                assert answer.content == PICTURE
                continue
            seen = set(shown(answer.json()))
            empty = {name for name in seen if name in lists_of(reply)}
            assert seen - empty <= may, (str(operation), role)
            assert heads(seen) == heads(may), (str(operation), role)
            seen_by_all |= seen
        if fields != {"": fields.get("")}:
            assert len(seen_by_all) > 5, str(operation)


async def test_a_minimum_that_was_read_is_told_in_the_audit(place: Place) -> None:
    for operation in place.with_a_minimum():
        for role in LETTERS.values():
            route = place.routes[key(operation)]
            answer = await place.ask(operation, role.value)
            if answer.status_code != 200:
                continue
            (row,) = await place.clinic.rows(
                operation.service, "audit", f"correlation_id = '{answer.headers['x-request-id']}'"
            )
            told_of = json.loads(row["detail"]).get("minimum")
            less = [x.may.value for x in route.lesser if x.may in MATRIX[role]]
            whole = route.may in MATRIX[role]
            assert told_of == (None if whole else less[0]), (str(operation), role)


async def test_without_the_cut_somebody_is_shown_more(place: Place) -> None:
    table = expected()

    def whole(_: Lesser, body: Any) -> Any:
        return body

    for operation in place.with_a_minimum():
        if place.routes[key(operation)].reply is None:
            continue
        fields = table[key(operation)]
        for lesser in place.routes[key(operation)].lesser:
            role = next(r for r in LETTERS.values() if lesser.may in MATRIX[r])
            may = {name for name, roles in fields.items() if role in roles}
            with mock.patch.object(Lesser, "cut", whole):
                answer = await place.ask(operation, role.value)
            assert not set(shown(answer.json())) <= may, str(operation)


async def test_no_route_tells_a_biller_what_a_claim_does_not_need(place: Place) -> None:
    # The words are there for who may read them.
    nurse = place.house.office.desk("patients", place.clinic.network_id, "nurse")
    record = (await nurse.get(f"/v1/patients/{place.ids['patient_id']}")).text
    contacts = (await nurse.get(f"/v1/patients/{place.ids['patient_id']}/contacts")).text
    assert all(word in record + contacts for word in HIDDEN)
    count = 0
    for operation in place.operations:
        for body in (operation.example, {**(operation.example or {}), **SECRET}):
            asked = replace(operation, example=body)
            request = asked.request(place.ids, place.token("biller"))
            (answer,) = await send_all(place.house, [request])
            said = answer.text + str(answer.headers)
            assert [word for word in HIDDEN if word in said] == [], str(operation)
            count += answer.status_code < 300
    assert count > 20


async def test_a_biller_does_not_find_out_by_asking(place: Place) -> None:
    biller = place.house.office.desk("patients", place.clinic.network_id, "biller")
    for body in (
        {"phone": "303-555-7731"},
        {"email": "quetzal@example.org"},
        {"family": "fontaine", "phone": "303-555-0000"},
        {"phone": None, "family": "fontaine"},
    ):
        answer = await biller.post("/v1/patients/search", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.minimum"), body
    match = await biller.post("/v1/patients/match", {**SECRET, "birth_date": "1984-02-28"})
    assert (match.status_code, match.json()["code"]) == (403, "permission.missing")
    found = told(await biller.post("/v1/patients/search", {"family": "fontaine"}))
    assert [item["id"] for item in found["items"]] == [place.ids["patient_id"]]
    # Who has another role as well reads by that one.
    both = place.house.office.desk("patients", place.clinic.network_id, "biller", "front_desk")
    found = told(await both.post("/v1/patients/search", {"phone": "303-555-7731"}))
    assert found["items"][0]["name"]["preferred"] == "Quetzalina"


async def test_a_biller_is_shown_the_documents_that_a_claim_needs(place: Place) -> None:
    patient, network = place.ids["patient_id"], place.clinic.network_id
    provider = place.house.office.desk("documents", network, "provider", sub="kaya")
    filed: dict[str, str] = {}
    for kind in sorted(set(DocumentClass) - GENERATED):
        data = {"source": "scan", "document_class": kind.value, "patient_id": patient}
        files = {"file": ("page.png", PICTURE + kind.value.encode(), "image/png")}
        made = await provider.post("/v1/documents", data=data, files=files)
        assert made.status_code == 201, made.text
        filed[kind.value] = made.json()["id"]
    loose = await provider.post(
        "/v1/documents",
        data={"source": "fax", "patient_id": patient},
        files={"file": ("loose.png", PICTURE + b"loose", "image/png")},
    )
    packet = told(
        await place.house.office.desk("documents", network, "nurse").get(
            f"/v1/visits/{place.ids['appointment_id']}/chart-packet"
        )
    )
    filed["none yet"] = loose.json()["id"]
    filed["chart_packet"] = packet["document_id"]
    biller = place.house.office.desk("documents", network, "biller", sub="bo")
    claims = {kind.value for kind in CLAIMS}
    assert len(claims & set(filed)) == 7
    for code, document in filed.items():
        status = 200 if code in claims else 403
        for path in WRITTEN:
            answer = await biller.get(path.format(document_id=document))
            assert answer.status_code == status, (code, path)
            if status == 403:
                assert answer.json()["code"] == "document.class_forbidden"
    seen: list[Body] = []
    cursor: dict[str, str] = {}
    while True:
        page = told(await biller.get("/v1/documents", patient_id=patient, limit="5", **cursor))
        seen += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert {item["document_class"] for item in seen} == claims
    of_visit = told(await biller.get("/v1/documents", appointment_id=place.ids["appointment_id"]))
    assert {item["document_class"] for item in of_visit["items"]} <= claims
    assert (await biller.get("/v1/index-queue")).status_code == 403


async def test_the_desk_collects_by_what_is_open_and_the_admin_reads_totals(place: Place) -> None:
    network, patient = place.clinic.network_id, place.ids["patient_id"]
    office = place.house.office
    desk = office.desk("payments", network, "front_desk")
    less = told(await desk.get(f"/v1/accounts/{patient}"))
    more = told(await office.desk("payments", network, "biller").get(f"/v1/accounts/{patient}"))
    assert more["items"]
    assert less == {name: more[name] for name in less}
    (due,) = less["open_charges"]
    assert due["appointment_id"] == place.ids["appointment_id"]
    assert due["open_cents"] == less["balance_cents"] > 0
    admin = told(await office.desk("payments", network, "admin").get("/v1/ledger/trial-balance"))
    whole = told(await office.desk("payments", network, "auditor").get("/v1/ledger/trial-balance"))
    assert "accounts" not in admin
    assert admin["kinds"] == whole["kinds"]
    by_kind: dict[str, int] = {}
    for line in whole["accounts"]:
        by_kind[line["account_kind"]] = by_kind.get(line["account_kind"], 0) + line["cents"]
    assert {each["account_kind"]: each["cents"] for each in admin["kinds"]} == by_kind
    elsewhere = office.desk("payments", network, "front_desk", clinics=[place.ids["subject_id"]])
    assert told(await elsewhere.get(f"/v1/accounts/{patient}"))["open_charges"] == []
