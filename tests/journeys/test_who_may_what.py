"""Every route, every role, the own network and another: who gets in, and that each check is needed.

What is expected stands in `access.txt`, by hand. The second half takes one check away at a time and
asks the same again: what then does not go wrong was no check, or no test of it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request

from services.patients.domain.proxies import Power
from shared.contracts.permissions import Role
from shared.values.ids import new_id
from shared.web import adapter, transactions
from shared.web.tokens import Principal
from tests.journeys.clinic import Clinic, denver
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.rule("45 CFR 164.312(a)(1)", "45 CFR 164.308(a)(4)"),
]

TABLE = Path(__file__).with_name("access.txt")
LETTERS = dict(zip("FBNPAUEOX", (r for r in Role if r is not Role.SERVICE), strict=True))
READS_BY_POST = {
    "/v1/patients/search",
    "/v1/patients/match",
    "/v1/patients/lookup",
    "/v1/appointments/explain",
    "/v1/contact-points/lookup",
}
NOBODY = "a_role_that_nobody_knows"
QUEUE = ("documents", "GET", "/v1/index-queue")
"""What is filed with nobody yet: a portal may ask, and there is nothing of theirs in it."""
UNKEYED = {"/v1/blocks/preview", "/v1/calendar-feeds/{feed_id}/rotate"}
"""They take no key: one writes nothing, a kept reply of the other would keep a secret."""
BY_SECRET = "*********"
WALKER = "-of-the-walk"
CLINICS_OWN = (
    "clinic_id", "provider_id", "appointment_type_id", "payer_id", "schedule_id", "exception_id",
    "block_id", "credential_id", "feed_id", "shift_id",
)  # fmt: skip
"""Ids that are of no patient."""
Id = tuple[str, str, str]
ANOTHER: dict[str, dict[str, Any]] = {
    "/v1/clinics/{clinic_id}/close-day": {"business_date": "2026-10-30"},
    "/v1/coverages": {"order": "secondary"},
    "/v1/documents/{document_id}/classify": {"reason": "It was the other one."},
    "/v1/documents/{document_id}/index": {"reason": "It is of this visit."},
    "/v1/drawers": {"name": "Second window"},
    "/v1/drawers/{drawer_id}/close": {"reason": "Counted twice."},
    "/v1/fees": {"code": "V-WALK"},
    "/v1/holds": {"starts_at": "2026-11-30T11:00:00-07:00"},
    "/v1/sessions": {"starts_at": "2026-11-30T14:00:00-07:00", "ends_at": None},
    "/v1/sessions/{session_id}/move": {"starts_at": "2026-12-01T14:00:00-07:00"},
    "/v1/payers": {"payer_id": "WLK01"},
    "/v1/payments/{payment_id}/refund": {"amount_cents": 100},
}
"""What a request has to say so that it is no second one of what the visit that was played did."""
A_VISIT = "/v1/appointments/{appointment_id}"
NOT_NOW = """
appointments POST /v1/appointments/{appointment_id}/no-show
appointments POST /v1/holds/{hold_id}/extend
appointments POST /v1/appointments/{appointment_id}/arrive
appointments POST /v1/appointments/{appointment_id}/came-late
appointments POST /v1/appointments/{appointment_id}/undo-arrival
appointments POST /v1/appointments/{appointment_id}/undo-check-in
appointments POST /v1/appointments/{appointment_id}/room
appointments POST /v1/appointments/{appointment_id}/change-room
appointments POST /v1/appointments/{appointment_id}/with-nurse
appointments POST /v1/appointments/{appointment_id}/with-provider
appointments POST /v1/appointments/{appointment_id}/ready
appointments POST /v1/appointments/{appointment_id}/priority
appointments POST /v1/appointments/{appointment_id}/requirement-checks
appointments POST /v1/appointments/{appointment_id}/requirement-checks/withdraw
appointments POST /v1/walk-ins
appointments POST /v1/calls/{call_id}/finish
appointments POST /v1/calls/{call_id}/give-back
appointments POST /v1/calls/{call_id}/take
appointments POST /v1/appointment-requests
appointments POST /v1/appointment-requests/{request_id}/accept
appointments POST /v1/appointment-requests/{request_id}/withdraw
appointments POST /v1/waitlist-offers/{offer_id}/accept
appointments POST /v1/waitlist-offers/{offer_id}/decline
patients POST /v1/emergency-accesses/{access_id}/review
payments POST /v1/charges
payments POST /v1/receipts/{receipt_id}/print
payments POST /v1/visits/{appointment_id}/no-charge
"""
"""What the visit that was played has done or used up: whoever may is answered by a rule of the
service (409 or 422), not by a refusal. All else that changes is done by somebody."""


def expected() -> dict[Id, frozenset[str]]:
    """The roles that may, by (service, method, path), as the table says."""
    found: dict[Id, frozenset[str]] = {}
    service = ""
    for line in TABLE.read_text().splitlines():
        words = line.split()
        if len(words) == 1:
            service = words[0]
        elif len(words) == 3 and words[0] != "#":
            letters, method, path = words
            if letters == BY_SECRET:
                continue
            assert all(x in ("-", letter) for x, letter in zip(letters, LETTERS, strict=True)), line
            assert (service, method, path) not in found, line
            found[service, method, path] = frozenset(LETTERS[x] for x in letters if x != "-")
    return found


@dataclass(frozen=True, slots=True)
class Cell:
    """One question: may this role do this, with a token of this network and of this patient?"""

    operation: Operation
    role: str
    network_id: UUID
    patient_id: str

    def __str__(self) -> str:
        return f"{self.operation} as {self.role}"

    def token(self, house: House) -> str:
        """The token of somebody in the role, and in nothing else."""
        claims: dict[str, Any] = {"sub": self.role + WALKER}
        if self.role == Role.EHR_CLIENT:
            claims["scope"] = "system/*.cruds"
        if self.role == Role.PORTAL:
            claims["patient"] = self.patient_id
        return house.office.issuer.token(self.network_id, self.role, **claims)


@dataclass(slots=True)
class Place:
    """Two networks; ours has a visit with all that belongs to one, and a second patient."""

    house: House
    ours: Clinic
    theirs: Clinic
    ids: dict[str, str]
    other_patient: str
    operations: list[Operation]
    table: dict[Id, frozenset[str]]
    booked: list[str] = field(default_factory=list)

    def may(self, operation: Operation) -> frozenset[str]:
        """The roles that may."""
        return self.table[key(operation)]

    def cells(self, operation: Operation, *, may: bool, network: Clinic) -> list[Cell]:
        """The questions about an operation to which the table says yes, or no."""
        roles = [role.value for role in LETTERS.values()] + [NOBODY]
        patient = self.ids["patient_id"]
        return [
            Cell(operation, role, network.network_id, patient)
            for role in roles
            if (role in self.may(operation)) == may
        ]

    async def asked(
        self, cells: list[Cell], ids: dict[str, str] | None = None, at_once: int = 16
    ) -> list[httpx.Response]:
        """What is answered to each, about the things of our network."""
        named = ids or self.ids
        requests = [c.operation.request(named, c.token(self.house)) for c in cells]
        return await send_all(self.house, requests, at_once)

    async def let_in(self, cells: list[Cell]) -> list[str]:
        """The answers to those who may not that are no refusal of the permission."""
        answers = await self.asked(cells)
        return [
            f"{cell}: {answer.status_code}"
            for cell, answer in zip(cells, answers, strict=True)
            if answer.status_code != 403 or answer.json()["code"] != "permission.missing"
        ]

    async def shown(self, cells: list[Cell]) -> list[str]:
        """The answers to strangers that are neither 404 nor an empty list."""
        answers = await self.asked(cells)
        return [
            f"{cell}: {answer.status_code}"
            for cell, answer in zip(cells, answers, strict=True)
            if answer.status_code != 404 and not (is_list(cell.operation) and empty(answer))
        ]


def key(operation: Operation) -> Id:
    """What the table calls it."""
    return operation.service, operation.method, operation.path


def is_read(operation: Operation) -> bool:
    """Whether it changes nothing."""
    return operation.method == "GET" or operation.path in READS_BY_POST


def is_list(operation: Operation) -> bool:
    """Whether it is of whatever fits, and not of one thing that its path names."""
    return is_read(operation) and ("traces" in operation.path or not operation.has_path_id)


def empty(answer: httpx.Response) -> bool:
    """Whether a list is answered that has nothing in it, or nothing but the walk's own looks."""
    if answer.status_code != 200:
        return False
    told = answer.json()
    if "entries" in told:
        strange = [e for e in told["entries"] if not e["actor"].endswith(WALKER)]
        return not strange and not told["heard"]
    if answer.request.url.path == "/v1/audit-entries":
        return all(entry["actor"].endswith(WALKER) for entry in told["items"])
    return bool(told.get("items") == [])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(house: House) -> AsyncIterator[Place]:
    """The two networks."""
    ours, theirs = await Clinic(house).open(), await Clinic(house).open()
    ids = await played(ours)
    # What the walk does is of later than what the walk asks about (`tests.journeys.walk.QUERY`).
    house.clock.at = denver(5, 17, 1)
    other = await ours.register("Okonkwo", "Ife")
    await house.settled(ours.network_id)
    # All news has come: what is not known now is not on its way either, and need not be waited for.
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        yield Place(house, ours, theirs, ids, other, every_operation(house), expected())


