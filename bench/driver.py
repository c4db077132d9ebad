"""A load driver that costs little: HTTP/1.1 on plain sockets, requests made ahead of time.

It runs in a process of its own. What it can do at most is measured against `/livez`, so that a
figure is known to be the service's and not the driver's.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Result:
    """Statuses and latencies in seconds, in the order of arrival, and the whole time taken."""

    statuses: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def rate(self, status: int) -> float:
        """Answers with a status per second."""
        return self.statuses.count(status) / self.seconds

    def percentile(self, share: float) -> float:
        """A percentile of all latencies, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request(
    method: str, path: str, headers: dict[str, str], body: bytes, host: str = "bench"
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    if at >= 0:
        length = int(lowered[at + 15 : lowered.find(b"\r\n", at)])
        if length:
            await reader.readexactly(length)
    return status


async def drive(
    port: int, clients: int, next_request: Callable[[int, int], bytes | None], seconds: float
) -> Result:
    """Let `clients` connections send one request after the other until time or requests run out.

    next_request(client, number) gives the bytes to send, or None to stop that client.
    """
    result = Result()
    until = time.perf_counter() + seconds

    async def one(client: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = 0
        while (now := time.perf_counter()) < until:
            sent = next_request(client, number)
            if sent is None:
                break
            writer.write(sent)
            await writer.drain()
            status = await _answer(reader)
            result.statuses.append(status)
            result.latencies.append(time.perf_counter() - now)
            number += 1
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one(client) for client in range(clients)))
    result.seconds = time.perf_counter() - started
    return result


def summary(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the greatest."""
    ordered = sorted(values)
    pick = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {n: ordered[min(len(ordered) - 1, int(s * len(ordered)))] for n, s in pick.items()}
    return {**found, "max": ordered[-1]}
