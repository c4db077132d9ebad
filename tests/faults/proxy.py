"""A TCP proxy that does to one link what networks do: delay, slice, swallow, stall, refuse, reset.

    with Proxy("127.0.0.1", 5432, seed=7) as link:
        connect(link.port)
        link.slow(0.5, jitter_s=0.2)
        link.cut(Way.UP, b"COMMIT", Moment.REPLY_LOST)
        link.heal()

It runs in a thread with a loop of its own, so that nothing else in the process can hold it up. What
it does by chance it draws from the seed, for each connection and way apart.
"""

import asyncio
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Any, Self

from ops.ports import free_ports

CHUNK = 65_536
WAITING_CHUNKS = 64
KEPT_FOR_MATCH = 512
CALL_TIMEOUT_S = 10.0
RESET = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """Which way bytes go: up to the server, or down to the client."""

    UP = "up"
    DOWN = "down"


BOTH = (Way.UP, Way.DOWN)


class Moment(StrEnum):
    """When a connection is reset, once the bytes waited for have come.

    INSTEAD: they are not passed on. AFTER: they are, and then it is reset.
    REPLY_LOST: they are, the other side answers, and the answer never arrives.
    """

    INSTEAD = "instead"
    AFTER = "after"
    REPLY_LOST = "reply_lost"


