"""A load driver that costs little: HTTP/1.1 on plain sockets, one request at a time a client.

It runs in the process of the bench, never in that of a service. What it can do at most is measured
against `/livez`, so that a figure is known to be the service's and not the driver's.
"""

import asyncio
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

BROKEN = (ConnectionError, asyncio.IncompleteReadError)
NextRequest = Callable[[int, int], bytes | None]
"""(client, number) to the bytes to send; None stops that client."""


@dataclass(slots=True)
class Result:
    """What came back. latencies: seconds, in the order of arrival.

    answered: (client, number) with its status. broken: clients whose connection ended.
    cpu_share: of one core, that the driver itself used.
    """

    answered: dict[tuple[int, int], int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    broken: int = 0
    cpu_share: float = 0.0

    def count(self, status: int) -> int:
        """Answers with a status."""
        return sum(found == status for found in self.answered.values())

    def rate(self, status: int) -> float:
        """Answers with a status per second."""
        return self.count(status) / self.seconds

    def statuses(self) -> dict[str, int]:
        """How often each status came; JSON takes no numbers for keys."""
        return {str(s): self.count(s) for s in sorted(set(self.answered.values()))}

    def milliseconds(self, share: float) -> float:
        """A percentile of all latencies."""
        return 1000 * percentile(self.latencies, share)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed. Raises where there is none."""
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one answer to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(head[at + 15 : head.find(b"\r\n", at)]))
    return int(head[9:12])


async def drive(port: int, clients: int, next_request: NextRequest, seconds: float) -> Result:
    """Let `clients` connections send one request after the other until time or requests run out.

    A connection that the service ends stops its client and is counted.
    """
    result = Result()
    until = time.perf_counter() + seconds

    async def one(client: int) -> None:
        number = 0
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while (sent := time.perf_counter()) < until:
                given = next_request(client, number)
                if given is None:
                    break
                writer.write(given)
                status = await _status(reader)
                result.latencies.append(time.perf_counter() - sent)
                result.answered[client, number] = status
                number += 1
        except BROKEN:
            result.broken += 1
        finally:
            if writer is not None:
                writer.close()

    before, started = _cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(one(client) for client in range(clients)))
    result.seconds = time.perf_counter() - started
    result.cpu_share = (_cpu_seconds() - before) / result.seconds
    return result


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
