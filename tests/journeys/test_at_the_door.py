"""List A of the bad inputs, A32 to A51, on real sockets, in front of every service.

The scopes (A25 to A31) are in `shared/web/tests/test_scopes.py` and `test_who_may_what.py`, logins
(A49) in `ops/tests/test_issuer.py`, a client that goes away while its request commits (A51) in
`tests/faults/test_once.py`. Nobody can break the glass yet: A50 comes with it.
"""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable
from unittest import mock

import orjson
import pytest
import pytest_asyncio

from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web import protocol
from tests.journeys.doors import Door, Said, door_of, heard
from tests.journeys.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

WRITES = {
    "appointments": ("/v1/rooms", {"clinic_id": str(new_id()), "name": "Room 1"}),
    "patients": ("/v1/patients", {"name": {"family": "Door"}, "birth_date": "1984-02-29"}),
    "eligibility": ("/v1/checks", {"coverage_id": str(new_id())}),
    "payments": ("/v1/drawers", {"clinic_id": str(new_id()), "name": "A", "float_cents": 0}),
    "documents": (f"/v1/documents/{new_id()}/enter-in-error", {"reason": "Another's paper"}),
}
"""A write of each service, and what it is asked with."""
READ = "/v1/traces/0190a1b2-0000-7000-8000-000000000001"
"""A read that each service has."""
EVERY = ["admin", "front_desk", "biller", "provider", "ops"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(house: House) -> AsyncIterator[Door]:
    async with door_of(house) as found:
        yield found


@pytest.fixture(scope="module")
def token(house: House) -> str:
    return house.office.issuer.token(new_id(), *EVERY)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def bearing(token: str, *more: str) -> list[str]:
    """The headers of who may."""
    return [
        f"Authorization: Bearer {token}",
        f"Idempotency-Key: {new_id()}",
        'If-Match: "1"',
        *more,
    ]


async def write(
    door: Door, service: str, token: str, body: bytes, *more: str, kind: str = "application/json"
) -> Said:
    """A write of a service with this body."""
    headers = bearing(token, f"Content-Type: {kind}", *more)
    return await door.request(service, f"POST {WRITES[service][0]}", *headers, body=body)


async def test_a_request_as_it_should_be_is_served(door: Door, service: str, token: str) -> None:
    read = await door.request(service, f"GET {READ}", *bearing(token))
    assert read.status == 200
    written = await write(door, service, token, orjson.dumps(WRITES[service][1]))
    assert written.status in (201, 404)


@pytest.mark.parametrize(
    "host",
    [
        *("a/b", "a?b", "a#b", "appointments.test/v1", "x@y", "a b", "a\\b", "a<b>", '"a"', "[::1"),
        *("a:b", "a:123456", "", "\u00e9.test"),
    ],
)
async def test_a32_a_host_that_is_none_is_refused(door: Door, token: str, host: str) -> None:
    head = f"GET {READ} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    said = await door.send(head.encode("latin-1"))
    assert (said.status, said.code) == (400, "request.host")


async def test_a32_no_host_and_two_hosts_are_refused(door: Door) -> None:
    for hosts in ("", "Host: a.test\r\nHost: b.test\r\n"):
        said = await door.send(f"GET /livez HTTP/1.1\r\n{hosts}\r\n".encode())
        assert (said.status, said.code) == (400, "request.host")


@pytest.mark.parametrize("host", ["x.test", "x.test:8101", "127.0.0.1:80", "[::1]:8101", "x_y"])
async def test_a32_a_host_that_is_one_is_served(door: Door, host: str) -> None:
    assert (await door.request("", "GET /livez", host=host)).status == 200


FORGED = [
    *("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7"),
    *("X-Forwarded-Host: evil.test", "X-Original-URL: /v1/clinics", "X-Rewrite-URL: /docs"),
]


async def test_a33_forwarded_headers_of_anybody_are_not_believed(
    door: Door, service: str, token: str
) -> None:
    said = await door.request(service, f"GET {READ}", *bearing(token, *FORGED))
    assert said.status == 200
    scope = door.seen[-1]
    assert (scope["client"][0], scope["scheme"], scope["path"]) == ("127.0.0.1", "http", READ)
    assert "evil" not in str(said)


async def test_a33_those_of_a_proxy_that_is_named_are(house: House, token: str) -> None:
    async with door_of(house, trusted_proxies="127.0.0.1") as behind:
        await behind.request("payments", f"GET {READ}", *bearing(token, *FORGED))
        assert behind.seen[-1]["client"][0] == "203.0.113.7"


async def test_a34_a_method_cannot_be_overridden(door: Door, service: str, token: str) -> None:
    path, body = WRITES[service]
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        own = bearing(token, f"{name}: POST", "Content-Type: application/json")
        said = await door.request(service, f"GET {path}", *own, body=orjson.dumps(body))
        assert said.status in (200, 404, 405), name
        said = await door.request(service, f"POST {READ}", *bearing(token, f"{name}: GET"))
        assert said.status == 405, name


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "DELETE", "PROPFIND", "PATCH"])
async def test_a35_a_method_that_no_route_has_is_refused(
    door: Door, service: str, token: str, method: str
) -> None:
    for path in (READ, WRITES[service][0]):
        said = await door.request(service, f"{method} {path}", *bearing(token, "X-Own: secret-7"))
        assert said.status == 405, path
        assert said.headers["allow"]
        assert b"secret-7" not in said.body


