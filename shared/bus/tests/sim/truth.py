"""What really happened, and what must never be seen. Knows nothing of how it is kept."""

from dataclasses import dataclass, field
from typing import TypeAlias

Subject: TypeAlias = tuple[int, str]
"""(network, subject)."""


class Violation(AssertionError):
    """A promise is broken; the text says which."""


@dataclass(frozen=True, slots=True)
class Said:
    """A committed event. `heard`: beta has a handler for it. `fails`: how, if it does."""

    subject: Subject
    seq: int
    event_id: str
    value: int
    heard: bool
    fails: str


@dataclass(slots=True)
class Truth:
    """Grows with the run; every line is checked as it comes."""

    said: dict[Subject, list[Said]] = field(default_factory=dict)
    by_id: dict[str, Said] = field(default_factory=dict)
    first_on_bus: dict[Subject, int] = field(default_factory=dict)
    effects: dict[Subject, list[Said]] = field(default_factory=dict)
    skipped: dict[int, Said] = field(default_factory=dict)
    mended: set[str] = field(default_factory=set)
    junk: set[tuple[str, int, bytes]] = field(default_factory=set)
    cursors: list[object] = field(default_factory=list)
    epoch_told: int = 0
    history_lost: bool = False
    repeats: int = 0

    def committed(self, events: list[Said]) -> None:
        """A transaction of alpha is committed."""
        for event in events:
            told = self.said.setdefault(event.subject, [])
            if event.seq != len(told) + 1:
                raise Violation(f"{event.subject} says {event.seq} after {len(told)}")
            told.append(event)
            self.by_id[event.event_id] = event

    def appeared(self, event_id: str) -> None:
        """A record of ours is on the bus."""
        event = self.by_id.get(event_id)
        if event is None:
            raise Violation("something uncommitted is on the bus")
        first = self.first_on_bus.get(event.subject, 0)
        if event.seq > first + 1:
            raise Violation(f"{event.subject}: {event.seq} is on the bus before {first + 1}")
        self.repeats += event.seq <= first
        self.first_on_bus[event.subject] = max(first, event.seq)

    def appended(self, epoch: int) -> None:
        """A bus that compares epochs has taken something from this one."""
        if epoch < self.epoch_told:
            raise Violation(f"epoch {epoch} writes after {self.epoch_told} has begun to read")

    def reads(self, epoch: int | None) -> None:
        """A relay of this epoch reads rows to append."""
        self.epoch_told = max(self.epoch_told, epoch or 0)

    def saved(self, before: object, after: object) -> None:
        """The relay's cursor has moved."""
        if not before <= after:  # type: ignore[operator]
            raise Violation(f"the cursor moves back from {before} to {after}")

    def moved(self, at: object, before: int, after: int) -> None:
        """A stored offset is moved by a consumer."""
        if after < before:
            raise Violation(f"the offset of {at} moves back from {before} to {after}")

    def took_effect(self, subject: Subject, event_id: str, value: int) -> None:
        """An effect of beta is committed."""
        event = self.by_id.get(event_id)
        if event is None or not event.heard:
            raise Violation("something took effect that nobody said")
        if event.subject != subject or event.value != value:
            raise Violation(f"{event.subject} took effect as {subject}")
        effects = self.effects.setdefault(subject, [])
        if effects and event.seq <= effects[-1].seq:
            raise Violation(f"{subject}: {event.seq} took effect after {effects[-1].seq}")
        last = effects[-1].seq if effects else 0
        passed = self.said[subject][last : event.seq - 1]
        lost = [e.seq for e in passed if e.heard and e not in self.skipped.values()]
        if lost:
            raise Violation(f"{subject}: {event.seq} took effect before {lost[0]}")
        effects.append(event)

    def hole(self, subject: Subject, seq: int) -> None:
        """A key waits for an event that has not come."""
        if not self.history_lost:
            raise Violation(f"{subject}: a hole before {seq}, and the bus forgot nothing")

    def skip(self, action: int, subject: Subject, seq: int) -> None:
        """An operator's skip is committed. It is for one event."""
        event = self.said[subject][seq - 1]
        if action in self.skipped:
            raise Violation(f"{subject}: one skip lost {self.skipped[action].seq} and {seq}")
        self.skipped[action] = event

    def stops_at(self, subject: Subject) -> int | None:
        """Where a subject's failing event holds it up in the end, if one does."""
        skipped = set(self.skipped.values())
        for event in self.said[subject]:
            if event.fails and event.event_id not in self.mended and event not in skipped:
                return event.seq
        return None

    def expected(self, subject: Subject) -> list[Said]:
        """What must have taken effect in the end."""
        stop = self.stops_at(subject)
        told = self.said[subject][: None if stop is None else stop - 1]
        skipped = set(self.skipped.values())
        return [event for event in told if event.heard and event not in skipped]
