"""What a bus is, whatever carries it: append, subscribe, seek, offsets.

Topics have 12 partitions for life. Offsets of a partition are dense on Postgres and in memory and
merely rising on Kafka. Delivery is at least once and in order within a partition. Where a group
stands is kept by the subscriber in its own database and wins over what the bus may remember.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, overload

import orjson

from shared.contracts.envelope import Headers

TopicPartition = tuple[str, int]
"""(topic, partition)."""

RECORD_BYTES_MAX = 128 * 1024
"""Key, headers and value of one record, in UTF-8. Twice what an event's value may have."""


class BusError(Exception):
    """Something about the bus. The text names topics and offsets, never a value."""


class BusUnavailable(BusError):
    """The bus does not answer, or broke off; the same call may succeed later."""


class BusStuck(BusUnavailable):
    """A member is behind and reads nothing, though it looks alive."""


class StaleProducer(BusError):
    """A producer of this name with a later epoch has written since: this one must stop."""


class RecordTooLarge(BusError):
    """A record over RECORD_BYTES_MAX. Nothing of the batch was appended."""


class UnknownTopic(BusError):
    """There is no such topic or partition, and none is made by writing to it."""


class NotAllowed(BusError):
    """This role may not append there, read there or join that group."""


class GroupBroken(BusError):
    """The membership of a group failed in a way that only a new process mends."""


class OffsetOutOfRange(BusError):
    """A position below the log's start or above its end: history is gone or was replaced."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        super().__init__(f"{topic}/{partition} has no offset {offset}")
        self.topic, self.partition, self.offset = topic, partition, offset


class Packed(Sequence[tuple[str, str]]):
    """Headers as a JSON list of names and values in turn, the form in which the outbox gives them
    and the bus in Postgres keeps them. They are parsed by whoever looks at one; a relay does not.
    """

    __slots__ = ("flat",)

    def __init__(self, flat: str) -> None:
        self.flat = flat

    def _pairs(self) -> Headers:
        each = iter(orjson.loads(self.flat))
        return tuple(zip(each, each, strict=True))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs())

    def __len__(self) -> int:
        return len(self._pairs())

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> Headers: ...
    def __getitem__(self, index: int | slice) -> tuple[str, str] | Headers:
        return self._pairs()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._pairs() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._pairs())


class Message(NamedTuple):
    """A record to append. A tuple, as relays make a hundred thousand of them a minute."""

    topic: str
    key: str
    partition: int
    headers: Sequence[tuple[str, str]]
    value: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read. A transport that keeps the time says when it was appended."""

    topic: str
    partition: int
    offset: int
    key: str | None
    headers: Headers
    value: bytes
    appended_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Producer:
    """Who appends: a service, and which of its relays by rising epoch."""

    name: str
    epoch: int


Assigned = Callable[[frozenset[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Called with newly owned partitions; answers the offset to read each from."""

Revoked = Callable[[frozenset[TopicPartition]], Awaitable[None]]
"""Called before partitions are given up, and late where they were lost. It waits for the
transaction in flight; whatever it raises, the partitions are gone."""


class Subscription(Protocol):
    """One member of a group. After an error other than from `commit` it is closed and made anew."""

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this member owns and may read."""
        ...

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` in partition order, as soon as there are any; none after `timeout`
        seconds. Each record is given once, unless sought again.

        Raises OffsetOutOfRange, UnknownTopic, BusUnavailable, GroupBroken, NotAllowed.
        """
        ...

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read an owned partition from `offset` on. Nothing where it is not owned any more."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the bus where the group stands, for people and autoscalers. Failing is no error."""
        ...

    async def close(self) -> None:
        """Give the partitions up and leave the group; others may take them at once."""
        ...


class Bus(Protocol):
    """A connection to a bus. Nothing is opened before it is needed."""

    async def bus_id(self) -> str:
        """What this bus is called for ever; another one, or one made anew, has another id."""
        ...

    async def create_topics(self, topics: Sequence[str]) -> None:
        """Make the topics that are missing, 12 partitions each, kept for ever."""
        ...

    def ready(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The same messages in the form that `append` needs, made while an earlier batch is on its
        way; a bus may give back what it got. Nothing is sent, and to forget them costs nothing."""
        ...

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        """Append in the order given; the offset of each message.

        After an error some may have been appended, each partition's from the first without a hole:
        the caller sends the whole batch again. An empty batch does nothing but tell the epoch.
        Raises StaleProducer, RecordTooLarge, UnknownTopic, NotAllowed, BusUnavailable.
        """
        ...

    async def subscribe(
        self, group: str, topics: Sequence[str], *, on_assigned: Assigned, on_revoked: Revoked
    ) -> Subscription:
        """Join a group. Within it each partition has one owner at a time."""
        ...

    async def read(
        self, positions: Mapping[TopicPartition, int], max_records: int, timeout: float
    ) -> list[Record]:
        """Up to `max_records` at and after these offsets, outside any group: in order within a
        partition, as soon as there are any; none after `timeout` seconds. One caller at a time.

        Raises OffsetOutOfRange, UnknownTopic, NotAllowed, BusUnavailable.
        """
        ...

    async def log_starts(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The oldest offset of each partition."""
        ...

    async def log_ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The offset that the next record of each partition gets."""
        ...

    async def close(self) -> None:
        """Close the connections. Subscriptions are closed by whoever made them."""
        ...


def check_sizes(messages: Sequence[Message]) -> None:
    """Raise RecordTooLarge if any message is over the limit, before anything is sent."""
    for message in messages:
        headers = message.headers
        text = headers.flat if isinstance(headers, Packed) else "".join(map("".join, headers))
        letters = len(text) + len(message.key)
        if 4 * letters + len(message.value) <= RECORD_BYTES_MAX:
            continue  # no letter takes more than four bytes
        size = len(message.key.encode()) + len(message.value)
        size += sum(len(name.encode()) + len(text.encode()) for name, text in headers)
        if size > RECORD_BYTES_MAX:
            raise RecordTooLarge(f"{size} bytes for {message.topic}; {RECORD_BYTES_MAX} at most")
