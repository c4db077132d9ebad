"""List P of the bad inputs, P49 to P54: what is looked for, and page by page, in every service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio

from shared.contracts.permissions import Role
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web import transactions
from tests.journeys.clinic import Body, Clinic, denver, told
from tests.journeys.house import House
from tests.journeys.leaves import Leaf, every_leaf
from tests.journeys.played import PICTURE, played
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGED = {
    ("appointments", "/v1/appointments"),
    ("appointments", "/v1/availability"),
    ("appointments", "/v1/clinics/{clinic_id}/visitors"),
    ("appointments", "/v1/calls"),
    ("appointments", "/v1/appointment-requests"),
    ("patients", "/v1/patients/search"),
    ("payments", "/v1/accounts/{patient_id}"),
    ("payments", "/v1/fees"),
    ("documents", "/v1/documents"),
    ("documents", "/v1/index-queue"),
    ("patients", "/v1/emergency-accesses"),
    *((service, "/v1/audit-entries") for service in SERVICES),
}


@dataclass(slots=True)
class Desk:
    """A clinic after a visit, and every operation and member of a request."""

    clinic: Clinic
    ids: dict[str, str]
    operations: list[Operation]
    leaves: list[Leaf]
    hours: int = 0
    codes: int = 0
    people: list[str] = field(default_factory=list)

    def token(self, operation: Operation) -> str:
        """The token of one of the staff who may."""
        role = next(r for r in operation.roles if r not in (Role.PORTAL, Role.EHR_CLIENT))
        return self.clinic.house.office.issuer.token(self.clinic.network_id, role)

    async def answers(self, leaves: list[Leaf], value: Any) -> list[httpx.Response]:
        """What is answered with this value in each of these places."""
        requests = [x.requested(value, self.ids, self.token(x.operation)) for x in leaves]
        return await send_all(self.clinic.house, requests)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(house: House) -> AsyncIterator[Desk]:
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    await house.settled(clinic.network_id)
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        yield Desk(clinic, ids, every_operation(house), every_leaf(house))


async def test_p49_a_search_for_nothing_is_refused(desk: Desk) -> None:
    dana = desk.clinic.person("dana", "patients")
    empty: list[Body] = [{}, {"family": None}, {"limit": 5}, {"sounds_like": True}]
    for body in empty:
        answer = await dana.post("/v1/patients/search", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "search.empty"), body


@pytest.mark.parametrize("text", ["%", "_", "%ontaine", "F_ntaine", "F%e", "\\", "*", ".*"])
async def test_p50_a_sign_of_a_pattern_is_a_sign(desk: Desk, text: str) -> None:
    dana = desk.clinic.person("dana", "patients")
    assert told(await dana.post("/v1/patients/search", {"family": "fontaine"}))["items"]
    for member in ("family", "given"):
        found = told(await dana.post("/v1/patients/search", {member: text}))
        assert found["items"] == [], member


@pytest.mark.parametrize("name", ["_sort", "order_by", "sort", "filter[name]", "limit;--", "LIMIT"])
async def test_p51_a_parameter_that_nobody_knows_is_refused_on_every_route(
    desk: Desk, name: str
) -> None:
    requests = []
    for operation in desk.operations:
        request = operation.request(desk.ids, desk.token(operation))
        await request.aread()
        url = request.url.copy_add_param(name, "id; DROP TABLE patients")
        requests.append(
            httpx.Request(
                request.method, url, headers=request.headers.multi_items(), content=request.content
            )
        )
    answers = await send_all(desk.clinic.house, requests)
    wrong = [
        f"{operation}: {answer.status_code}"
        for operation, answer in zip(desk.operations, answers, strict=True)
        if answer.status_code != 422 or answer.json()["code"] != "request.invalid"
    ]
    assert wrong == []


async def test_p52_a_limit_beyond_the_highest_is_refused(desk: Desk) -> None:
    leaves = [leaf for leaf in desk.leaves if leaf.pointer in ("?limit", "/limit")]
    assert {leaf.operation.service for leaf in leaves} == set(SERVICES)
    for limit in (10**9, 201, 0, -1, 2**63):
        answers = await desk.answers(leaves, limit)
        assert {answer.status_code for answer in answers} == {422}, limit


async def test_p53_a_cursor_that_was_not_handed_out_is_refused(desk: Desk) -> None:
    leaves = [leaf for leaf in desk.leaves if leaf.pointer in ("?cursor", "/cursor")]
    assert {(x.operation.service, x.operation.path) for x in leaves} == PAGED
    for cursor in ("", "x", "MQ.x", ".", "MQ.", "\u00e9", "a" * 500, "MQ==.MQ=="):
        answers = await desk.answers(leaves, cursor)
        assert {a.status_code for a in answers} <= {400, 422}, cursor
        assert {a.json()["code"] for a in answers} <= {"cursor.invalid", "request.invalid"}


# ── page by page ─────────────────────────────────────────────────────────────────────────────────

Add = Callable[[Desk], Awaitable[str]]
Page = Callable[[Desk, str | None], Awaitable[Body]]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: how one more thing comes into it, and how a page of it is read."""

    add: Add
    page: Page
    key: str = "id"


