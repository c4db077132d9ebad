"""The rules: what was said, what is on the topic, what was heard. Pure.

One topic at a time. First `say` every row of the outbox, in commit order; then `see` every record
of the topic, in order; then `end`. What is kept of an event is eight bytes of its id, at its place
in its subject, so that a million events take some tens of megabytes.

Where old days of the outbox have been dropped, `archived` says so: what a topic has from before is
then counted and not compared, and a subject's numbers begin where the outbox begins.

What a subscriber had heard is read *before* the outbox, and the outbox before the topic's end: then
nobody can have heard what was not said, and whatever a subscriber has not yet come to is on its
way and not lost.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal[
    "hole",
    "said_twice",
    "owner_differs",
    "missing",
    "foreign",
    "another_event",
    "out_of_order",
    "not_applied",
    "applied_unsaid",
    "parked",
    "unreadable",
    "effect",
]
PROBLEMS_MAX = 1000
NOWHERE = 1 << 62


@dataclass(frozen=True, slots=True)
class Problem:
    """An exception. service: whose it is. Ids and numbers alone, never a value."""

    kind: Kind
    service: str
    subject: str
    seq: int | None = None
    event_id: str | None = None
    text: str = ""


@dataclass(slots=True)
class Problems:
    """Exceptions in the order found; beyond PROBLEMS_MAX they are only counted."""

    found: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, problem: Problem) -> None:
        """Note one."""
        self.count += 1
        if len(self.found) < PROBLEMS_MAX:
            self.found.append(problem)


@dataclass(frozen=True, slots=True)
class Heard:
    """How one subscriber stood with a topic: applied up to, parked subjects, next offsets. counts:
    of its deliveries, as they are compared: applied, flight, parked."""

    service: str
    applied: Mapping[str, int]
    parked: Mapping[str, str]
    offsets: Mapping[int, int]
    counts: "Counter[str]" = field(default_factory=Counter)


@dataclass(slots=True)
class _Subject:
    """ids: eight bytes an event, by its number. first: the first number in the outbox. waiting: the
    first that the relay had not sent. seen: the topic has all numbers up to this one, and those in
    `ahead`."""

    network: str
    ids: "array[int]"
    first: int = 1
    waiting: int = NOWHERE
    seen: int = 0
    ahead: set[int] | None = None


class Seen(NamedTuple):
    """A record of the topic: what its headers say. `event_id` is None where they say nothing."""

    partition: int
    offset: int
    event_id: str | None = None
    network: str = ""
    subject: str = ""
    seq: int = 0


def tail_of(event_id: str) -> int:
    """The last eight bytes of an id as a number: those that are random, or a hash."""
    return int(event_id[19:23] + event_id[24:], 16)


class TopicLedger:
    """One topic of one producer. `counts`: events, on_topic, doubled, waiting, new, archived, and
    for each subscriber applied/NAME, flight/NAME, parked/NAME."""

    def __init__(
        self,
        producer: str,
        topic: str,
        heard: Sequence[Heard],
        settled: Mapping[int, int],
        problems: Problems,
        *,
        archived: bool = False,
    ) -> None:
        """`settled`: where the topic ended before the outbox was read, a partition."""
        self.producer, self.topic, self._heard = producer, topic, heard
        self._settled, self.problems, self._archived = settled, problems, archived
        self._subjects: dict[str, _Subject] = {}
        self.counts: Counter[str] = Counter()

    def say(self, network: str, subject: str, seq: int, tail: int, *, waits: bool) -> None:
        """A row of the outbox."""
        self.counts["events"] += 1
        found = self._subjects.get(subject)
        if found is None:
            first = seq if self._archived else 1
            ids = array("Q", bytes(8 * (first - 1)))
            found = self._subjects[subject] = _Subject(network, ids, first, seen=first - 1)
        length = len(found.ids)
        if waits:
            self.counts["waiting"] += 1
            found.waiting = min(found.waiting, seq)
        if seq == length + 1 and network == found.network:
            found.ids.append(tail)
        elif network != found.network:
            self._problem("said_twice", subject, seq, "said by two networks")
        elif seq <= length and found.ids[seq - 1]:
            self._problem("said_twice", subject, seq, "the outbox has this number twice")
        elif seq <= length:
            found.ids[seq - 1] = tail
            self._problem("hole", subject, seq, "the outbox has this number after a later one")
        else:
            for absent in range(length + 1, seq):
                found.ids.append(0)
                self._problem("hole", subject, absent, "the outbox has later numbers, not this one")
            found.ids.append(tail)

    def own(self, subject: str, event_seq: int) -> None:
        """The row of the aggregate, which counts its events itself."""
        found = self._subjects.get(subject)
        said = len(found.ids) if found else 0
        if said != event_seq and not (self._archived and found is None):
            text = f"its row counts {event_seq} events and the outbox has {said}"
            self._problem("owner_differs", subject, None, text)

    def see(self, record: Seen) -> None:
        """A record of the topic, in the order of its partition."""
        found = self._subjects.get(record.subject) if record.event_id else None
        seq = record.seq
        if self._archived and record.event_id and (found is None or seq < found.first):
            self.counts["archived"] += 1
            return None
        if found is None or seq > len(found.ids) or found.network != record.network:
            return self._unknown(record)
        if found.ids[seq - 1] != tail_of(record.event_id or ""):
            at = f"at {record.partition}/{record.offset} is another event than in the outbox"
            return self._problem("another_event", record.subject, seq, at, record.event_id)
        if seq <= found.seen or (found.ahead is not None and seq in found.ahead):
            self.counts["doubled"] += 1
            return None
        self.counts["on_topic"] += 1
        if seq == found.seen + 1:
            found.seen = seq
            if found.ahead is not None:
                self._late(found, record)
        else:
            found.ahead = {*(found.ahead or ()), seq}
        for heard in self._heard:
            if seq <= heard.applied.get(record.subject, 0):
                heard.counts["applied"] += 1
            else:
                self._compare(heard, record)
        return None

    def _unknown(self, record: Seen) -> None:
        """A record of no outbox: one that was said meanwhile, or a stranger."""
        if record.offset >= self._settled.get(record.partition, 0):
            self.counts["new"] += 1
            return
        at = f"at {self.topic}/{record.partition} offset {record.offset}, and in no outbox"
        subject, seq = record.subject or "(no subject)", record.seq or None
        self._problem("foreign", subject, seq, at, record.event_id)

    def _late(self, found: _Subject, record: Seen) -> None:
        text = f"at {record.partition}/{record.offset} it comes after a later one"
        self._problem("out_of_order", record.subject, record.seq, text, record.event_id)
        ahead = found.ahead or set()
        while found.seen + 1 in ahead:
            found.seen += 1
            ahead.remove(found.seen)
        found.ahead = ahead or None

    def _compare(self, heard: Heard, record: Seen) -> None:
        if record.offset >= heard.offsets.get(record.partition, 0):
            heard.counts["flight"] += 1
        elif record.subject in heard.parked:
            heard.counts["parked"] += 1
        else:
            text = f"is past it and has applied {heard.applied.get(record.subject, 0)}"
            self.problems.add(
                Problem(
                    *("not_applied", heard.service, record.subject, record.seq, record.event_id),
                    text,
                )
            )

    def end(self) -> None:
        """After the last record: what never came, and what was heard though nobody said it."""
        for subject, found in self._subjects.items():
            for seq in self._absent(found):
                self._problem("missing", subject, seq, f"not on {self.topic}")
        for heard in self._heard:
            for word, many in heard.counts.items():
                self.counts[f"{word}/{heard.service}"] += many
            for subject, seq in heard.applied.items():
                known = self._subjects.get(subject)
                said = len(known.ids) if known else 0
                if seq > said and not (self._archived and known is None):
                    text = f"applied up to {seq}, and the outbox has {said}"
                    self.problems.add(Problem("applied_unsaid", heard.service, subject, seq, None,
                                              text))  # fmt: skip

    @staticmethod
    def _absent(found: _Subject) -> Iterator[int]:
        """Numbers that were sent and are not on the topic; a hole was named as one."""
        for seq in range(found.seen + 1, min(len(found.ids) + 1, found.waiting)):
            if found.ids[seq - 1] and seq not in (found.ahead or ()):
                yield seq

    def _problem(
        self, kind: Kind, subject: str, seq: int | None, text: str, event_id: str | None = None
    ) -> None:
        self.problems.add(Problem(kind, self.producer, subject, seq, event_id, text))