async def test_the_table_is_about_the_routes_that_there_are(place: Place) -> None:
    assert sorted(key(operation) for operation in place.operations) == sorted(place.table)


async def test_the_table_says_what_a_secret_opens(place: Place) -> None:
    lines = [line.split() for line in TABLE.read_text().splitlines()]
    opened = [r.path for s in place.house.services.values() for r in s.secret_routes.declared]
    assert sorted(words[2] for words in lines if words[:1] == [BY_SECRET]) == sorted(opened)
    assert opened


async def test_who_may_not_is_refused_in_either_network(place: Place) -> None:
    for network in (place.ours, place.theirs):
        cells = [c for o in place.operations for c in place.cells(o, may=False, network=network)]
        assert len(cells) > 400
        assert await place.let_in(cells) == []


async def test_who_may_is_shown_what_they_ask_for(place: Place) -> None:
    reads = [operation for operation in place.operations if is_read(operation)]
    cells = [c for o in reads for c in place.cells(o, may=True, network=place.ours)]
    answers = await place.asked(cells)
    wrong = [
        f"{cell}: {answer.status_code} {answer.text[:80]}"
        for cell, answer in zip(cells, answers, strict=True)
        if answer.status_code not in (200, 202)
        and (key(cell.operation), cell.role) != (QUEUE, Role.PORTAL)
    ]
    assert wrong == []