@pytest.mark.parametrize("method", ["CONNECT", "TRACK", "GET /x", "get", "G\x00T"])
async def test_a35_a_method_that_is_none_is_refused(door: Door, method: str) -> None:
    said = await door.send(f"{method} {READ} HTTP/1.1\r\nHost: payments.test\r\n\r\n".encode())
    assert said.status in (400, 405)


async def test_a36_duplicate_parameters_are_refused(door: Door, token: str) -> None:
    line = f"GET /v1/fees?clinic_id={new_id()}&limit=1&limit=200"
    said = await door.request("payments", line, *bearing(token))
    assert (said.status, said.code) == (400, "query.duplicate")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param(lambda b: b[:-1] + b"," + b[1:], 400, "body.duplicate_key", id="A37"),
        pytest.param(lambda b: b[:-1] + b',"role":"admin"}', 422, "request.invalid", id="A38"),
        pytest.param(lambda b: b"[" * 100_000 + b"]" * 100_000, 400, "body.too_deep", id="A42"),
        pytest.param(
            lambda b: b[:-1] + b',"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
            400, "body.too_deep", id="A42-objects",
        ),
        pytest.param(
            lambda b: b[:-1] + b',"x":' + b"9" * 5_000 + b"}", 400, "body.not_json", id="A43"
        ),
        pytest.param(
            lambda b: b[:-1] + b',"x":1e' + b"9" * 5_000 + b"}",
            400, "number.not_finite", id="A43-exponent",
        ),
        pytest.param(lambda b: b" " * 10_000_000 + b, 413, "body.too_large", id="A41"),
        pytest.param(lambda b: b[:-1], 400, "body.not_json", id="cut"),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_is_refused(
    door: Door, service: str, token: str, change: Callable[[bytes], bytes], status: int, code: str
) -> None:
    body = change(orjson.dumps(WRITES[service][1]))
    started = time.monotonic()
    said = await write(door, service, token, body)
    assert (said.status, said.code) == (status, code)
    assert time.monotonic() - started < 2


async def test_a41_ten_megabytes_that_tell_no_length_are_refused(
    door: Door, service: str, token: str
) -> None:
    lines = [f"POST {WRITES[service][0]} HTTP/1.1", f"Host: {service}.test"]
    lines += bearing(token, "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunk = b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n"
    head = "\r\n".join([*lines, "", ""]).encode()
    said = await door.send(head, *[chunk] * 100, b"0\r\n\r\n")
    assert (said.status, said.code) == (413, "body.too_large")


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", ""),
        *("application/json2", "multipart/form-data; boundary=x", "application/ld+json"),
    ],
)
async def test_a39_another_content_type_is_refused(
    door: Door, service: str, token: str, kind: str
) -> None:
    said = await write(door, service, token, orjson.dumps(WRITES[service][1]), kind=kind)
    assert (said.status, said.code) == (415, "body.media_type")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "x", "identity, gzip"])
