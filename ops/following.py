"""Following topics outside any group, while the bus comes and goes; and which events are wanted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from shared.bus.port import Bus, BusError, OffsetOutOfRange, Record, TopicPartition
from shared.contracts.envelope import PREFIX, Envelope, Unreadable, envelope_of

RECORDS_AT_ONCE = 500
READ_SECONDS = 5.0
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: those that fit all that is given.

    type: a name, the beginning of one or a glob, with or without `clinicbus.` and the service.
    subject: `appointment/<id>` or the id alone.
    """

    type: str | None = None
    clinic: UUID | None = None
    subject: str | None = None
    correlation: UUID | None = None
    network: UUID | None = None

    def fits(self, event: Envelope) -> bool:
        """Whether an event is one of them."""
        return (
            (self.network is None or event.network_id == self.network)
            and (self.clinic is None or event.clinic_id == self.clinic)
            and (self.correlation is None or event.correlation_id == self.correlation)
            and (self.subject is None or self._is_of(event.subject, self.subject))
            and (self.type is None or self._is_called(event.type, self.type))
        )

    @staticmethod
    def _is_of(subject: str, wanted: str) -> bool:
        return wanted in (subject, subject.partition("/")[2])

    @staticmethod
    def _is_called(name: str, wanted: str) -> bool:
        short = name.removeprefix(f"{PREFIX}.")
        names = (name, short, short.partition(".")[2])
        return any(each.startswith(wanted) or fnmatchcase(each, wanted) for each in names)

    @property
    def everything(self) -> bool:
        """Whether nothing is filtered."""
        return self == Wanted()


class Follower:
    """Reads topics from where it is told; `positions` is where it stands.

    `say` hears, once each, that the bus is away and that it is back.
    """

    def __init__(
        self, bus: Bus, topics: Sequence[str], say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._bus, self._topics, self._say = bus, tuple(topics), say
        self.positions: dict[TopicPartition, int] = {}
        self._away = False

    async def at_start(self) -> None:
        """Stand at the oldest record of each partition."""
        self.positions = await self._insisted(self._bus.log_starts)

    async def at_end(self) -> None:
        """Stand after the newest."""
        self.positions = await self._insisted(self._bus.log_ends)

    def at(self, positions: Mapping[TopicPartition, int]) -> None:
        """Stand where somebody stood before."""
        self.positions = dict(positions)

    async def last(self, count: int) -> list[Record]:
        """The last `count` events in the order of their times; it then stands after the newest."""
        return await self.before(await self._insisted(self._bus.log_ends), count)

    async def before(self, ends: Mapping[TopicPartition, int], count: int) -> list[Record]:
        """The last `count` events before a place in the order of their times; it then stands
        there."""
        starts = await self._insisted(self._bus.log_starts)
        self.positions = {key: max(starts[key], end - count) for key, end in ends.items()}
        found: list[Record] = []
        while count and any(at < ends[key] for key, at in self.positions.items()):
            stood = dict(self.positions)
            records = await self.read()
            inside = [r for r in records if r.offset < ends[r.topic, r.partition]]
            found = sorted([*found, *inside], key=_time_of)[-count:]
            if self.positions == stood:  # the log has numbers there and no records
                break
        self.positions = dict(ends)
        return found

    async def batches(self) -> AsyncIterator[list[Record]]:
        """Records as they come, without end; a list may be empty while nothing happens."""
        while True:
            yield await self.read()

    async def read(self) -> list[Record]:
        """The next records, or none after some seconds; it waits out a bus that is away."""
        try:
            records = await self._bus.read(self.positions, RECORDS_AT_ONCE, READ_SECONDS)
        except OffsetOutOfRange as error:
            await self._find_place(error)
            return []
        except BusError as error:
            await self._wait_out(error)
            return []
        self._is_back()
        for record in records:
            self.positions[record.topic, record.partition] = record.offset + 1
        return records

    async def _find_place(self, error: OffsetOutOfRange) -> None:
        """History is gone, or the log was made anew: go on at what there is."""
        key = (error.topic, error.partition)
        start = (await self._insisted(self._bus.log_starts))[key]
        end = (await self._insisted(self._bus.log_ends))[key]
        self.positions[key] = start if error.offset < start or error.offset > end else end
        self._say(f"{error}: going on at {self.positions[key]}.")

    async def _insisted(self, ask: Callable[[Sequence[str]], Any]) -> dict[TopicPartition, int]:
        while True:
            try:
                found: dict[TopicPartition, int] = await ask(self._topics)
            except BusError as error:
                await self._wait_out(error)
            else:
                self._is_back()
                return found

    async def _wait_out(self, error: BusError) -> None:
        if not self._away:
            self._say(f"The bus does not answer ({type(error).__name__}); waiting for it.")
        self._away = True
        await asyncio.sleep(PAUSE_SECONDS)

    def _is_back(self) -> None:
        if self._away:
            self._say("The bus is back.")
        self._away = False


def envelope_or_none(record: Record) -> Envelope | None:
    """What the headers say, if they say it."""
    try:
        return envelope_of(record.headers)
    except Unreadable:
        return None


def described(record: Record, event: Envelope) -> dict[str, Any]:
    """An event without its value, for machines."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "id": str(event.id),
        "type": event.type,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "subject": event.subject,
        "sequence": event.subject_seq,
        "network": str(event.network_id),
        "clinic": None if event.clinic_id is None else str(event.clinic_id),
        "actor": event.actor,
        "correlation": str(event.correlation_id),
        "causation": None if event.causation_id is None else str(event.causation_id),
    }


def _time_of(record: Record) -> str:
    return dict(record.headers).get("ce_time", "")