async def test_another_network_is_shown_nothing_whatever_the_role(place: Place) -> None:
    named = [o for o in place.operations if o.named(place.ids)]
    assert len(named) > 60
    cells = [c for o in named for c in place.cells(o, may=True, network=place.theirs)]
    assert await place.shown(cells) == []


def of_patients(place: Place) -> list[Operation]:
    """What the portal may call that is not the clinic's own."""
    found = [o for o in place.operations if Role.PORTAL in place.may(o)]
    return [o for o in found if o.may != "clinic:read"]


async def test_another_patient_of_the_network_is_as_little_there_as_nobody(place: Place) -> None:
    found = of_patients(place)
    assert len(found) > 20
    portal = Role.PORTAL.value
    cells = [Cell(o, portal, place.ours.network_id, place.other_patient) for o in found]
    seen = await place.asked(cells)
    assert [
        f"{c}: {a.text}" for c, a in zip(cells, seen, strict=True) if a.status_code != 404
    ] == []
    # Nor does the answer tell that there is such a thing: it is that for an id of nothing.
    nothing = {name: str(new_id()) for name in place.ids} | {n: place.ids[n] for n in CLINICS_OWN}
    unknown = await place.asked(cells, nothing)
    assert [a.text for a in seen] == [a.text for a in unknown]


