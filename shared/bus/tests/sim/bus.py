"""The bus: partitions of records, with or without a comparison of epochs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.bus.port import BusUnavailable, Message, OffsetOutOfRange, Record, StaleProducer
from shared.bus.port import TopicPartition as At
from shared.bus.tests.company import TOPIC
from shared.bus.tests.sim.plan import Plan
from shared.bus.tests.sim.truth import Truth
from shared.contracts.envelope import PARTITIONS


@dataclass(slots=True)
class Partition:
    """What a partition holds; `start` is the offset of the first record held."""

    start: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.records)


class Log:
    """The bus's store."""

    def __init__(self, random: random.Random, plan: Plan, truth: Truth) -> None:
        self.random, self.plan, self.truth = random, plan, truth
        self.down = False
        self.epoch = 0
        self.partitions = {(TOPIC, number): Partition() for number in range(PARTITIONS)}

    def check_up(self) -> None:
        """Raise BusUnavailable in an outage."""
        if self.down:
            raise BusUnavailable("down")

    def append(self, epoch: int, messages: Sequence[Message], faults: bool) -> None:
        """Append in order. Raises StaleProducer; BusUnavailable, after which all of it was done or
        nothing, or on Kafka some of it: of each partition the first ones."""
        self.check_up()
        self.check_epoch(epoch)
        if self.plan.fenced:
            self.truth.appended(epoch)
        fails = faults and self.random.random() < self.plan.silent
        taken = dict.fromkeys(self.partitions, len(messages))
        if fails:
            if self.plan.fenced:
                taken = dict.fromkeys(self.partitions, self.random.choice((0, len(messages))))
            else:
                taken = {at: self.random.randint(0, len(messages)) for at in self.partitions}
        for message in messages:
            at = (message.topic, message.partition)
            if taken[at] > 0:
                taken[at] -= 1
                self.put(message)
        if fails:
            raise BusUnavailable("no answer")

    def check_epoch(self, epoch: int) -> None:
        """Refuse a producer with a later one behind it."""
        if self.plan.fenced:
            if epoch < self.epoch:
                raise StaleProducer("alpha")
            self.epoch = epoch

    def put(self, message: Message) -> None:
        """Append one message."""
        held = self.partitions[message.topic, message.partition]
        self.truth.appeared(dict(message.headers)["ce_id"])
        held.records.append(
            Record(
                message.topic,
                message.partition,
                held.end,
                message.key,
                tuple(message.headers),
                message.value,
            )
        )

    def put_junk(self, number: int) -> None:
        """Append what names no subject."""
        at = self.random.randrange(PARTITIONS)
        held = self.partitions[TOPIC, at]
        value = b"junk %d" % number
        held.records.append(Record(TOPIC, at, held.end, None, (), value))
        self.truth.junk.add((TOPIC, at, value))

    def fetch(self, at: At, offset: int, most: int) -> list[Record]:
        """Records from an offset on. Raises OffsetOutOfRange."""
        held = self.partitions[at]
        if not held.start <= offset <= held.end:
            raise OffsetOutOfRange(*at, offset)
        return held.records[offset - held.start :][:most]

    def trim(self, at: At, before: int) -> None:
        """Forget what is older, as retention does."""
        held = self.partitions[at]
        del held.records[: before - held.start]
        held.start = before

    def cut(self, at: At, end: int) -> None:
        """Lose what was appended last, as a broker does that had not written it yet."""
        held = self.partitions[at]
        del held.records[end - held.start :]

    def ends(self) -> dict[At, int]:
        """The offset that the next record of each partition gets."""
        return {at: held.end for at, held in self.partitions.items()}
