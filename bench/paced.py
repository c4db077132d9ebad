"""Bookings at a steady rate, whatever becomes of those before: an open loop that costs little.

A booking that is due while all connections are busy waits, and is timed from when it was due. So
a service that does not keep up is seen to fall behind, and cannot slow the load down.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

CONNECTIONS = 48


@dataclass(slots=True)
class Paced:
    """What came of a load. due, answered: appointment to when it was due and when its 201 came, as
    seconds since the epoch; refused: other answers, shortened."""

    due: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Bookings made a second."""
        return len(self.answered) / self.seconds


async def paced(port: int, requests: Sequence[bytes], rate: float) -> Paced:
    """Send requests at `rate` a second to a port of 127.0.0.1. Each is answered by a JSON object
    with an `id`. Raises ConnectionError or IncompleteReadError where a connection ends."""
    taken = Paced()
    waiting: asyncio.Queue[tuple[bytes, float] | None] = asyncio.Queue()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (job := await waiting.get()) is not None:
                request, due = job
                writer.write(request)
                status, body = await _answer(reader)
                at = time.time()
                if status == 201:
                    made = orjson.loads(body)["id"]
                    taken.due[made], taken.answered[made] = due, at
                else:
                    taken.refused.append(f"{status} {body[:200].decode(errors='replace')}")
        finally:
            writer.close()

    started = time.time()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(client())
        for number, request in enumerate(requests):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.time()))
            waiting.put_nowait((request, due))
        for _ in range(CONNECTIONS):
            waiting.put_nowait(None)
    taken.seconds = time.time() - started
    return taken


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 : head.find(b"\r\n", at)]) if at >= 0 else 0
    return int(head[9:12]), await reader.readexactly(length)
