"""What lies behind reminders, played over sockets: a mail server that keeps a line for each call in
a file, on the disk before it answers, and the patients service's address book."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

from bench.reminding_truth import CUT, LATER, LEFT, REFUSED, TAKEN, Call
from services.appointments.tests.smtp_server import MailServer, listening

DOMAIN = "example.org"
SLOW_SECONDS = (0.02, 0.15)
"""From a message kept to its answer: whoever is killed in between knows nothing of it."""
ANSWERS = {TAKEN: "250 taken", CUT: "cut", REFUSED: "550 no", LATER: "451 later"}
OF_A_THOUSAND = {CUT: 10, REFUSED: 5, LATER: 10}
"""How often it does something else than take a message."""


@dataclass(slots=True)
class FarSide(MailServer):
    """A mail server with a memory. calls: what came, in order; the same is in the file."""

    file: Path = Path("calls.jsonl")
    seed: int = 1
    calls: list[Call] = field(default_factory=list)
    asked_again: set[UUID] = field(default_factory=set)
    _gate: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _message(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sender: str,
        recipient: str,
    ) -> bool:
        raw = await reader.readuntil(b"\r\n.\r\n")
        message = message_from_bytes(raw[:-3].replace(b"\r\n..", b"\r\n."), policy=policy.default)
        assert isinstance(message, EmailMessage)
        reminder = UUID(str(message["Message-ID"]).strip("<>").partition("@")[0])
        text = message.get_content()
        told = " ".join(text.partition("Will you come?")[0].split())
        when = told.partition(" on ")[2].rstrip(".")
        chance = random.Random(f"{self.seed}/{reminder}")
        did = self._does(chance, reminder)
        # Their order is that of the file, and nothing is answered that is not in it.
        async with self._gate:
            call = Call(reminder, UUID(recipient.partition("@")[0]), when, did)
            await asyncio.to_thread(self._keep, call)
            self.calls.append(call)
        await asyncio.sleep(chance.uniform(*SLOW_SECONDS))
        if ANSWERS[did] == "cut":
            return False
        writer.write(f"{ANSWERS[did]}\r\n".encode())
        await writer.drain()
        return True

    def _does(self, chance: random.Random, reminder: UUID) -> str:
        number = chance.randrange(1000)
        for what, many in OF_A_THOUSAND.items():
            number -= many
            if number < 0:
                if what == LATER and reminder in self.asked_again:
                    return TAKEN
                self.asked_again.add(reminder)
                return what
        return TAKEN

    def _keep(self, call: Call) -> None:
        told = [str(call.reminder), str(call.patient), call.when, call.did]
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(told) + "\n")
            opened.flush()
            os.fsync(opened.fileno())

    def left(self) -> int:
        """How many messages left."""
        return sum(call.did in LEFT for call in self.calls)


def calls_in(file: Path) -> list[Call]:
    """The calls that a file keeps, in order."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    kept = (json.loads(line) for line in lines)
    return [Call(UUID(reminder), UUID(who), when, did) for reminder, who, when, did in kept]


async def _address_book(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer `POST /v1/contact-points/lookup` on a connection until it ends."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").lower().split("\r\n")
            length = next(
                int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")
            )
            wish = json.loads(await reader.readexactly(length))
            found = {"channel": wish["channel"], "address": f"{wish['patient_id']}@{DOMAIN}"}
            body = json.dumps(found).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
    writer.close()


@asynccontextmanager
async def far_side(file: Path, seed: int) -> AsyncIterator[tuple[FarSide, int]]:
    """The mail server, listening, and the port of the address book."""
    book = await asyncio.start_server(_address_book, "127.0.0.1", 0)
    try:
        mail = FarSide(features=("8BITMIME",), file=file, seed=seed)
        async with listening(mail):
            yield mail, book.sockets[0].getsockname()[1]
    finally:
        book.close()
