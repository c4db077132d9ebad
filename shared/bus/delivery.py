"""From a record to what a subscriber does with it. Pure.

A record whose headers do not name subject, network and sequence is unreadable: it is kept with its
bytes and the partition moves on. One that names them belongs to a key, and the key's order is kept:
where its data cannot be read, or is of another version of a type that is heard, the key is parked.
A type that is not heard, known or not, counts as heard and has no effect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from shared.bus.port import Record, TopicPartition
from shared.contracts.envelope import (
    PREFIX,
    Envelope,
    Event,
    UnknownEvent,
    Unreadable,
    envelope_of,
    topic_of,
)
from shared.contracts.versions import event_of
from shared.db.locks import LOCKS_MAX, LockKey

Key: TypeAlias = tuple[str, str]
"""(topic, subject)."""

Parked = Literal["hole", "poison", "retry"]
"""Why a key waits: for an event that has not come; for an operator, as an event fails for good; for
a while, as an event fails for a reason that passes."""


class Delivery(NamedTuple):
    """A record of a known subject. `event` is None where its type is not heard; `problem` says why
    it can never be handled as it is."""

    record: Record
    envelope: Envelope
    event: Event | None
    problem: str | None
    locks: tuple[LockKey, ...]

    @property
    def key(self) -> Key:
        """What its order is kept by."""
        return (self.record.topic, self.envelope.subject)


@dataclass(frozen=True, slots=True)
class Unread:
    """A record that belongs to nobody, and why."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries of one network that one transaction takes, in order."""

    network_id: UUID
    deliveries: tuple[Delivery, ...]

    @property
    def locks(self) -> list[LockKey]:
        """What it locks: each subject's place in the bus, and what the handlers change."""
        return sorted({lock for d in self.deliveries for lock in d.locks})


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read at once. `ends` is where each partition stands after it."""

    unread: tuple[Unread, ...] = ()
    groups: tuple[Group, ...] = ()
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)


def key_lock(key: Key) -> LockKey:
    """The lock that guards a key's `applied`, its parked events and its order."""
    return (f"bus/{key[0]}", key[1])


def delivery_of(
    record: Record,
    known: Mapping[str, type[Event]],
    locks: Callable[[Event], Sequence[LockKey]],
) -> Delivery | Unread:
    """Read a record; `known` are the events that are heard, by every wire type read as them."""
    try:
        envelope = envelope_of(record.headers)
    except Unreadable as error:
        return Unread(record, str(error))
    kind, _, subject_id = envelope.subject.partition("/")
    producer = envelope.source.removeprefix(f"/{PREFIX}/")
    ours = envelope.source == f"/{PREFIX}/{producer}"
    if not ours or record.key != subject_id or topic_of(producer, kind) != record.topic:
        return Unread(record, "key, source and subject do not belong to this topic")
    event: Event | None = None
    problem: str | None = None
    try:
        event = event_of(envelope, record.value, known)
    except UnknownEvent:
        name, _, _ = envelope.type.rpartition(".v")
        if any(heard.rpartition(".v")[0] == name for heard in known):
            problem = "unknown_version"
    except Unreadable:
        problem = "unreadable_data"
    of_handler: Sequence[LockKey] = ()
    if event is not None:
        try:
            of_handler = locks(event)
        except Exception as error:  # noqa: BLE001 - it would end the consumer, again and again
            event, problem = None, f"locks {type(error).__name__}"
    own = key_lock((record.topic, envelope.subject))
    return Delivery(record, envelope, event, problem, (own, *of_handler))


def batch_of(
    records: Sequence[Record],
    known: Mapping[str, type[Event]],
    locks: Callable[[Event], Sequence[LockKey]],
) -> Batch:
    """Group records by network, in order, at most LOCKS_MAX locks a group."""
    unread: list[Unread] = []
    by_network: dict[UUID, list[Delivery]] = {}
    ends: dict[TopicPartition, int] = {}
    for record in records:
        ends[record.topic, record.partition] = record.offset + 1
        found = delivery_of(record, known, locks)
        if isinstance(found, Unread):
            unread.append(found)
        else:
            by_network.setdefault(found.envelope.network_id, []).append(found)
    groups = [g for network, all_of in by_network.items() for g in _split(network, all_of)]
    return Batch(tuple(unread), tuple(groups), ends)


def _split(network_id: UUID, deliveries: Sequence[Delivery]) -> list[Group]:
    groups: list[Group] = []
    taken: list[Delivery] = []
    held: set[LockKey] = set()
    for delivery in deliveries:
        wider = held | set(delivery.locks)
        if taken and len(wider) > LOCKS_MAX:
            groups.append(Group(network_id, tuple(taken)))
            taken, wider = [], set(delivery.locks)
        taken.append(delivery)
        held = wider
    if taken:
        groups.append(Group(network_id, tuple(taken)))
    return groups


class Verdict(Enum):
    """What happens to an event of a key."""

    REPEAT = "repeat"
    APPLY = "apply"
    PARK = "park"


def verdict(seq: int, applied: int, parked: Parked | None) -> Verdict:
    """Judge an event by its number, by how far its subject has been heard and by whether it waits.

    A number at or below `applied` is a repeat at any age. The next number is applied, also where
    the key waits for just this one. Anything else waits: behind a hole, or behind what fails.
    """
    if seq <= applied:
        return Verdict.REPEAT
    if seq == applied + 1 and parked in (None, "hole"):
        return Verdict.APPLY
    return Verdict.PARK
