"""The driver over TLS: with `verify-full` it talks to a server whose certificate and name it knows,
and to nobody else.

The server of the wheel speaks no TLS, so a door stands before it that answers as a server with TLS
does (PostgreSQL, "SSL Session Encryption" of the protocol) and hands the bytes on.
"""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from ops import postgres
from ops.tests.certificates import Authority
from shared.db.database import Database
from shared.db.secured import is_exposed

pytestmark = pytest.mark.rule("45 CFR 164.312(e)(1)")

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """One that listens on loopback, in plain text."""
    with tempfile.TemporaryDirectory(prefix="cb-pg-tls-") as name:
        found = postgres.start(Path(name) / "pg", durable=False)
        yield found
        found.stop()


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority.made(tmp_path / "ours")


class Door:
    """What answers on a port: TLS by a certificate, or plainly that there is none."""

    def __init__(self, socket: str, certificate: Path | None) -> None:
        self._socket = socket
        self.port = 0
        self.heard: list[bytes] = []
        self.left = asyncio.Event()
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readexactly(8))
        if self._context is None:
            writer.write(b"N")
            await writer.drain()
            self.heard.append(await reader.read())
            writer.close()
            self.left.set()
            return
        writer.write(b"S")
        await writer.drain()
        try:
            await writer.start_tls(self._context)
        except (ssl.SSLError, ConnectionError):
            writer.close()
            return
        behind, before = await asyncio.open_unix_connection(self._socket)
        await asyncio.gather(_pumped(reader, before), _pumped(behind, writer))


async def _pumped(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def door(server: postgres.Server, certificate: Path | None) -> AsyncIterator[Door]:
    """A door before a server, with a certificate or none."""
    found = Door(f"{server.cluster.socket_dir}/.s.PGSQL.{server.number}", certificate)
    listening = await asyncio.start_server(found.answer, HOST, 0)
    found.port = listening.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        listening.close()


def url_of(server: postgres.Server, port: int, known: Authority, mode: str) -> str:
    """The superuser's address through a door."""
    login = server.superuser_url.partition("//")[2].partition("@")[0]
    return (
        f"postgresql://{login}@{HOST}:{port}/postgres"
        f"?sslmode={mode}&sslrootcert={known.folder / 'ca.crt'}"
    )


async def asked(url: str) -> int:
    """What a service does with its database, by its own pool."""
    database = Database.connect("patients", url, url)
    try:
        async with database.raw("app") as raw:
            found: int = await raw.fetchval("SELECT 41 + 1")
            return found
    finally:
        await database.close()


async def test_a_server_that_is_known_is_talked_to_and_nothing_goes_in_plain_text(
    server: postgres.Server, ours: Authority
) -> None:
    async with door(server, ours.issue("server", HOST)) as found:
        url = url_of(server, found.port, ours, "verify-full")
        assert not is_exposed(url, {})
        assert await asked(url) == 42
    assert found.heard == [SSL_REQUEST]


async def test_a_name_that_is_not_in_the_certificate_is_nobody(
    server: postgres.Server, ours: Authority
) -> None:
    async with door(server, ours.issue("server", "127.0.0.2")) as found:
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            await asked(url_of(server, found.port, ours, "verify-full"))
        # The next weaker mode does take it, which is why production refuses that.
        weaker = url_of(server, found.port, ours, "verify-ca")
        assert is_exposed(weaker, {})
        assert await asked(weaker) == 42


async def test_an_authority_that_is_not_known_is_nobody(
    server: postgres.Server, ours: Authority, tmp_path: Path
) -> None:
    others = Authority.made(tmp_path / "others")
    async with door(server, others.issue("server", HOST)) as found:
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            await asked(url_of(server, found.port, ours, "verify-full"))


async def test_a_server_without_tls_hears_no_word(server: postgres.Server, ours: Authority) -> None:
    async with door(server, None) as found:
        with pytest.raises((ConnectionError, asyncpg.PostgresError), match="SSL"):
            await asked(url_of(server, found.port, ours, "verify-full"))
        await found.left.wait()
    assert found.heard == [SSL_REQUEST, b""]