@dataclass(slots=True)
class Weather:
    """What happens to bytes of one way."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    slices: tuple[int, int] | None = None
    swallowed: bool = False
    changed: Callable[[bytes], bytes] | None = None
    flowing: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Cut:
    """A reset that waits for bytes: for a pattern, or for so many of one connection."""

    way: Way
    after: re.Pattern[bytes] | int
    moment: Moment
    left: int


def pieces(data: bytes, weather: Weather, chance: random.Random) -> Iterator[bytes]:
    """The data as it is sent, piece by piece."""
    at = 0
    while at < len(data):
        size = chance.randint(*weather.slices) if weather.slices else len(data) - at
        if weather.bytes_per_s is not None:
            size = min(size, max(1, int(weather.bytes_per_s / 50)))
        yield data[at : at + size]
        at += size


class _Connection:
    """One client's connection and ours to the server: a reader and a writer for each way."""

    def __init__(self, link: "Proxy", number: int, client: socket.socket) -> None:
        self.link = link
        self.number = number
        self.client = client
        self.server = socket.socket()
        self.lost = False
        self.awaited: Cut | None = None
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Pass bytes on until both sides have ended, or it is reset."""
        loop = asyncio.get_running_loop()
        for end in (self.client, self.server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await loop.sock_connect(self.server, self.link.target)
            async with asyncio.TaskGroup() as group:
                for way in BOTH:
                    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS)
                    group.create_task(self._read(way, queue))
                    group.create_task(self._write(way, queue))
            self.close()
        except* OSError:
            self.reset()

    def reset(self) -> None:
        """End both sides as a process does that dies; nothing where they have ended."""
        if self.client.fileno() != -1:
            self.link.seen["broken"] += 1
            for end in (self.client, self.server):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        """End both sides in peace."""
        self.client.close()
        self.server.close()

    async def _read(self, way: Way, queue: "asyncio.Queue[tuple[float, bytes]]") -> None:
        source = self.client if way is Way.UP else self.server
        chance = random.Random(f"{self.link.seed}/{self.number}/{way}/delay")
        weather = self.link.weather[way]
        due = 0.0
        while True:
            data = await asyncio.get_running_loop().sock_recv(source, CHUNK)
            late = weather.latency_s + chance.uniform(-1, 1) * weather.jitter_s
            due = max(due, time.monotonic() + late)  # TCP keeps the order
            await queue.put((due, data))
            if not data:
                return

    async def _write(self, way: Way, queue: "asyncio.Queue[tuple[float, bytes]]") -> None:
        sink = self.server if way is Way.UP else self.client
        chance = random.Random(f"{self.link.seed}/{self.number}/{way}/slices")
        weather = self.link.weather[way]
        tail, count = b"", 0
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await weather.flowing.wait()
            if weather.swallowed:
                self.lost = True
                if not data:
                    return  # not even the end gets through
                continue
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            if self.awaited is not None and self.awaited.way is not way:
                raise self._because("reply_lost")
            cut = self.link.cut_by(way, tail + data, len(tail), count + len(data))
            if cut is not None and cut.moment is Moment.INSTEAD:
                raise self._because("instead")
            passed = data if weather.changed is None else weather.changed(data)
            await self._send(sink, passed, weather, chance)
            count += len(data)
            tail = (tail + data)[-KEPT_FOR_MATCH:]
            if cut is not None and cut.moment is Moment.AFTER:
                raise self._because("after")
            self.awaited = cut or self.awaited

    async def _send(
        self, sink: socket.socket, data: bytes, weather: Weather, chance: random.Random
    ) -> None:
        loop = asyncio.get_running_loop()
        for piece in pieces(data, weather, chance):
            if weather.bytes_per_s is not None:
                await asyncio.sleep(len(piece) / weather.bytes_per_s)
            await loop.sock_sendall(sink, piece)
            if len(piece) < len(data):
                await asyncio.sleep(0)

    def _because(self, why: str) -> ConnectionResetError:
        self.link.seen[why] += 1
        return ConnectionResetError(why)


class Proxy:
    """One link. Every method may be called from any thread, and has taken effect on return.

    `seen` counts: connections, broken (reset, or died), and cuts by their moment.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0, listen_on: int = 0) -> None:
        self.target = (host, port)
        self.seed = seed
        self.seen: Counter[str] = Counter()
        self.weather: dict[Way, Weather] = {}
        self._cuts: list[Cut] = []
        self._connections: set[_Connection] = set()
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._socket = _bound(listen_on)
        self._accepting: asyncio.Task[None] | None = None
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._heal())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_TIMEOUT_S)
        self._loop.close()
        self._socket.close()

    # ── faults ───────────────────────────────────────────────────────────────────────────────

    def slow(self, latency_s: float, *, jitter_s: float = 0.0) -> None:
        """Every byte arrives so much later, give or take the jitter; the order stays."""
        self._each(BOTH, latency_s=latency_s, jitter_s=jitter_s)

    def narrow(self, bytes_per_s: float) -> None:
        """So many bytes a second, each way and for each connection."""
        self._each(BOTH, bytes_per_s=bytes_per_s)

    def slice(self, least: int = 1, most: int = 7) -> None:
        """Pass on so few bytes at a time."""
        self._each(BOTH, slices=(least, most))

    def swallow(self, *ways: Way) -> None:
        """Connections stay and new ones are accepted, but nothing arrives: the other side is gone.

        What lost bytes is reset when the link is healed.
        """
        self._each(ways or BOTH, swallowed=True)

    def stall(self, *ways: Way) -> None:
        """Hold everything back, as packets that are sent again and again, until it is healed."""
        self._do(self._stall(ways or BOTH))

    def refuse(self) -> None:
        """Reset every connection and refuse new ones, as a machine whose server is gone."""
        self._do(self._refuse())

    def reset(self) -> int:
        """Reset every connection at once; how many there were."""
        found: int = self._do(self._reset_all())
        return found

    def cut(
        self, way: Way, after: bytes | re.Pattern[bytes] | int, moment: Moment, *, times: int = 1
    ) -> None:
        """Reset the connection on which these bytes, or so many bytes, have come; so many times."""
        wanted = re.compile(re.escape(after)) if isinstance(after, bytes) else after
        self._do(self._add(Cut(way, wanted, moment, times)))

    def rewrite(self, way: Way, change: Callable[[bytes], bytes]) -> None:
        """Pass on something else: what comes out of a function, which is called with each chunk."""
        self._each((way,), changed=change)

    def heal(self) -> None:
        """End every fault. What was held back arrives."""
        self._do(self._heal())

    def lead_to(self, host: str, port: int) -> None:
        """Lead connections that come from now on to another server."""
        self.target = (host, port)

    # ── in the loop of the thread ────────────────────────────────────────────────────────────

    def cut_by(self, way: Way, window: bytes, old: int, count: int) -> Cut | None:
        """The cut that these bytes bring about, if any. `old` bytes of the window were seen."""
        for cut in self._cuts:
            if cut.way is not way or not cut.left:
                continue
            if isinstance(cut.after, int):
                hit = count >= cut.after
            else:
                hit = any(found.end() > old for found in cut.after.finditer(window))
            if hit:
                cut.left -= 1
                return cut
        return None

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_TIMEOUT_S)

    def _each(self, ways: tuple[Way, ...], **settings: Any) -> None:
        async def change() -> None:
            for way in ways:
                for name, value in settings.items():
                    setattr(self.weather[way], name, value)

        self._do(change())

    async def _add(self, cut: Cut) -> None:
        self._cuts.append(cut)

    async def _stall(self, ways: tuple[Way, ...]) -> None:
        for way in ways:
            self.weather[way].flowing.clear()

    async def _heal(self) -> None:
        self._cuts.clear()
        for way in BOTH:
            weather = self.weather.setdefault(way, Weather())
            weather.latency_s = weather.jitter_s = 0.0
            weather.bytes_per_s = weather.slices = None
            weather.swallowed = False
            weather.changed = None
            weather.flowing.set()
        await self._end([one for one in self._connections if one.lost])
        if self._accepting is None:
            self._socket.listen(128)
            self._accepting = asyncio.create_task(self._accept())

    async def _refuse(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
            self._accepting = None
            # It listens no more, and keeps its port: nobody else can come to be behind it.
            self._socket.shutdown(socket.SHUT_RDWR)
        await self._reset_all()

    async def _reset_all(self) -> int:
        return await self._end(list(self._connections))

    async def _end(self, connections: list[_Connection]) -> int:
        tasks = [one.task for one in connections if one.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for one in connections:
            one.reset()
        return len(tasks)

    async def _accept(self) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(self._socket)
            self.seen["connections"] += 1
            found = _Connection(self, self.seen["connections"], client)
            self._connections.add(found)
            found.task = asyncio.create_task(found.run())
            found.task.add_done_callback(partial(self._ended, found))

    def _ended(self, connection: _Connection, _task: "asyncio.Task[None]") -> None:
        self._connections.discard(connection)

    async def _close(self) -> None:
        await self._refuse()


def _bound(port: int) -> socket.socket:
    """A socket on this port; where it is 0, on one that is got back after not listening for a time.

    A port that the system chose by itself is lost when a socket stops to listen.
    """
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port or free_ports(1)[0]))
    found.setblocking(False)
    return found
