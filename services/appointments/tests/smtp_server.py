"""A mail server in this process, over a socket: SMTP as far as a sender needs, and its faults."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANG, CUT = "hang", "cut"


@dataclass(slots=True)
class MailServer:
    """answers: what a verb is answered instead, `hang` or `cut`; `dot` is the end of a message.
    features: what EHLO tells. received: sender, recipient, message."""

    answers: Mapping[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "STARTTLS")
    secure: ssl.SSLContext | None = None
    received: list[tuple[str, str, EmailMessage]] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its greeting on."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = recipient = ""
        if not await self._say(writer, "connect", "220 mail.test"):
            return
        while line := (await reader.readline()).decode().strip():
            verb = line.partition(" ")[0].upper()
            self.verbs.append(verb)
            if verb == "EHLO":
                lines = ["mail.test", *self.features]
                text = "\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"])
                going = await self._say(writer, verb, text)
            elif verb == "STARTTLS":
                going = await self._say(writer, verb, "220 go on")
                if going and verb not in self.answers:
                    await writer.start_tls(self.secure or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            elif verb == "DATA":
                going = await self._say(writer, verb, "354 go on")
                if going and verb not in self.answers:
                    going = await self._message(reader, writer, sender, recipient)
            elif verb == "QUIT":
                return
            else:
                if verb == "MAIL":
                    sender = _path(line)
                if verb == "RCPT":
                    recipient = _path(line)
                going = await self._say(writer, verb, "235 in" if verb == "AUTH" else "250 good")
            if not going:
                return

    async def _message(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sender: str,
        recipient: str,
    ) -> bool:
        raw = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append((sender, recipient, message))
        self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
        return await self._say(writer, "dot", "250 taken")

    async def _say(self, writer: asyncio.StreamWriter, verb: str, usual: str) -> bool:
        """Answer a verb; False where the connection is over by that."""
        text = self.answers.get(verb, usual)
        if text == HANG:
            await self._over.wait()
        if text in (HANG, CUT):
            return False
        writer.write(f"{text}\r\n".encode())
        await writer.drain()
        return True

    def over(self) -> None:
        """Let go of what hangs."""
        self._over.set()


def _path(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]


@asynccontextmanager
async def listening(server: MailServer, *, implicit_tls: bool = False) -> AsyncIterator[MailServer]:
    """Let a server listen on a port of this machine."""
    talking: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        await server.talk(reader, writer)

    secure = server.secure if implicit_tls else None
    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=secure)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.over()
        listener.close()
        await asyncio.gather(*talking, return_exceptions=True)
        await listener.wait_closed()


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """What a server of this name shows, and the file that lets a client believe it."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    alternative: x509.GeneralName = x509.DNSName(name)
    with suppress(ValueError):
        alternative = x509.IPAddress(ip_address(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / "mail.pem", folder / "mail.key"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return context, shown