async def test_a40_a_packed_body_is_refused_and_never_unpacked(
    door: Door, service: str, token: str, coding: str
) -> None:
    """The list says 413. It is 415 here: no size is reached, for nothing is unpacked."""
    bomb = gzip.compress(b" " * 100_000_000)
    started = time.monotonic()
    said = await write(door, service, token, bomb, f"Content-Encoding: {coding}")
    assert (said.status, said.code) == (415, "body.content_encoding")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/..%2fdocs", "/docs/..%2f..%2fetc%2fpasswd", "/docs/../livez", "/v1/%2e%2e/livez"),
        *(
            "//livez",
            "/v1//clinics",
            "/v1/clinics/..;/x",
            "/docs/%252e%252e%252f",
            "/v1/traces/..%5c",
        ),
    ],
)
async def test_a44_a_path_is_taken_as_it_is_written(
    door: Door, service: str, token: str, path: str
) -> None:
    said = await door.request(service, f"GET {path}", *bearing(token))
    assert said.status in (404, 422)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("X-Long: " + "a" * 65_536, id="A45"),
        pytest.param("Authorization: Bearer " + "a" * 65_536, id="A45-token"),
        pytest.param("\r\n".join(f"X-{n}: {n}" for n in range(9_000)), id="A45-many"),
        pytest.param("X" * 65_536 + ": a", id="A45-name"),
    ],
)
async def test_a45_a_head_of_64_kb_is_refused(door: Door, service: str, header: str) -> None:
    said = await door.request(service, f"GET {READ}", header)
    assert (said.status, said.code) == (431, "request.head_too_large")


async def test_a45_a_head_without_an_end_is_refused(door: Door) -> None:
    for piece in (b"a" * 4_096, b"\r\nX-A: b" * 600):
        said = await door.send(b"GET /livez HTTP/1.1\r\nHost: a\r\nX: ", *[piece] * 20)
        assert (said.status, said.code) == (431, "request.head_too_large")
    said = await door.request("", "GET /livez?" + "a" * 65_536)
    assert (said.status, said.code) == (431, "request.head_too_large")