async def test_a_patient_acts_for_whom_their_token_names_and_the_register_backs(
    place: Place,
) -> None:
    issuer, ours = place.house.office.issuer, place.ours.network_id
    entry = {
        "proxy_patient_id": place.other_patient,
        "authority": "patient_permission",
        "scope": [power.value for power in Power],
    }
    path = f"/v1/patients/{place.ids['patient_id']}/proxies"
    await place.ours.does("dana", "patients", path, entry)
    await place.house.settled(ours)
    names = {"patient": place.other_patient, "acts_for": [place.ids["patient_id"]]}
    token = issuer.token(ours, "portal", **names)
    reads = [o for o in of_patients(place) if is_read(o) and key(o) != QUEUE]
    answers = await send_all(place.house, [o.request(place.ids, token) for o in reads])
    assert {answer.status_code for answer in answers} <= {200, 202}
    # A list that names nobody is of those alone, too: here it is of a clinic and a day.
    listed = await place.house.office.desk("appointments", ours, "portal", **names).get(
        "/v1/appointments", clinic_id=place.ids["clinic_id"], day="2026-11-05"
    )
    assert {item["patient_id"] for item in listed.json()["items"]} == {place.ids["patient_id"]}


async def test_a_portal_token_that_names_no_patient_may_nothing(place: Place) -> None:
    token = place.house.office.issuer.token(place.ours.network_id, "portal")
    found = [o for o in place.operations if Role.PORTAL in place.may(o)]
    answers = await send_all(place.house, [o.request(place.ids, token) for o in found])
    assert {answer.status_code for answer in answers} == {403}


async def allowed(place: Place, token: str) -> set[Id]:
    """The operations that a token is not refused for want of a permission, without changing much:
    each is asked about ids of nothing."""
    nothing = {name: str(new_id()) for name in place.ids}
    answers = await send_all(place.house, [o.request(nothing, token) for o in place.operations])
    assert {a.status_code for a in answers} <= {200, 201, 202, 400, 403, 404, 409, 412, 422}
    return {key(o) for o, a in zip(place.operations, answers, strict=True) if a.status_code != 403}


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "openid fhirUser offline_access",
        "everything system/Everything.cruds",
        "system/Patient.read system/*.* system/*.sr system/Patient. system/Patient",
        "system/Patient.rs?birthdate=1984-02-28",
        "patient/*.cruds user/*.cruds",
    ],
    ids=["none", "of-openid", "unknown", "of-another-shape", "with-a-query", "of-another-view"],
)
async def test_a_machine_may_nothing_by_a_scope_that_is_dropped(place: Place, scope: str) -> None:
    token = place.house.office.issuer.token(place.ours.network_id, "ehr_client", scope=scope)
    assert await allowed(place, token) == set()


async def test_a_machine_may_what_its_scopes_name_and_no_more(place: Place) -> None:
    issuer = place.house.office.issuer
    scope = "system/Patient.r system/Patient.s system/Nothing.cruds"
    token = issuer.token(place.ours.network_id, "ehr_client", scope=scope)
    reads = {
        *(("patients", "POST", f"/v1/patients/{verb}") for verb in ("search", "match", "lookup")),
        *(k for k in place.table if k[:2] == ("patients", "GET") and "traces" not in k[2]),
    }
    reads = {k for k in reads if Role.EHR_CLIENT in place.table[k]}
    assert len(reads) > 8
    assert await allowed(place, token) == reads


