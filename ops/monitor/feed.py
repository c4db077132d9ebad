"""One reader of the bus for all who listen, and what each of them has not been given yet.

It reads only while somebody listens. A listener who comes back with an old place first reads up to
where the reader stands, by a second connection; then it is given what the reader reads. What waits
for a listener is bounded: one who does not take it is cut off, and resumes from where it stood.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import orjson

from ops.following import Follower, described, envelope_or_none
from ops.monitor.positions import Places
from shared.bus.port import Bus, BusError, OffsetOutOfRange, Record, TopicPartition
from shared.contracts.envelope import Envelope

WAITING_MAX = 1000
READ_AT_ONCE = 500
READ_SECONDS = 2.0
LAST_MAX = 500

Fits = Callable[[Envelope], bool]


@dataclass(frozen=True, slots=True)
class Item:
    """An event that was read: its envelope, and it without its value as JSON, made once."""

    key: TopicPartition
    offset: int
    event: Envelope
    text: str


def item_of(record: Record) -> Item | None:
    """The item of a record; None where it is no event, which is nobody's to see."""
    event = envelope_or_none(record)
    if event is None:
        return None
    text = orjson.dumps(described(record, event)).decode()
    return Item((record.topic, record.partition), record.offset, event, text)


class Feed:
    """The reader. `open_bus` makes a bus that nobody has opened yet."""

    def __init__(
        self, open_bus: Callable[[], Bus], topics: Sequence[str], waiting_max: int = WAITING_MAX
    ) -> None:
        self.topics, self.waiting_max = tuple(topics), waiting_max
        self.listeners: set[Listener] = set()
        self.catching = asyncio.Lock()
        self.past = open_bus()
        self._live = open_bus()
        self._follower = Follower(self._live, self.topics)
        self._starting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._users = 0

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """Where the reader stands."""
        return self._follower.positions

    async def places(self) -> Places:
        """Writes and reads this bus's ids. Raises BusError."""
        return Places(await self.past.bus_id(), self.topics)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """While somebody listens it reads: from the end of the log, if nobody did before."""
        self._users += 1
        try:
            async with self._starting:
                if self._task is None:
                    await self._follower.at_end()
                    self._task = asyncio.create_task(self._read(), name="monitor-feed")
            yield
        finally:
            self._users -= 1
            if not self._users:
                await self._rest()

    async def _rest(self) -> None:
        """The last one has gone: reading ends."""
        async with self._starting:
            if self._users or self._task is None:
                return
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])
            await self._live.close()

    async def _read(self) -> None:
        async for records in self._follower.batches():
            for record in records:
                item = item_of(record)
                if item is not None:
                    for listener in tuple(self.listeners):
                        listener.offer(item)
            await asyncio.sleep(0)  # between two batches the listeners have their turn

    async def close(self) -> None:
        """Close the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._live.close()
        await self.past.close()


class Listener:
    """One who listens: `items` gives each event that fits once, and moves `positions` on."""

    def __init__(self, feed: Feed, fits: Fits, positions: dict[TopicPartition, int]) -> None:
        self._feed, self._fits = feed, fits
        self.positions = positions
        self._waiting: deque[Item] = deque()
        self._woken = asyncio.Event()
        self.is_cut = False
        self.lost: list[str] = []

    def offer(self, item: Item) -> None:
        """Take an event that the reader has read; too many that wait cut the listener off."""
        if self.is_cut or item.offset < self.positions.get(item.key, 0):
            return
        if not self._fits(item.event):
            return
        if len(self._waiting) >= self._feed.waiting_max:
            self.is_cut = True
            self._waiting.clear()
        else:
            self._waiting.append(item)
        self._woken.set()

    async def items(self, beat_seconds: float) -> AsyncGenerator[Item | None, None]:
        """Events in order; None after each `beat_seconds` without one. Ends when it is cut off."""
        async for item in self._missed():
            yield item
        self._feed.listeners.add(self)
        try:
            while not self.is_cut:
                while self._waiting:
                    item = self._waiting.popleft()
                    self.positions[item.key] = item.offset + 1
                    yield item
                if self.is_cut:
                    return
                self._stand_with_the_reader()
                self._woken.clear()
                try:
                    async with asyncio.timeout(beat_seconds):
                        await self._woken.wait()
                except TimeoutError:
                    yield None
        finally:
            self._feed.listeners.discard(self)

    def _stand_with_the_reader(self) -> None:
        """All that fits was given: what does not fit need not be read again after a resume."""
        for key, at in self._feed.positions.items():
            self.positions[key] = max(at, self.positions.get(key, 0))

    async def _missed(self) -> AsyncIterator[Item]:
        """What was said between this listener's place and the reader's.

        There is no await between the last comparison and joining the listeners.
        """
        quiet = 0
        while behind := self._behind():
            try:
                async with self._feed.catching:
                    records = await self._feed.past.read(behind, READ_AT_ONCE, READ_SECONDS)
            except OffsetOutOfRange as error:
                self._give_up(error)
                continue
            except BusError:
                await asyncio.sleep(READ_SECONDS)
                continue
            quiet = 0 if records else quiet + 1
            if quiet > 1:  # the log has numbers there and no records
                self.positions |= self._feed.positions
            for record in records:
                key = (record.topic, record.partition)
                if record.offset < self._feed.positions[key]:
                    self.positions[key] = record.offset + 1
                    item = item_of(record)
                    if item is not None and self._fits(item.event):
                        yield item

    def _behind(self) -> dict[TopicPartition, int]:
        stands = self._feed.positions
        return {key: at for key, at in self.positions.items() if at < stands.get(key, 0)}

    def _give_up(self, error: OffsetOutOfRange) -> None:
        key = (error.topic, error.partition)
        self.lost.append(f"{error.topic}/{error.partition}")
        self.positions[key] = self._feed.positions[key]
