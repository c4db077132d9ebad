"""The payer port: the real adapter against a real socket, and the fake, by the same tests."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.eligibility.clients import CONTENT_TYPE, FakePayer, HttpPayer, PayerGateway
from services.eligibility.domain.answers import BadResponse, NoAnswer, judge
from services.eligibility.tests.payer_answers import ACTIVE, INQUIRY, answer

GOOD = answer(*ACTIVE)
LIMIT = 2_000


def response(body: bytes, status: str = "200 OK", *, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass(frozen=True)
class Wire:
    """What the other side does: bytes it sends after the request, and what it does then."""

    sends: bytes
    then: Literal["hang up", "nothing", "drip"] = "hang up"


async def play(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send, and unless it hangs up by itself, go on until the asker does."""
    writer.write(wire.sends)
    await writer.drain()
    if wire.then != "hang up":
        asker_gone = asyncio.ensure_future(reader.read())
        while not asker_gone.done():
            if wire.then == "drip":
                writer.write(b"I")
            await asyncio.wait({asker_gone}, timeout=0.02)
    writer.close()


@asynccontextmanager
async def listening(
    wire: Wire, seen: list[bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server on a free port that treats every request the same."""
    playing: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        seen.append(head + await reader.readexactly(length))
        playing.append(asyncio.ensure_future(play(wire, reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*playing)


@asynccontextmanager
async def over_http(
    port: int, *, scheme: str = "http", deadline: float = 5.0
) -> AsyncIterator[HttpPayer]:
    payer = HttpPayer(
        f"{scheme}://127.0.0.1:{port}/x12", deadline_seconds=deadline, bytes_max=LIMIT
    )
    try:
        yield payer
    finally:
        await payer.close()


@dataclass(frozen=True)
class Scenario:
    """The same happening for both adapters: on the wire, and told to the fake."""

    name: str
    wire: Wire
    fake: bytes | NoAnswer | None
    outcome: bytes | NoAnswer


SCENARIOS = [
    Scenario("an answer", Wire(response(GOOD)), GOOD, GOOD),
    Scenario("an empty answer", Wire(response(b"")), b"", b""),
    Scenario("a page of HTML", Wire(response(b"<html>")), b"<html>", b"<html>"),
    Scenario("silence", Wire(b"", then="nothing"), None, NoAnswer("no_answer")),
    Scenario("an answer at the limit", Wire(response(b"x" * LIMIT)), b"x" * LIMIT, b"x" * LIMIT),
    Scenario(
        "an answer above the limit",
        Wire(response(b"x" * (LIMIT + 1))),
        b"x" * (LIMIT + 1),
        NoAnswer("too_large"),
    ),
    Scenario(
        "E45 a redirect",
        Wire(response(b"", "307 Temporary Redirect", headers="location: /elsewhere\r\n")),
        NoAnswer("redirected"),
        NoAnswer("redirected"),
    ),
    Scenario(
        "an error",
        Wire(response(GOOD, "500 Internal Server Error")),
        NoAnswer("http_status"),
        NoAnswer("http_status"),
    ),
    Scenario(
        "accepted, but not answered",
        Wire(response(b"", "202 Accepted")),
        NoAnswer("http_status"),
        NoAnswer("http_status"),
    ),
    Scenario(
        "E48 cut in the middle",
        Wire(response(GOOD)[:-100]),
        NoAnswer("cut_off"),
        NoAnswer("cut_off"),
    ),
    Scenario("hung up at once", Wire(b""), NoAnswer("cut_off"), NoAnswer("cut_off")),
    Scenario("no HTTP", Wire(b"ISA*00*"), NoAnswer("cut_off"), NoAnswer("cut_off")),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("adapter", ["http", "fake"])
async def test_both_adapters_tell_what_happened_alike(scenario: Scenario, adapter: str) -> None:
    async def asked_through(payer: PayerGateway) -> bytes | NoAnswer:
        return await payer.ask(b"ISA*270", key="check-1")

    if adapter == "fake":
        fake = FakePayer(lambda _: scenario.fake, bytes_max=LIMIT)
        assert await asked_through(fake) == scenario.outcome
        assert fake.asked == [("check-1", b"ISA*270")]
        return
    seen: list[bytes] = []
    deadline = 0.2 if scenario.name == "silence" else 5.0
    async with (
        listening(scenario.wire, seen) as port,
        over_http(port, deadline=deadline) as payer,
    ):
        assert await asked_through(payer) == scenario.outcome
    assert [request.rpartition(b"\r\n\r\n")[2] for request in seen] == [b"ISA*270"]


async def test_the_request_names_its_kind_and_its_check() -> None:
    seen: list[bytes] = []
    async with listening(Wire(response(GOOD)), seen) as port, over_http(port) as payer:
        await payer.ask(b"ISA", key="check-7")
    head = seen[0].decode().lower()
    assert head.startswith("post /x12 http/1.1\r\n")
    assert f"content-type: {CONTENT_TYPE}\r\n" in head
    assert "idempotency-key: check-7\r\n" in head
    assert "accept-encoding: identity\r\n" in head


async def test_e44_a_page_of_html_with_status_200_is_a_bad_response() -> None:
    async with listening(Wire(response(b"<html>")), []) as port, over_http(port) as payer:
        received = await payer.ask(b"ISA", key="check-1")
    assert isinstance(received, bytes)
    assert judge(INQUIRY.question, received) == BadResponse("x12.not_x12")


async def test_e47_an_answer_that_drips_is_given_up_at_the_deadline() -> None:
    """Every byte comes in time; the whole does not."""
    wire = Wire(response(b"x" * 1_000)[:-1_000], then="drip")
    async with listening(wire, []) as port, over_http(port, deadline=0.3) as payer:
        assert await payer.ask(b"ISA", key="check-1") == NoAnswer("no_answer")


async def test_nobody_listens() -> None:
    async with listening(Wire(b""), []) as port:
        pass  # the port is free again
    async with over_http(port) as payer:
        assert await payer.ask(b"ISA", key="check-1") == NoAnswer("unreachable")


def self_signed(folder: Path) -> ssl.SSLContext:
    """The context of a server whose certificate nobody has vouched for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_e46_a_certificate_nobody_vouches_for_is_refused_and_nothing_sent(
    tmp_path: Path,
) -> None:
    seen: list[bytes] = []
    tls = self_signed(tmp_path)
    async with (
        listening(Wire(response(GOOD)), seen, tls) as port,
        over_http(port, scheme="https") as payer,
    ):
        assert await payer.ask(b"ISA", key="check-1") == NoAnswer("certificate")
    assert seen == []


@pytest.mark.parametrize(
    "url", ["http://payer.example/x12", "http://10.0.0.1/x12", "ftp://127.0.0.1/", "/x12"]
)
def test_an_address_that_would_send_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        HttpPayer(url)
