"""No card number comes in, by any member of any request: each is tried, none by its name.

What is refused is looked for in every table of every database afterwards, and in all that was said.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ops.day.databases import opened
from shared.db.provision import SERVICES
from shared.values.card_numbers import holds_card_number
from shared.values.ids import new_id
from shared.web import body
from shared.web.card_numbers import CODE, NUMBERS
from tests.journeys.clinic import Clinic
from tests.journeys.conftest import Ground
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.walk import MULTIPART, Operation, every_operation, send_all
from tests.leaks.fields import KEY, Leaf, every_leaf, with_value
from tests.leaks.search import Search
from tests.leaks.test_problems import END, SOURCE, file, headers, part, url

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("PCI DSS 3.3")]

CARD = "6011000990139424"
"""A number that a processor publishes for tests."""
OTHER = "6011000990139425"
"""The same, but for its check digit: no card's."""
WRITTEN = {
    "plain": CARD,
    "in groups": f"{CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}",
    "in a text": f"card {CARD[:4]}-{CARD[4:8]}-{CARD[8:12]}-{CARD[12:]}, thanks",
    "in another script": "".join(chr(0x0660 + int(digit)) for digit in CARD),
    "with what nobody sees": "\u200b".join(CARD),
}
Sent = tuple[str, Leaf | None, httpx.Request, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clinic(house: House) -> Clinic:
    """A network with a visit that was played."""
    return await Clinic(house).open()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(clinic: Clinic) -> dict[str, str]:
    """What it has."""
    return await played(clinic, "Fontaine")


def is_number(leaf: Leaf) -> bool:
    """Whether a leaf is on the list of numbers that may look like a card's."""
    return leaf.steps[-1] in NUMBERS


def filled(
    clinic: Clinic, ids: Mapping[str, str], operation: Operation, leaf: Leaf, text: str
) -> httpx.Request:
    """A request that is right but for the text in a leaf."""
    at = url(operation, ids)
    if leaf.place == "query":
        asked = {**operation._query(ids), leaf.steps[0]: text}
        return httpx.Request("GET", at, params=asked, headers=headers(clinic, operation))
    if leaf.place == "upload":
        raw = file() + part(leaf.steps[0], text.encode())
        if leaf.steps[0] != "source":
            raw += SOURCE
        given = headers(clinic, operation, "multipart/form-data; boundary=b")
        return httpx.Request(operation.method, at, content=raw + END, headers=given)
    found = with_value(operation._body(ids), leaf, text)
    given = headers(clinic, operation, operation.media)
    return httpx.Request(operation.method, at, content=json.dumps(found), headers=given)


def every_text(house: House, clinic: Clinic, ids: Mapping[str, str]) -> Iterator[Sent]:
    """Each leaf that is a text, with each way of writing the number."""
    operations = {(o.service, o.method, o.path): o for o in every_operation(house)}
    for leaf in every_leaf():
        if leaf.kind == "text":
            operation = operations[leaf.service, leaf.method, leaf.path]
            at = ("/query" if leaf.place == "query" else "") + leaf.pointer
            for label, text in WRITTEN.items():
                request = filled(clinic, ids, operation, leaf, text)
                yield f"{leaf}: {label}", leaf, request, at


def elsewhere(house: House, clinic: Clinic, ids: Mapping[str, str]) -> Iterator[Sent]:
    """What is text, and no member of a model: keys, names of files, members nobody knows."""
    for operation in every_operation(house):
        at = url(operation, ids)
        if operation.media is None:
            if operation.method == "GET":
                continue
            raw: bytes | None = None
        elif operation.media == MULTIPART:
            raw = file() + SOURCE + END
        else:
            raw = json.dumps(operation._body(ids)).encode()
        media = f"{MULTIPART}; boundary=b" if operation.media == MULTIPART else operation.media
        keyed = {**headers(clinic, operation, media), "Idempotency-Key": f"desk-{CARD}"}
        if any(r.keyed for r in routes(house, operation)):
            request = httpx.Request(operation.method, at, content=raw, headers=keyed)
            yield f"{operation}: key", None, request, "/header/Idempotency-Key"
        if operation.media == MULTIPART:
            given = headers(clinic, operation, media)
            raw = file(f"{CARD}.png") + SOURCE + END
            yield (
                f"{operation}: file name",
                None,
                httpx.Request(operation.method, at, content=raw, headers=given),
                "/file",
            )
        elif raw is not None:
            for stranger in ({CARD: 1}, {"stranger": [{"x": WRITTEN["in groups"]}]}):
                found = json.dumps({**operation._body(ids), **stranger})
                given = headers(clinic, operation, media)
                request = httpx.Request(operation.method, at, content=found, headers=given)
                yield f"{operation}: stranger", None, request, ""


def routes(house: House, operation: Operation) -> list[Any]:
    """The declared route of an operation."""
    return [
        route
        for route in house.services[operation.service].every_route
        if (route.method, route.path) == (operation.method, operation.path)
    ]


async def let_in(house: House, sent: list[Sent]) -> list[str]:
    """Which were not refused as a card number with the pointer that they should have."""
    found = []
    answers = await send_all(house, [request for _, _, request, _ in sent])
    for (label, _, _, pointer), answer in zip(sent, answers, strict=True):
        told = answer.json()
        wanted = (422, CODE, [{"pointer": pointer, "code": CODE}])
        if (answer.status_code, told.get("code"), told.get("errors")) != wanted:
            found.append(f"{label}: {answer.status_code} {told}")
    return found


async def test_every_text_refuses_a_card_number_or_is_on_the_list(
    house: House, clinic: Clinic, ids: dict[str, str], ground: Ground, capfd: Any
) -> None:
    sent = [each for each in every_text(house, clinic, ids) if not is_number(each[1])]  # type: ignore[arg-type]
    sent += elsewhere(house, clinic, ids)
    assert len(sent) > 500
    assert await let_in(house, sent) == []
    # Nothing of them is kept, and nothing was said.
    search = Search(WRITTEN.values())
    for database in (*SERVICES, "bus"):
        assert search.hits(await everything(ground, database)) == [], database
    said = capfd.readouterr()
    assert search.hits((said.out + said.err).encode()) == []


async def everything(ground: Ground, database: str) -> bytes:
    """Every row of every table, as text."""
    found = b""
    async with opened(ground.superuser_url, database) as eye:
        tables = await eye.fetch(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
        assert len(tables) > 5
        for (table,) in tables:
            rows = await eye.fetch(f"SELECT t::text, to_jsonb(t)::text FROM {table} AS t")
            found += "\n".join(text for row in rows for text in row).encode()
    return found


async def test_the_list_is_of_numbers_and_they_may_look_like_a_card(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    sent = [each for each in every_text(house, clinic, ids) if is_number(each[1])]  # type: ignore[arg-type]
    named = {leaf.steps[-1] for _, leaf, _, _ in sent if leaf}
    assert named == {
        *("member_id", "group_number", "mrn", "check_number", "sha256"),
        *("payer_id", "sender_id", "receiver_id"),
    }
    answers = await send_all(house, [request for _, _, request, _ in sent])
    assert all(answer.json().get("code") != CODE for answer in answers)


async def test_no_model_lets_a_caller_name_a_text_as_a_number() -> None:
    """A map's names are the caller's own; a model with both would let a card in under one."""
    for leaf in every_leaf():
        if KEY in leaf.steps:
            ours = (leaf.service, leaf.method, leaf.path)
            others = [o for o in every_leaf() if (o.service, o.method, o.path) == ours]
            assert not any(is_number(other) for other in others), leaf


async def test_what_differs_from_a_card_number_in_its_check_digit_comes_in(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    assert not holds_card_number(OTHER)
    note = {"kind": "emergency", "relationship": "spouse", "name": {"given": f"Rafael {OTHER}"}}
    path = f"/v1/patients/{ids['patient_id']}/contacts"
    await clinic.does("dana", "patients", path, note, key=f"desk-{OTHER}")


async def test_without_the_look_the_walk_would_find_it(
    house: House,
    clinic: Clinic,
    ids: dict[str, str],
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The walk is not blind, and neither is the look into the tables."""
    monkeypatch.setattr(body, "require_no_card_number", lambda *_: None)
    path = f"/v1/patients/{ids['patient_id']}/contacts"
    text = WRITTEN["in groups"]
    body_ = {"kind": "emergency", "relationship": "spouse", "name": {"given": text}}
    await clinic.does("dana", "patients", path, body_, key=str(new_id()))
    found = Search({text}).hits(await everything(ground, "patients"))
    assert found