async def test_scopes_that_read_may_not_write_whoever_has_them(place: Place) -> None:
    ours, issuer = place.ours.network_id, place.house.office.issuer
    for role, scope in (
        (Role.PORTAL, "patient/*.rs"),
        (Role.EHR_CLIENT, "system/*.rs"),
        (Role.FRONT_DESK, "openid user/*.rs"),
    ):
        token = issuer.token(ours, role.value, scope=scope, patient=place.other_patient)
        found = await allowed(place, token)
        reads = {key(o) for o in place.operations if is_read(o)}
        assert found, role
        assert found <= reads, role


async def test_a_token_without_one_network_is_let_in_nowhere(place: Place) -> None:
    ours, issuer = place.ours.network_id, place.house.office.issuer
    for network in (None, "", [str(ours)], {"id": str(ours)}, 1):
        token = issuer.token(ours, "ehr_client", scope="system/*.rs", network=network)
        answers = await send_all(
            place.house, [o.request(place.ids, token) for o in place.operations]
        )
        assert {answer.status_code for answer in answers} == {401}, network


async def with_a_visit(place: Place) -> dict[str, str]:
    """The ids, with a visit that is booked and no more."""
    weeks, weekday = divmod(len(place.booked) // 20, 5)
    free = min(await place.ours.free(9 + 7 * weeks + weekday))
    place.booked.append((await place.ours.book(place.ids["patient_id"], free))["id"])
    await place.house.settled(place.ours.network_id)
    return place.ids | {"appointment_id": place.booked[-1]}


async def current(place: Place, operation: Operation, ids: dict[str, str]) -> str:
    """The entity tag of what an operation changes, as whoever may read it is told; else a first."""
    above = operation.path if operation.method == "PATCH" else operation.path.rpartition("/")[0]
    for read in place.operations:
        if read.method == "GET" and read.path == above and read.service == operation.service:
            token = place.house.office.issuer.token(place.ours.network_id, *read.roles)
            answer = (await send_all(place.house, [read.request(ids, token)]))[0]
            return str(answer.headers.get("etag", '"1"'))
    return '"1"'


async def test_who_may_is_not_refused_what_they_change(place: Place) -> None:
    """It changes what it finds: what comes after it asks only who is let in and who is not."""
    writes = [operation for operation in place.operations if not is_read(operation)]
    # Money needs an open drawer.
    writes.sort(key=lambda operation: "drawer_id" in operation.path)
    done: set[str] = set()
    refused: list[str] = []
    for operation in writes:
        body = {**(operation.example or {}), **ANOTHER.get(operation.path, {})}
        for cell in place.cells(operation, may=True, network=place.ours):
            fresh = operation.path.startswith(A_VISIT) and not operation.path.endswith("check-out")
            ids = await with_a_visit(place) if fresh else place.ids
            request = replace(operation, example=body).request(ids, cell.token(place.house))
            request.headers["If-Match"] = await current(place, operation, ids)
            (answer,) = await send_all(place.house, [request])
            if answer.status_code < 300:
                done.add(str(operation))
            if answer.status_code in (401, 403, 404) or answer.status_code >= 500:
                refused.append(f"{cell}: {answer.status_code} {answer.text[:120]}")
    assert refused == []
    assert {str(o) for o in writes} - done == set(NOT_NOW.split("\n")) - {""}


async def test_a_patient_checks_in_and_does_not_speak_for_the_desk(place: Place) -> None:
    ids = await with_a_visit(place)
    portal = place.house.office.desk(
        "appointments", place.ours.network_id, "portal", patient=ids["patient_id"]
    )
    path = f"/v1/appointments/{ids['appointment_id']}"
    answer = await portal.post(f"{path}/check-in", {"cover_override_reason": "I am covered."})
    assert (answer.status_code, answer.json()["code"]) == (403, "checkin.for_the_desk")
    assert (await portal.get(path)).json()["lifecycle"] == "booked"


async def test_a_patient_books_within_the_rules_and_lifts_none(place: Place) -> None:
    patient, free = place.ids["patient_id"], min(await place.ours.free(23)).isoformat()
    portal = place.house.office.desk(
        "appointments", place.ours.network_id, "portal", patient=patient
    )
    (book,) = [o for o in place.operations if key(o)[1:] == ("POST", "/v1/appointments")]
    named = {n: place.ids[n] for n in ("clinic_id", "provider_id", "appointment_type_id")}
    wish = {**named, "patient_id": patient, "starts_at": free}
    lifted: list[dict[str, Any]] = [
        {"walk_in": True}, {"overbook": True}, {"overlap_reason": "I have two."},
    ]  # fmt: skip
    for more in lifted:
        answer = await portal.post(book.path, {**wish, **more})
        assert (answer.status_code, answer.json()["code"]) == (403, "booking.for_the_desk"), more
    made = await portal.post(book.path, wish)
    assert made.status_code == 201, made.text
    path = f"{book.path}/{made.json()['id']}/reschedule"
    for more in lifted[1:]:
        body = {"starts_at": free, "reason": "patient_request", **more}
        answer = await portal.post(path, body, version=1)
        assert (answer.status_code, answer.json()["code"]) == (403, "booking.for_the_desk"), more


async def test_scopes_that_name_no_overbooking_take_it_away(place: Place) -> None:
    ours, (book,) = place.ours.network_id, [
        o for o in place.operations if key(o)[1:] == ("POST", "/v1/appointments")
    ]  # fmt: skip
    free = min(await place.ours.free(24)).isoformat()
    named = {n: place.ids[n] for n in ("clinic_id", "provider_id", "appointment_type_id")}
    codes = []
    for patient, scope in (
        (place.ids["patient_id"], ""),
        (place.other_patient, "user/*.cruds"),
        (place.other_patient, ""),
    ):
        desk = place.house.office.desk("appointments", ours, "front_desk", "admin", scope=scope)
        wish = {**named, "patient_id": patient, "starts_at": free, "overbook": True}
        answer = await desk.post(book.path, wish)
        codes.append(answer.json().get("code", answer.status_code))
    assert codes == [201, "overbook.forbidden", 201]


async def test_without_the_check_of_its_permission_each_route_lets_somebody_in(
    place: Place,
) -> None:
    for operation in place.operations:
        cells = place.cells(operation, may=False, network=place.ours)
        assert await place.let_in(cells) == []
        with mock.patch.object(adapter, "require_permission"):
            assert await place.let_in(cells) != [], str(operation)


async def test_without_the_check_of_the_network_each_route_shows_something(place: Place) -> None:
    ours, true_principal = place.ours.network_id, adapter.Adapter.principal

    async def of_ours(self: adapter.Adapter, request: Request) -> Principal:
        return replace(await true_principal(self, request), network_id=ours)

    # What no person may is shown by tests of its own.
    of_people = [o for o in place.operations if place.may(o)]
    for operation in (o for o in of_people if o.named(place.ids)):
        cells = place.cells(operation, may=True, network=place.theirs)
        assert await place.shown(cells) == []
        with mock.patch.object(adapter.Adapter, "principal", of_ours):
            assert await place.shown(cells) != [], str(operation)


async def test_without_the_check_of_the_patient_each_route_shows_another(place: Place) -> None:
    true_principal = adapter.Adapter.principal

    async def unbound(self: adapter.Adapter, request: Request) -> Principal:
        found = await true_principal(self, request)
        return replace(found, actor=replace(found.actor, patient_ids=None))

    for operation in of_patients(place):
        cell = Cell(operation, Role.PORTAL.value, place.ours.network_id, place.other_patient)
        assert [a.status_code for a in await place.asked([cell])] == [404], str(operation)
        with mock.patch.object(adapter.Adapter, "principal", unbound):
            assert [a.status_code for a in await place.asked([cell])] != [404], str(operation)