async def test_a45_a_token_over_8_kb_is_none_and_a_large_head_is_served(
    door: Door, service: str, token: str
) -> None:
    said = await door.request(service, f"GET {READ}", "Authorization: Bearer " + "a" * 9_000)
    assert (said.status, said.code) == (401, "token.refused")
    said = await door.request(service, f"GET {READ}", *bearing(token, "X-Long: " + "a" * 60_000))
    assert said.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param("Content-Length: 4\r\nTransfer-Encoding: chunked", id="A46"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 4", id="A46-other-order"),
        pytest.param("Content-Length: 4\r\nContent-Length: 5", id="A46-two-lengths"),
        pytest.param("Transfer-Encoding: chunked, gzip", id="A46-gzip-last"),
        pytest.param("Transfer-Encoding : chunked", id="A46-blank"),
        pytest.param("Content-Length: +4", id="A46-plus"),
        pytest.param("Content-Length: 4, 4", id="A46-list"),
        pytest.param("X: a\nTransfer-Encoding: chunked", id="A46-bare-line-feed"),
        pytest.param("X: a\r\n folded: b", id="A46-folded"),
        pytest.param("X\x00: a", id="P1-name"),
        pytest.param("X: a\x00b", id="P1-value"),
    ],
)
async def test_a46_a_request_that_two_readers_would_read_differently_is_refused(
    door: Door, headers: str
) -> None:
    head = f"POST {READ} HTTP/1.1\r\nHost: payments.test\r\n{headers}\r\n\r\n"
    said = await door.send(head.encode() + b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (said.status, said.code) == (400, "request.malformed")


async def slow(door: Door, first: bytes) -> tuple[Said, float]:
    """What somebody is told in the end who sends a beginning and no more, and after how long."""
    reader, writer = await door.connected()
    started = time.monotonic()
    writer.write(first)
    said = await heard(reader)
    took = time.monotonic() - started
    writer.close()
    return said, took


async def test_a47_a_head_that_does_not_come_to_its_end_times_out(door: Door) -> None:
    with mock.patch.object(protocol, "HEAD_SECONDS", 0.3):
        said, took = await slow(door, b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert (said.status, said.code) == (408, "request.too_slow")
        silent, _ = await slow(door, b"")
        assert silent.status == 0
    assert 0.2 < took < 5


async def test_a47_a_body_that_does_not_come_to_its_end_times_out(
    door: Door, service: str, token: str
) -> None:
    lines = [f"POST {WRITES[service][0]} HTTP/1.1", f"Host: {service}.test"]
    lines += bearing(token, "Content-Type: application/json", "Content-Length: 1000", "", "")
    with mock.patch.object(protocol, "BODY_SECONDS", 0.3):
        said, took = await slow(door, "\r\n".join(lines).encode() + b'{"name": ')
    assert (said.status, said.code) == (408, "request.too_slow")
    assert 0.2 < took < 5


async def test_a47_a_byte_now_and_then_does_not_keep_a_request_alive(door: Door) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        for letter in b"GET /livez HTTP/1.1\r\nX: " + b"a" * 1_000:
            writer.write(bytes([letter]))
            await asyncio.sleep(0.02)

    with mock.patch.object(protocol, "HEAD_SECONDS", 0.5):
        reader, writer = await door.connected()
        dripping = asyncio.create_task(drip(writer))
        said = await heard(reader)
    dripping.cancel()
    writer.close()
    assert (said.status, said.code) == (408, "request.too_slow")


async def test_a47_a_body_that_comes_on_steadily_may_take_its_time(door: Door, token: str) -> None:
    body = orjson.dumps({"clinic_id": str(new_id()), "name": "A" * 180, "position": 1})
    lines = ["POST /v1/rooms HTTP/1.1", "Host: appointments.test"]
    lines += bearing(token, "Content-Type: application/json", f"Content-Length: {len(body)}")
    reader, writer = await door.connected()
    with (
        mock.patch.object(protocol, "BODY_SECONDS", 0.2),
        mock.patch.object(protocol, "BODY_BYTES_A_SECOND", 100),
    ):
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for at in range(0, len(body), 20):
            writer.write(body[at : at + 20])
            await asyncio.sleep(0.05)
        said = await heard(reader)
    writer.close()
    assert said.status == 404  # of the clinic: it was read to its end


async def test_a47_many_slow_clients_do_not_stop_others(
    door: Door, service: str, token: str
) -> None:
    slow_ones = [await door.connected() for _ in range(200)]
    for _, writer in slow_ones:
        writer.write(b"POST /v1/rooms HTTP/1.1\r\nHost: appointments.test\r\nX: ")
    started = time.monotonic()
    for _ in range(5):
        assert (await door.request(service, f"GET {READ}", *bearing(token))).status == 200
    assert time.monotonic() - started < 2
    for _, writer in slow_ones:
        writer.close()


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.test", "null", "http://localhost.evil.test", "http://127.0.0.1.evil.test"),
        *("http://evil.test#localhost", "https://localhost", "http://localhost:80@evil.test"),
    ],
)
async def test_a48_an_evil_origin_gets_no_leave(
    door: Door, service: str, token: str, origin: str
) -> None:
    own = bearing(token, f"Origin: {origin}")
    asked = "Access-Control-Request-Method: POST"
    for said in (
        await door.request(service, f"GET {READ}", *own),
        await door.request(service, f"OPTIONS {WRITES[service][0]}", f"Origin: {origin}", asked),
        await door.request(service, f"GET {READ}", f"Origin: {origin}"),
    ):
        assert not [name for name in said.headers if name == "access-control-allow-origin"]
        assert "access-control-allow-credentials" not in said.headers


async def test_a48_a_page_on_this_machine_gets_leave(door: Door, service: str, token: str) -> None:
    own = bearing(token, "Origin: http://localhost:5173")
    said = await door.request(service, f"GET {READ}", *own)
    assert said.headers["access-control-allow-origin"] == "http://localhost:5173"


async def test_requests_one_after_the_other_are_answered_in_order(door: Door, token: str) -> None:
    one = f"GET {READ} HTTP/1.1\r\nHost: payments.test\r\nAuthorization: Bearer {token}\r\n\r\n"
    bad = "GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n"
    reader, writer = await door.connected()
    writer.write((one + "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + one).encode())
    assert [(await heard(reader)).status for _ in range(3)] == [200, 200, 200]
    # What is refused behind another that is still being answered ends the connection with it.
    writer.write((one + bad).encode())
    assert (await heard(reader)).status == 200
    assert (await heard(reader)).status in (0, 400)
    writer.close()
