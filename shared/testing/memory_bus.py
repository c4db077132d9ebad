"""A bus in memory: the same port and the same promises, for tests and the seeded simulation.

A `MemoryLog` is the store; each `MemoryBus` on it stands for one process. It keeps no clock: a
member is gone when it closes or when the test says it died.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.bus.port import (
    Assigned,
    BusUnavailable,
    Message,
    OffsetOutOfRange,
    Producer,
    Record,
    Revoked,
    StaleProducer,
    TopicPartition,
    UnknownTopic,
    check_sizes,
)
from shared.contracts.envelope import PARTITIONS

_numbers = count(1)


@dataclass(slots=True)
class _Partition:
    start: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.records)


@dataclass(slots=True)
class MemoryLog:
    """What outlives the processes. `down` makes every call fail as an outage does."""

    name: str = field(default_factory=lambda: f"memory:{next(_numbers)}")
    down: bool = False
    partitions: dict[TopicPartition, _Partition] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    groups: dict[str, list["MemorySubscription"]] = field(default_factory=dict)
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    dealing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check_up(self) -> None:
        """Raise BusUnavailable during an outage."""
        if self.down:
            raise BusUnavailable("down")

    def of(self, topics: Sequence[str]) -> dict[TopicPartition, _Partition]:
        """The partitions of topics. Raises UnknownTopic."""
        wanted = [(topic, number) for topic in topics for number in range(PARTITIONS)]
        missing = [topic for topic, number in wanted if (topic, number) not in self.partitions]
        if missing:
            raise UnknownTopic(missing[0])
        return {key: self.partitions[key] for key in wanted}

    def trim(self, partition: TopicPartition, before: int) -> None:
        """Forget the records of a partition below an offset, as retention does."""
        held = self.partitions[partition]
        del held.records[: before - held.start]
        held.start = before

    async def rebalance(self, group: str) -> None:
        """Deal the partitions of a group's topics to its members, one owner each."""
        async with self.dealing:
            await self._deal(group)

    async def _deal(self, group: str) -> None:
        members = [m for m in self.groups.get(group, []) if not m.dead]
        dealt: dict[int, set[TopicPartition]] = {id(m): set() for m in members}
        for index, key in enumerate(sorted({key for m in members for key in self.of(m.topics)})):
            able = [m for m in members if key[0] in m.topics]
            dealt[id(able[index % len(able)])].add(key)
        for member in members:
            await member.give_up(member.assignment - dealt[id(member)])
        for member in members:
            await member.take(frozenset(dealt[id(member)]) - member.assignment)

    def wake(self) -> None:
        """Let everyone who waits for records look again."""
        for members in self.groups.values():
            for member in members:
                member.woken.set()


@dataclass(slots=True, eq=False)
class MemorySubscription:
    """See `shared.bus.port.Subscription`."""

    log: MemoryLog
    group: str
    topics: tuple[str, ...]
    on_assigned: Assigned
    on_revoked: Revoked
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    dead: bool = False
    turn: int = 0

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this member owns."""
        return frozenset(self.positions)

    async def take(self, partitions: frozenset[TopicPartition]) -> None:
        """Become the owner of partitions."""
        if partitions:
            self.positions.update(await self.on_assigned(partitions))
            self.woken.set()

    async def give_up(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop being the owner, after the subscriber has been told."""
        if partitions:
            await self.on_revoked(partitions)
        for key in partitions:
            self.positions.pop(key, None)

    async def die(self) -> None:
        """As by kill -9: nothing is told to this member, and the others take over."""
        self.dead = True
        await self._gone()

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See the port."""
        end = asyncio.get_running_loop().time() + timeout
        while True:
            self.log.check_up()
            self.woken.clear()
            found = self._read(max_records)
            left = end - asyncio.get_running_loop().time()
            if found or left <= 0:
                return found
            try:
                await asyncio.wait_for(self.woken.wait(), left)
            except TimeoutError:
                continue

    def _read(self, max_records: int) -> list[Record]:
        found: list[Record] = []
        keys = sorted(self.positions)
        self.turn += 1
        for index in range(len(keys)):
            key = keys[(index + self.turn) % len(keys)]
            held, at = self.log.partitions[key], self.positions[key]
            if not held.start <= at <= held.end:
                raise OffsetOutOfRange(*key, at)
            taken = held.records[at - held.start :][: max_records - len(found)]
            self.positions[key] = at + len(taken)
            found.extend(taken)
        return found

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """See the port."""
        if partition in self.positions:
            self.positions[partition] = offset
            self.woken.set()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port."""
        self.log.committed.update({(self.group, key): at for key, at in offsets.items()})

    async def close(self) -> None:
        """See the port."""
        if not self.dead:
            self.dead = True
            await self.give_up(self.assignment)
            await self._gone()

    async def _gone(self) -> None:
        members = self.log.groups.get(self.group, [])
        if self in members:
            members.remove(self)
            await self.log.rebalance(self.group)


@dataclass(slots=True)
class MemoryBus:
    """See `shared.bus.port.Bus`."""

    log: MemoryLog = field(default_factory=MemoryLog)

    async def bus_id(self) -> str:
        """See the port."""
        return self.log.name

    async def create_topics(self, topics: Sequence[str]) -> None:
        """See the port."""
        self.log.check_up()
        for topic in topics:
            for number in range(PARTITIONS):
                self.log.partitions.setdefault((topic, number), _Partition())

    def ready(self, messages: Sequence[Message]) -> Sequence[Message]:
        """See the port."""
        return messages

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        """See the port."""
        self.log.check_up()
        check_sizes(messages)
        if producer.epoch < self.log.epochs.get(producer.name, 0):
            raise StaleProducer(producer.name)
        targets = self.log.of(sorted({m.topic for m in messages}))
        self.log.epochs[producer.name] = producer.epoch
        offsets: list[int] = []
        for m in messages:
            held = targets[m.topic, m.partition]
            offsets.append(held.end)
            held.records.append(
                Record(m.topic, m.partition, held.end, m.key, tuple(m.headers), m.value)
            )
        self.log.wake()
        return offsets

    async def subscribe(
        self, group: str, topics: Sequence[str], *, on_assigned: Assigned, on_revoked: Revoked
    ) -> MemorySubscription:
        """See the port."""
        self.log.check_up()
        self.log.of(topics)
        member = MemorySubscription(self.log, group, tuple(topics), on_assigned, on_revoked)
        self.log.groups.setdefault(group, []).append(member)
        try:
            await self.log.rebalance(group)
        except BaseException:
            # Whoever could not join owns nothing: else it would keep its share for ever.
            member.dead = True
            self.log.groups[group].remove(member)
            raise
        return member

    async def read(
        self, positions: Mapping[TopicPartition, int], max_records: int, timeout: float
    ) -> list[Record]:
        """See the port."""
        end = asyncio.get_running_loop().time() + timeout
        while True:
            self.log.check_up()
            self.log.of(sorted({topic for topic, _ in positions}))
            found: list[Record] = []
            for key, at in positions.items():
                held = self.log.partitions[key]
                if not held.start <= at <= held.end:
                    raise OffsetOutOfRange(*key, at)
                found += held.records[at - held.start :][: max_records - len(found)]
            left = end - asyncio.get_running_loop().time()
            if found or left <= 0:
                return found
            await asyncio.sleep(min(left, 0.01))

    async def log_starts(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """See the port."""
        self.log.check_up()
        return {key: held.start for key, held in self.log.of(topics).items()}

    async def log_ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """See the port."""
        self.log.check_up()
        return {key: held.end for key, held in self.log.of(topics).items()}

    async def close(self) -> None:
        """See the port."""
