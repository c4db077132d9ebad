"""No answer repeats what was sent: every route, every member, every way of getting it wrong.

The value that is sent stands in place of a name; it must be in no body and no header of a refusal,
however written.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from starlette.requests import Request

from shared.values.errors import InvalidFields
from shared.values.ids import new_id
from shared.web import pointers
from tests.journeys.clinic import Clinic
from tests.journeys.house import URLS, House
from tests.journeys.played import PICTURE, played
from tests.journeys.walk import MULTIPART, Operation, every_operation, send_all
from tests.leaks.fields import Leaf, every_leaf, with_value
from tests.leaks.search import Search

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.502(a)")]

CANARY = "Zqbcdf Ö'Ferrán"
PLAIN = "Zqghjk-0123456789"
"""For what takes no other letters."""
SEARCH = Search({CANARY, PLAIN})
HUGE = 10**30
Sent = tuple[str, httpx.Request]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clinic(house: House) -> Clinic:
    """A network with a visit that was played."""
    return await Clinic(house).open()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(clinic: Clinic) -> dict[str, str]:
    """What it has."""
    return await played(clinic, "Fontaine")


def headers(clinic: Clinic, operation: Operation, media: str | None = None) -> dict[str, str]:
    """Headers that are right."""
    token = clinic.house.office.issuer.token(clinic.network_id, *operation.roles)
    found = {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": str(new_id()),
        "If-Match": '"1"',
    }
    return {**found, "Content-Type": media} if media else found


def url(operation: Operation, ids: Mapping[str, str]) -> str:
    """Where an operation is."""
    return URLS[operation.service] + operation.path.format(**ids)


def echoes(label: str, answer: httpx.Response) -> list[str]:
    """What an answer that is no success repeats."""
    if answer.is_success:
        return []
    told = answer.content + b"\n" + b"\n".join(b": ".join(pair) for pair in answer.headers.raw)
    return [
        f"{label} -> {answer.status_code}: {hit.form} in {told[max(0, hit.at - 40) :][:80]!r}"
        for hit in SEARCH.hits(told)
    ]


async def refused(house: House, sent: list[Sent], at_least: int) -> list[str]:
    """The echoes of many; most of them have to be refused, or they would show nothing."""
    answers = await send_all(house, [request for _, request in sent])
    found, count = [], 0
    for (label, _), answer in zip(sent, answers, strict=True):
        assert answer.status_code != 500, (label, answer.text)
        count += not answer.is_success
        found += echoes(label, answer)
    assert count >= at_least, count
    return found


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────

RAW = {
    "not JSON": CANARY.encode(),
    "half of it": b'{"a": "' + CANARY.encode(),
    "a key twice": json.dumps({CANARY: 1})[:-1].encode()
    + b","
    + json.dumps({CANARY: 2})[1:].encode(),
    "NUL": json.dumps({CANARY: "\x00"}).encode(),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps({CANARY: CANARY}).encode(),
    "no UTF-8": b'{"' + CANARY.encode("latin-1") + b'": "\xff"}',
    "half a pair": b'{"' + PLAIN.encode() + b'": "\\ud800"}',
    "a text": json.dumps(CANARY).encode(),
    "a list": json.dumps([CANARY]).encode(),
    "an unknown member": json.dumps({CANARY: CANARY}).encode(),
    "a member like a pointer": json.dumps({f"/{PLAIN}/~1": PLAIN}).encode(),
    "not finite": b'{"' + PLAIN.encode() + b'": NaN}',
    "out of range": b'{"' + PLAIN.encode() + b'": 1e999}',
    "deep": (f'{{"{PLAIN}":' * 40).encode() + b"1" + b"}" * 40,
    "many digits": b'{"' + PLAIN.encode() + b'": ' + b"9" * 5000 + b"}",
    "large": json.dumps({CANARY: CANARY * 80_000}).encode(),
}


def bodies(clinic: Clinic, ids: Mapping[str, str], operation: Operation) -> Iterator[Sent]:
    """Bodies that are wrong as a whole."""
    if operation.media is None or operation.media == MULTIPART:
        return
    at = url(operation, ids)
    for label, raw in RAW.items():
        given = headers(clinic, operation, operation.media)
        yield (
            f"{operation}: {label}",
            httpx.Request(operation.method, at, content=raw, headers=given),
        )
    # A member that nobody knows in a body that is right otherwise.
    example = json.dumps({**operation._body(ids), CANARY: CANARY}).encode()
    given = headers(clinic, operation, operation.media)
    yield (
        f"{operation}: one member more",
        httpx.Request(operation.method, at, content=example, headers=given),
    )
    for media in (f"{PLAIN}/x", f"application/json; charset={PLAIN}", f"text/{PLAIN}"):
        given = headers(clinic, operation, media)
        yield (
            f"{operation}: {media}",
            httpx.Request(operation.method, at, content=RAW["not JSON"], headers=given),
        )


async def test_a_body_that_is_wrong_as_a_whole_is_not_repeated(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    sent = [each for o in every_operation(house) for each in bodies(clinic, ids, o)]
    assert len(sent) > 600
    assert await refused(house, sent, len(sent)) == []


def wrong(leaf: Leaf) -> list[Any]:
    """What a member may not be."""
    texts = [CANARY, PLAIN, CANARY * 400, f"{CANARY}\u202e", f"\x07{CANARY}", f"<{CANARY}>"]
    others: list[Any] = [{CANARY: CANARY}, [CANARY], [[PLAIN]], {"": PLAIN}]
    return [*texts, *others] if leaf.kind != "number" else [*texts, *others, HUGE, -HUGE, 1.5]


async def test_a_member_that_is_wrong_is_not_repeated(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    operations = {(o.service, o.method, o.path): o for o in every_operation(house)}
    sent: list[Sent] = []
    for leaf in every_leaf():
        operation = operations[leaf.service, leaf.method, leaf.path]
        if leaf.place != "body":
            continue
        for value in wrong(leaf):
            if leaf.steps[-1] == "{key}" and not isinstance(value, str):
                continue
            body = with_value(operation._body(ids), leaf, value)
            request = httpx.Request(
                operation.method,
                url(operation, ids),
                content=orjson.dumps(body, option=0)
                if value not in (HUGE, -HUGE)
                else json.dumps(body).encode(),
                headers=headers(clinic, operation, operation.media),
            )
            sent.append((f"{leaf}={str(value)[:20]!r}", request))
    assert len(sent) > 1500
    assert await refused(house, sent, 1200) == []


# ── uploads ──────────────────────────────────────────────────────────────────────────────────────


def part(name: str, data: bytes, *, filename: str | None = None, media: str = "") -> bytes:
    """One part of a multipart body."""
    named = "" if filename is None else f'; filename="{filename}"'
    kind = f"\r\nContent-Type: {media}" if media else ""
    head = f'Content-Disposition: form-data; name="{name}"{named}{kind}'
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"


def file(
    filename: str = "card.png",
    *,
    name: str = "file",
    media: str = "image/png",
    data: bytes = PICTURE,
) -> bytes:
    """The part with the file."""
    return part(name, data, filename=filename, media=media)


SOURCE, END = part("source", b"scan"), b"--b--"
UPLOADS = {
    "an unknown field": file() + part(CANARY, CANARY.encode()) + END,
    "a wrong field": file() + part("source", CANARY.encode()) + END,
    "a wrong id": file() + SOURCE + part("patient_id", CANARY.encode()) + END,
    "a wrong checksum": file() + SOURCE + part("sha256", PLAIN.encode()) + END,
    "a field twice": file() + part(PLAIN, b"x") * 2 + END,
    "NUL in a field": file() + part(PLAIN, b"\0" + PLAIN.encode()) + END,
    "a file of another name": file(CANARY, name=PLAIN) + SOURCE + END,
    "two files": file() + file(CANARY) + SOURCE + END,
    "a name with a mark": file(f"{CANARY}\u202e.png") + SOURCE + END,
    "a name that ends otherwise": file(f"{CANARY}.exe") + SOURCE + END,
    "an odd type": file(f"{PLAIN}.png", media=f"{PLAIN}/{PLAIN}") + SOURCE + END,
    "odd content": file(data=CANARY.encode()) + SOURCE + END,
    "an odd header": b"--b\r\n" + f"{PLAIN}: {PLAIN}".encode() + b"\r\n\r\nx\r\n" + END,
    "broken off": file()[:60] + PLAIN.encode(),
    "no parts": CANARY.encode(),
}


async def test_an_upload_that_is_wrong_is_not_repeated(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    sent: list[Sent] = []
    for operation in every_operation(house):
        if operation.media != MULTIPART:
            continue
        for label, raw in UPLOADS.items():
            given = headers(clinic, operation, "multipart/form-data; boundary=b")
            at = url(operation, ids)
            sent.append((label, httpx.Request("POST", at, content=raw, headers=given)))
        for media in (f"multipart/form-data; boundary={PLAIN}", f"multipart/{PLAIN}"):
            given = headers(clinic, operation, media)
            sent.append((media, httpx.Request("POST", at, content=END, headers=given)))
    assert len(sent) >= 16
    assert await refused(house, sent, len(sent)) == []


# ── paths, queries, headers ──────────────────────────────────────────────────────────────────────


def addresses(clinic: Clinic, ids: Mapping[str, str], operation: Operation) -> Iterator[Sent]:
    """Paths and queries that are wrong."""
    right = url(operation, ids)
    asked = httpx.Request(operation.method, right, params=operation._query(ids)).url
    paths = {name: {**ids, name: value} for name in ids for value in (PLAIN, "%2f" + PLAIN)}
    for name, wrongly in paths.items():
        if f"{{{name}}}" in operation.path:
            yield f"{operation}: path {name}", _bare(clinic, operation, url(operation, wrongly))
    yield f"{operation}: a slash more", _bare(clinic, operation, f"{right}/?q={PLAIN}")
    yield f"{operation}: a step more", _bare(clinic, operation, f"{right}/{PLAIN}?q={PLAIN}")
    if operation.method == "GET" and operation.query:
        for name in (*operation.query, CANARY, f"{PLAIN}[]"):
            for value in (CANARY, PLAIN, CANARY * 60, str(HUGE)):
                at = asked.copy_set_param(name, value)
                yield f"{operation}: query {name}", _bare(clinic, operation, str(at))


def _bare(clinic: Clinic, operation: Operation, at: str) -> httpx.Request:
    return httpx.Request(operation.method, at, headers=headers(clinic, operation, operation.media))


async def test_an_address_that_is_wrong_is_not_repeated(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    sent = [each for o in every_operation(house) for each in addresses(clinic, ids, o)]
    for service, at in URLS.items():
        for path in (
            f"/{PLAIN}",
            f"/v1/{PLAIN}",
            f"/docs/{PLAIN}",
            f"//{PLAIN}",
            f"/v1/../{PLAIN}",
        ):
            sent.append((f"{service}: {path}", httpx.Request("GET", f"{at}{path}?{PLAIN}={PLAIN}")))
            sent.append((f"{service}: {path}/", httpx.Request("GET", f"{at}{path}/?q={PLAIN}")))
    assert len(sent) > 250
    assert await refused(house, sent, 200) == []


HEADERS = {
    "Authorization": (f"Bearer {PLAIN}", PLAIN, f"{PLAIN} x", f"Basic {PLAIN}", ""),
    "Idempotency-Key": (f"{PLAIN} x", PLAIN * 30, "", f"{PLAIN}\t"),
    "If-Match": (PLAIN, f'"{PLAIN}"', f'W/"{PLAIN}"', "*"),
    "traceparent": (PLAIN, f"00-{PLAIN}-01"),
    "tracestate": (f"a={PLAIN}",),
    "X-Request-Id": (PLAIN,),
    "X-Correlation-Id": (PLAIN,),
    "Accept": (f"{PLAIN}/x",),
    "Accept-Language": (PLAIN,),
    "Host": (f"{PLAIN}.test",),
    "X-Forwarded-Host": (PLAIN,),
    "Forwarded": (f"host={PLAIN}",),
    "Origin": (f"http://{PLAIN}.test",),
    "Referer": (f"http://{PLAIN}.test",),
    "Cookie": (f"a={PLAIN}",),
    "User-Agent": (PLAIN,),
    "Content-Encoding": (PLAIN,),
    "Range": (f"{PLAIN}=0-1",),
    "X-HTTP-Method-Override": (PLAIN,),
    "Expect": (PLAIN,),
}


async def test_a_header_that_is_wrong_is_not_repeated(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    sent: list[Sent] = []
    for operation in every_operation(house):
        at = url(operation, {**ids, "patient_id": str(new_id())})
        for name, values in HEADERS.items():
            for value in values:
                given = {**headers(clinic, operation, operation.media), name: value}
                request = httpx.Request(operation.method, at, headers=given, content=b"")
                sent.append((f"{operation}: {name}={value[:20]}", request))
    assert len(sent) > 1000
    assert await refused(house, sent, 800) == []


async def test_other_methods_and_questions_of_browsers_are_not_repeated(
    house: House, clinic: Clinic, ids: dict[str, str]
) -> None:
    sent: list[Sent] = []
    for operation in every_operation(house):
        at = f"{url(operation, ids)}?q={PLAIN}"
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "TRACE", PLAIN} - {
            operation.method
        }:
            given = headers(clinic, operation)
            sent.append((f"{method} {at}", httpx.Request(method, at, headers=given)))
        for origin in ("http://localhost:5173", f"http://{PLAIN}.test"):
            asks = {
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": f"{PLAIN}, authorization",
            }
            sent.append((f"OPTIONS {origin}", httpx.Request("OPTIONS", at, headers=asks)))
    assert await refused(house, sent, 400) == []


# ── no guard is idle ─────────────────────────────────────────────────────────────────────────────


async def test_with_the_names_of_unknown_members_the_walk_would_fail(
    house: House, clinic: Clinic, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "shown", lambda location, _known: list(location))
    (operation,) = [o for o in every_operation(house) if o.path == "/v1/rooms"]
    sent = [each for each in bodies(clinic, ids, operation) if "unknown member" in each[0]]
    assert await refused(house, sent, 1) != []


async def test_a_message_of_an_error_in_an_answer_would_be_found(
    house: House, clinic: Clinic, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tells(request: Request) -> bytes:
        raise InvalidFields([("/a", (await request.body()).decode())])

    monkeypatch.setattr("shared.web.adapter.read_bytes", tells)
    (operation,) = [o for o in every_operation(house) if o.path == "/v1/rooms"]
    sent = [each for each in bodies(clinic, ids, operation) if each[0].endswith("a text")]
    assert await refused(house, sent, 1) != []
