"""Who of a group reads which partition of a Postgres bus: leases in the bus's own database.

A member beats three times within a lease. What it owns and is no longer meant to own it gives up
after its subscriber has finished; what another member gave up, or let expire, it takes. A member
that was paused longer than its lease learns at its next beat what it has lost; what it writes until
then is refused by the offsets in the subscriber's own database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import asyncpg

from shared.bus.port import Assigned, BusError, BusUnavailable, Revoked, TopicPartition

T = TypeVar("T")


class Run(Protocol):
    """`postgres_line.Line.run`."""

    async def __call__(self, call: Callable[[asyncpg.Connection], Awaitable[T]], /) -> T:
        """The result of a call on the subscription's connection."""
        ...


class Membership:
    """One member of one group: beats in the background and calls the subscriber back."""

    def __init__(
        self,
        run: Run,
        group: str,
        member: str,
        topics: tuple[str, ...],
        topic_ids: Mapping[str, int],
        lease_seconds: float,
        wake: Callable[[], None],
        on_assigned: Assigned,
        on_revoked: Revoked,
    ) -> None:
        self._run, self._group, self._member, self._topics = run, group, member, topics
        self._ids, self._lease, self._wake = topic_ids, lease_seconds, wake
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._task: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self._failure: BaseException | None = None
        self.positions: dict[TopicPartition, int] = {}
        """Owned partitions and the next offset to read of each."""

    def check(self) -> None:
        """Raise what ended the membership."""
        if self._failure is not None:
            raise self._failure

    def hurry(self) -> None:
        """Somebody joined, left or let go: beat now."""
        self._hurried.set()

    async def join(self) -> None:
        """Beat once and go on in the background. Raises NotAllowed or BusUnavailable."""
        await self._beat()
        self._task = asyncio.create_task(self._beating(), name=f"bus-member-{self._group}")

    async def _beating(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            try:
                async with asyncio.timeout(self._lease / 3):
                    await self._hurried.wait()
            except TimeoutError:
                pass
            self._hurried.clear()
            try:
                await self._beat()
                last = loop.time()
            except BusError as error:
                if not isinstance(error, BusUnavailable) or loop.time() - last > self._lease:
                    await self._end(error)
                    return
            except Exception as error:  # noqa: BLE001
                # A callback failed: `check` raises it where the subscriber reads.
                await self._end(error)
                return

    async def _end(self, error: BaseException) -> None:
        self._failure = error
        lost = frozenset(self.positions)
        self.positions.clear()
        self._wake()
        if lost:
            await self._on_revoked(lost)

    async def _beat(self) -> None:
        text = "SELECT * FROM bus_beat($1, $2, $3, $4)"
        arguments: tuple[Any, ...] = (self._group, self._member, list(self._topics), self._lease)
        row = await self._run(lambda c: c.fetchrow(text, *arguments))
        names = {number: name for name, number in self._ids.items()}
        owned = dict(
            zip(
                zip((names[i] for i in row[0] or ()), row[1] or (), strict=True),
                row[2] or (),
                strict=True,
            )
        )
        gone = frozenset(self.positions) - frozenset(owned)
        unmeant = frozenset(key for key, meant in owned.items() if not meant)
        if gone or unmeant & frozenset(self.positions):
            await self._revoke(gone | (unmeant & frozenset(self.positions)))
        if unmeant:
            await self._release(unmeant)
        fresh = frozenset(owned) - unmeant - frozenset(self.positions)
        if fresh:
            self.positions.update(await self._on_assigned(fresh))
            self._wake()

    async def _revoke(self, partitions: frozenset[TopicPartition]) -> None:
        for key in partitions:
            self.positions.pop(key, None)
        await self._on_revoked(partitions)

    async def _release(self, partitions: frozenset[TopicPartition]) -> None:
        ids = [self._ids[topic] for topic, _ in partitions]
        numbers = [number for _, number in partitions]
        text = "SELECT bus_release($1, $2, $3, $4)"
        await self._run(lambda c: c.execute(text, self._group, self._member, ids, numbers))

    async def stands(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Write where the group stands; for people, so an outage is no error."""
        topics = [topic for topic, _ in offsets]
        numbers = [number for _, number in offsets]
        values = list(offsets.values())
        text = "SELECT bus_stands($1, $2, $3, $4)"
        try:
            await self._run(lambda c: c.execute(text, self._group, topics, numbers, values))
        except BusUnavailable:
            return

    def stop(self) -> None:
        """Stop beating; the lease runs out by itself."""
        if self._task is not None:
            self._task.cancel()

    async def leave(self) -> None:
        """Give everything up after the subscriber has finished, and leave the group."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self.positions:
            await self._revoke(frozenset(self.positions))
        try:
            text = "SELECT bus_leave($1, $2)"
            await self._run(lambda c: c.execute(text, self._group, self._member))
        except BusError:
            return  # the lease runs out by itself
