"""`Idempotency-Key` on every route that takes one (M34 to M46 of the list of bad inputs).

One story is played: of each route what it does is asked for once, and then again in all the ways
in which clients ask again. Then each test looks at its number. M43 and M44, where the process dies,
are in `tests/faults/test_once.py`.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import httpx
import orjson
import pytest
import pytest_asyncio

from shared.contracts.permissions import Role
from shared.db import database
from shared.db.database import Database
from shared.db.housekeeping import forget_replies
from shared.db.locks import advisory_number
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web import transactions
from tests.journeys.clinic import Clinic
from tests.journeys.conftest import Ground
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.test_who_may_what import (
    A_VISIT,
    ANOTHER,
    NOT_NOW,
    UNKEYED,
    Place,
    current,
    expected,
    is_read,
    with_a_visit,
)
from tests.journeys.walk import MULTIPART, Operation, every_operation, send_all

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPLAYED = "idempotency-replayed"
WAYS = ("M35", "M37", "M40", "M42", "M45")
"""What is asked of every route while its story is played."""


@dataclass(slots=True)
class Asked:
    """One route, the request that was answered with success, and that answer."""

    operation: Operation
    request: httpx.Request
    answer: httpx.Response

    def again(self, **headers: str) -> httpx.Request:
        """The same request, with other headers."""
        return self.saying(self.request.content, **headers)

    def saying(self, content: bytes, **headers: str) -> httpx.Request:
        """The request with another body."""
        method, url, merged = self.request.method, self.request.url, self.request.headers.copy()
        merged.pop("content-length", None)
        merged.update(headers)
        return httpx.Request(method, url, headers=merged, content=content)

    def is_same(self, answer: httpx.Response) -> bool:
        """Whether it is the first answer once more, word for word."""
        first = (self.answer.status_code, self.answer.content, self.answer.headers.get("etag"))
        told = (answer.status_code, answer.content, answer.headers.get("etag"))
        return first == told and answer.headers.get(REPLAYED) == "true"


@dataclass(slots=True)
class Story:
    """What was asked of each route, and what went wrong, by number."""

    place: Place
    asked: list[Asked] = field(default_factory=list)
    tried: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))
    wrong: dict[str, list[str]] = field(default_factory=lambda: {way: [] for way in WAYS})

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request."""
        return (await send_all(self.place.house, [request]))[0]

    def note(self, number: str, asked: Asked, answer: httpx.Response, good: bool) -> None:
        """Count a way of asking again, and keep what was answered wrongly."""
        self.tried[number] += 1
        if not good:
            self.wrong[number].append(
                f"{asked.operation}: {answer.status_code} {dict(answer.headers)} {answer.text[:90]}"
            )


def turned_round(value: Any) -> Any:
    """The same JSON with the members of every object in the other order."""
    if isinstance(value, dict):
        return {name: turned_round(value[name]) for name in reversed(value)}
    return [turned_round(item) for item in value] if isinstance(value, list) else value