async def _book(desk: Desk) -> str:
    if not desk.people:
        desk.people = [await desk.clinic.register(f"Pager{n}") for n in range(12)]
        await desk.clinic.house.settled(desk.clinic.network_id)
    # From the middle of the day outwards: the next one comes before and after what is there.
    desk.hours += 1
    steps = (desk.hours // 2) * (1 if desk.hours % 2 else -1)
    at = denver(16, 12).timestamp() + steps * 40 * 60
    starts = denver(16, 12).fromtimestamp(at, denver(16, 12).tzinfo)
    return str((await desk.clinic.book(desk.people[desk.hours % 12], starts))["id"])


async def _visits(desk: Desk, cursor: str | None) -> Body:
    more = {} if cursor is None else {"cursor": cursor}
    query = {"clinic_id": desk.ids["clinic_id"], "day": "2026-11-16", "limit": 2}
    return await desk.clinic.sees("dana", "appointments", "/v1/appointments", **query, **more)


async def _people(desk: Desk, cursor: str | None) -> Body:
    body = {"family": "ordinary", "limit": 2} | ({} if cursor is None else {"cursor": cursor})
    return await desk.clinic.does("dana", "patients", "/v1/patients/search", body)


async def _pay(desk: Desk) -> str:
    body = {
        "patient_id": desk.ids["patient_id"],
        "clinic_id": desk.ids["clinic_id"],
        "method": "check",
        "check_number": "1042",
        "amount_cents": 100,
    }
    return str((await desk.clinic.does("bo", "payments", "/v1/payments", body))["id"])


async def _statement(desk: Desk, cursor: str | None) -> Body:
    more = {} if cursor is None else {"cursor": cursor}
    path = f"/v1/accounts/{desk.ids['patient_id']}"
    return await desk.clinic.sees("bo", "payments", path, limit=2, **more)


async def _price(desk: Desk) -> str:
    # Z, A, Y, B ...: the next one comes before and after what is there.
    desk.codes += 1
    step = desk.codes // 2
    letter = chr(ord("A") + step) if desk.codes % 2 else chr(ord("Z") - step)
    price = {
        "clinic_id": desk.ids["clinic_id"],
        "code": f"{letter}-PAGE",
        "amount_cents": 100,
        "effective_from": "2026-01-01",
    }
    return str((await desk.clinic.does("bo", "payments", "/v1/fees", price))["id"])


async def _prices(desk: Desk, cursor: str | None) -> Body:
    more = {} if cursor is None else {"cursor": cursor}
    query = {"clinic_id": desk.ids["clinic_id"], "limit": 2}
    return await desk.clinic.sees("bo", "payments", "/v1/fees", **query, **more)


async def _scan(desk: Desk, **fields: str) -> str:
    # No two alike, for the same paper twice is one document.
    picture = PICTURE + new_id().bytes
    files = {"file": ("card.png", picture, "image/png")}
    answer = await desk.clinic.person("dana", "documents").post(
        "/v1/documents", data={"source": "scan", **fields}, files=files
    )
    return str(told(answer, 201)["id"])


async def _filed(desk: Desk) -> str:
    named = {"document_class": "insurance_card", "patient_id": desk.ids["patient_id"]}
    return await _scan(desk, **named)


async def _documents(desk: Desk, cursor: str | None) -> Body:
    more = {} if cursor is None else {"cursor": cursor}
    query = {"patient_id": desk.ids["patient_id"], "limit": 2}
    return await desk.clinic.sees("dana", "documents", "/v1/documents", **query, **more)


async def _queue(desk: Desk, cursor: str | None) -> Body:
    more = {} if cursor is None else {"cursor": cursor}
    return await desk.clinic.sees("dana", "documents", "/v1/index-queue", limit=2, **more)


LISTS = {
    "appointments": Listed(_book, _visits),
    "search": Listed(lambda desk: desk.clinic.register("Ordinary"), _people),
    "statement": Listed(_pay, _statement, key="entry_id"),
    "fees": Listed(_price, _prices),
    "documents": Listed(_filed, _documents),
    "index-queue": Listed(_scan, _queue),
}


@pytest.mark.parametrize("name", LISTS)
async def test_p54_a_list_that_changes_meanwhile_skips_nothing_and_repeats_nothing(
    desk: Desk, name: str
) -> None:
    listed = LISTS[name]
    before = [await listed.add(desk) for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    cursors: list[str] = []
    while True:
        page = await listed.page(desk, cursor)
        assert 0 < len(page["items"]) <= 2
        seen += [item[listed.key] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        cursors.append(cursor)
        if len(cursors) < 4:
            await listed.add(desk)
    assert len(cursors) >= 2
    assert len(set(seen)) == len(seen)
    if name == "statement":  # an entry names the payment that it is of
        rows = await desk.clinic.rows("payments", "ledger_entries", "kind = 'payment'")
        before = [str(row["id"]) for row in rows if str(row["source_id"]) in before]
        assert len(before) == 5
    assert set(before) <= set(seen)
    # P53: one letter of it changed, and it is none.
    altered = cursors[0][:-1] + ("A" if cursors[0][-1] != "A" else "B")
    cut = cursors[0][1:]
    elsewhere = [x for x in desk.leaves if x.pointer in ("?cursor", "/cursor")]
    for leaf in elsewhere:
        for wrong in (altered, cut):
            (answer,) = await desk.answers([leaf], wrong)
            assert (answer.status_code, answer.json()["code"]) == (400, "cursor.invalid")
    # And where it was not handed out, the true one is none either.
    answers = await desk.answers(elsewhere, cursors[0])
    taken = [answer for answer in answers if answer.is_success]
    assert len(taken) == 1
    assert {(a.status_code, a.json()["code"]) for a in answers if a not in taken} == {
        (400, "cursor.invalid")
    }


async def test_a36_a_parameter_given_twice_is_refused(desk: Desk) -> None:
    leaves = [x for x in desk.leaves if x.pointer[0] == "?" and not _is_list(x)]
    requests = []
    for leaf in leaves:
        own = leaf.operation.request(desk.ids, desk.token(leaf.operation))
        name = leaf.pointer[1:]
        value = own.url.params.get(name) or GOOD.get(name) or desk.ids[name]
        params = own.url.params.set(name, value).add(name, value)
        requests.append(httpx.Request("GET", own.url.copy_with(params=params), headers=own.headers))
    answers = await send_all(desk.clinic.house, requests)
    wrong = [
        f"{leaf}: {answer.status_code} {answer.text[:80]}"
        for leaf, answer in zip(leaves, answers, strict=True)
        if (answer.status_code, answer.json().get("code")) != (400, "query.duplicate")
    ]
    assert not wrong, "\n".join(wrong)


def _is_list(leaf: Leaf) -> bool:
    named = ("?provider_id", "?clinic_id", "?room_id")
    return leaf.operation.path == "/v1/availability" and leaf.pointer in named


GOOD = {
    "limit": "5", "cursor": "x", "day": "2026-11-05", "known_patient": "true",
    "grid_minutes": "15", "review": "open", "modality": "in_person", "kind": "horizon",
    "ended": "true", "state": "open", "role": "triage", "at": "2026-11-05T08:00:00-07:00",
    "self_booked": "true", "booked_since": "2026-11-05T08:00:00-07:00",
}  # fmt: skip


async def test_a36_a_list_may_name_several(desk: Desk) -> None:
    (find,) = [o for o in desk.operations if o.path == "/v1/availability"]
    request = replace(find, query=()).request(desk.ids, desk.token(find))
    names = ("clinic_id", "appointment_type_id")
    params = httpx.QueryParams({name: desk.ids[name] for name in names})
    for _ in range(2):
        params = params.add("provider_id", desk.ids["provider_id"])
    request = httpx.Request("GET", request.url.copy_with(params=params), headers=request.headers)
    (answer,) = await send_all(desk.clinic.house, [request])
    assert answer.status_code == 200, answer.text