def others(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Bodies that differ in one member; not all of them can be read."""
    for name, value in body.items():
        if isinstance(value, bool):
            yield body | {name: not value}
        elif isinstance(value, int):
            yield body | {name: value + 1}
        elif isinstance(value, str):
            yield body | {name: str(new_id())}
            yield body | {name: value + "x"}
        yield {kept: body[kept] for kept in body if kept != name}
        if isinstance(value, dict):
            yield from (body | {name: other} for other in others(value))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from (body | {name: [other, *value[1:]]} for other in others(value[0]))


def keyed(operations: list[Operation]) -> list[Operation]:
    """The routes that take a key; a drawer is closed when nobody needs it any more."""
    found = [o for o in operations if o.method == "POST" and not is_read(o)]
    found = [o for o in found if o.path not in UNKEYED]
    return sorted(found, key=lambda o: "drawer_id" in o.path)


def somebody(place: Place, operation: Operation) -> str:
    """The token of one of the staff who may."""
    role = next(r for r in operation.roles if r not in (Role.PORTAL, Role.EHR_CLIENT))
    return place.house.office.issuer.token(place.ours.network_id, role, sub="somebody")


async def ask(story: Story, operation: Operation) -> None:
    """Play one route: M45 first, whose key is then used, and all the others after it."""
    place = story.place
    fresh = operation.path.startswith(A_VISIT) and not operation.path.endswith("check-out")
    ids = await with_a_visit(place) if fresh else place.ids
    body = {**(operation.example or {}), **ANOTHER.get(operation.path, {})}
    request = replace(operation, example=body).request(ids, somebody(place, operation))
    request.headers["If-Match"] = await current(place, operation, ids)
    await request.aread()
    asked = Asked(operation, request, httpx.Response(0))
    given = orjson.loads(request.content) if operation.media not in (None, MULTIPART) else None
    if given is not None:
        refused = await story.send(asked.saying(orjson.dumps(given | {"no_such_member": 1})))
        story.note("M45", asked, refused, refused.status_code == 422)
    asked.answer = await story.send(request)
    if given is not None:
        done = asked.answer.is_success or str(operation) in NOT_NOW
        story.note("M45", asked, asked.answer, done)
    if not asked.answer.is_success:
        return
    story.asked.append(asked)
    answer = await story.send(asked.again())
    story.note("M35", asked, answer, asked.is_same(answer))
    if given is not None:
        answer = await story.send(asked.saying(json.dumps(turned_round(given), indent=1).encode()))
        story.note("M42", asked, answer, asked.is_same(answer))
    other = await another_request(story, asked, given)
    if other is not None:
        refusal = other.status_code, other.json().get("code")
        story.note("M37", asked, other, refusal == (422, "idempotency.other_request"))
    token = place.house.office.issuer.token(
        place.ours.network_id, *operation.roles, sub="somebody-else"
    )
    answer = await story.send(asked.again(Authorization=f"Bearer {token}"))
    story.note("M40", asked, answer, REPLAYED not in answer.headers)


async def another_request(
    story: Story, asked: Asked, given: dict[str, Any] | None
) -> httpx.Response | None:
    """What is answered to something else under the same key; None where there is nothing else."""
    if given is not None:
        for other in others(given):
            answer = await story.send(asked.saying(orjson.dumps(other)))
            if answer.json().get("code") != "request.invalid":
                return answer
    if asked.operation.media == MULTIPART:
        ids = story.place.ids | {"patient_id": story.place.other_patient}
        request = asked.operation.request(ids, somebody(story.place, asked.operation))
        request.headers["Idempotency-Key"] = asked.request.headers["Idempotency-Key"]
        return await story.send(request)
    if asked.answer.headers.get("etag"):
        return await story.send(asked.again(**{"If-Match": '"4711"'}))
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(house: House) -> AsyncIterator[Story]:
    """The routes, each asked in its turn."""
    ours, theirs = await Clinic(house).open(), await Clinic(house).open()
    ids = await played(ours)
    other = await ours.register("Okonkwo", "Ife")
    await house.settled(ours.network_id)
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        place = Place(house, ours, theirs, ids, other, every_operation(house), expected())
        found = Story(place)
        for operation in keyed(place.operations):
            await ask(found, operation)
        yield found


async def test_every_route_that_takes_a_key_was_asked(story: Story) -> None:
    left = {str(o) for o in keyed(story.place.operations)} - {str(a.operation) for a in story.asked}
    assert left == set(NOT_NOW.split("\n")) - {""}
    assert {asked.operation.service for asked in story.asked} == set(SERVICES)
    least = {"M35": 25, "M37": 25, "M40": 25, "M42": 20, "M45": 40}
    assert {way: story.tried[way] >= least[way] for way in WAYS} == dict.fromkeys(WAYS, True)


async def with_keys(place: Place, operation: Operation, keys: list[str]) -> httpx.Request:
    """The request of a route with these keys and no others, whatever is in them."""
    request = operation.request(place.ids, somebody(place, operation))
    content = await request.aread()
    kept = [(k, v) for k, v in request.headers.raw if k.lower() != b"idempotency-key"]
    headers = [*kept, *((b"Idempotency-Key", key.encode("utf-8")) for key in keys)]
    return httpx.Request(request.method, request.url, headers=headers, content=content)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        pytest.param(None, "idempotency.missing", id="M34"),
        pytest.param("x" * 256, "idempotency.malformed", id="M38"),
        pytest.param("a\x01b", "idempotency.malformed", id="M39"),
        pytest.param("a\tb", "idempotency.malformed", id="M39-tab"),
        pytest.param("a\x7fb", "idempotency.malformed", id="M39-delete"),
        pytest.param("\u00e9", "idempotency.malformed", id="M39-letter"),
        pytest.param("", "idempotency.malformed", id="M34-empty"),
    ],
)
async def test_a_key_that_cannot_be_one_is_refused(
    story: Story, key: str | None, code: str
) -> None:
    requests = []
    for operation in keyed(story.place.operations):
        keys = [] if key is None else [key]
        requests.append(await with_keys(story.place, operation, keys))
    answers = await send_all(story.place.house, requests)
    assert len(answers) > 25
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(400, code)}


async def test_m34_two_keys_are_none(story: Story) -> None:
    requests = [
        await with_keys(story.place, operation, ["one", "another"])
        for operation in keyed(story.place.operations)
    ]
    answers = await send_all(story.place.house, requests)
    told = {(a.status_code, a.json()["code"]) for a in answers}
    assert told == {(400, "idempotency.malformed")}


def by_check(story: Story, key: str) -> httpx.Request:
    """A payment that needs no drawer: the story has closed it."""
    (asked,) = [a for a in story.asked if a.operation.path == "/v1/payments"]
    given = orjson.loads(asked.request.content)
    kept = {name: given[name] for name in ("patient_id", "clinic_id", "amount_cents")}
    body = kept | {"method": "check", "check_number": "1042"}
    return asked.saying(orjson.dumps(body), **{"Idempotency-Key": key})


async def test_m38_a_key_of_255_characters_is_one(story: Story) -> None:
    assert (await story.send(by_check(story, "x" * 255))).is_success


async def test_m35_the_same_again_gets_the_same_reply(story: Story) -> None:
    assert story.wrong["M35"] == []


async def test_m37_something_else_under_the_key_is_refused(story: Story) -> None:
    assert story.wrong["M37"] == []


async def test_m40_a_key_of_somebody_else_is_another_key(story: Story) -> None:
    assert story.wrong["M40"] == []


async def test_m42_members_in_another_order_are_the_same(story: Story) -> None:
    assert story.wrong["M42"] == []


async def test_m45_a_key_that_was_refused_is_free(story: Story) -> None:
    assert story.wrong["M45"] == []


async def test_m36_while_the_first_is_at_work_the_second_is_told_so_and_then_its_reply(
    story: Story,
) -> None:
    network, eyes = story.place.ours.network_id, story.place.house.eyes
    for asked in story.asked:
        request, service = asked.request, asked.operation.service
        kind = "service" if "service" in asked.operation.roles else "person"
        lock = transactions.Key(
            f"{kind}/somebody", request.method, request.url.path,
            request.headers["Idempotency-Key"], b"",
        ).lock  # fmt: skip
        number = advisory_number(network, ("idempotency", lock))
        await eyes[service].execute("SELECT pg_advisory_lock($1)", number)
        try:
            with mock.patch.object(database, "LOCK_TIMEOUT", "50ms"):
                answer = await story.send(asked.again())
        finally:
            await eyes[service].execute("SELECT pg_advisory_unlock($1)", number)
        told = answer.status_code, answer.json()["code"], answer.headers["retry-after"]
        assert told == (409, "idempotency.in_progress", "1"), str(asked.operation)
        assert asked.is_same(await story.send(asked.again())), str(asked.operation)


async def test_m46_the_same_sum_moments_later_is_taken_and_marked(story: Story) -> None:
    first, second = [await story.send(by_check(story, str(new_id()))) for _ in range(2)]
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] != second.json()["id"]
    assert second.json()["twin_of"] == first.json()["id"]
    assert second.json()["receipt_number"] == first.json()["receipt_number"] + 1


async def test_without_the_kept_reply_a_payment_is_made_twice(story: Story) -> None:
    key = str(new_id())
    with mock.patch.object(transactions, "_store"):
        first, second = [await story.send(by_check(story, key)) for _ in range(2)]
    assert first.is_success
    assert second.is_success
    assert first.json()["id"] != second.json()["id"]


async def test_m41_a_key_is_kept_for_72_hours_and_then_is_a_new_one(
    story: Story, ground: Ground
) -> None:
    """The last one: nothing of the story is there afterwards."""
    house, network = story.place.house, story.place.ours.network_id
    for hours, is_kept in ((71, True), (73, False)):
        for service in SERVICES:
            await house.rows(
                service,
                "UPDATE idempotency SET created_at = now() - make_interval(hours => $2)"
                " WHERE network_id = $1 RETURNING 1",
                network,
                hours,
            )
            url = ground.environment[f"CLINICBUS_{service.upper()}_WORKER_URL"]
            kept = Database.connect(service, url, url)
            await forget_replies(kept)
            await kept.close()
        answers = [await story.send(asked.again()) for asked in story.asked]
        same = {a.is_same(b) for a, b in zip(story.asked, answers, strict=True)}
        assert same == {is_kept}
        assert {REPLAYED in answer.headers for answer in answers} == {is_kept}
