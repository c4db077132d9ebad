"""What the consumer does next. No I/O, no clock: facts and times come in, actions go out.

A batch is first tried a group at a time. Where a group fails for good, its events are tried one by
one, each in a transaction of its own: a deferred constraint speaks only at COMMIT, where no
savepoint would help to find the culprit. The one that fails again parks its key. The offsets move
with the last step of a batch, so a crash before it repeats steps that `applied` knows already.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared.bus.delivery import Batch, Delivery, Group, Unread, batch_of
from shared.bus.port import Record, TopicPartition
from shared.contracts.envelope import Event
from shared.db.locks import LockKey

RETRY_FIRST_SECONDS = 0.05
RETRY_LAST_SECONDS = 5.0
SLOW_TRIES = 3
SETTLE_SECONDS = 2.0
COMMIT_SECONDS = 1.0
POLL_SECONDS = 2.0
BATCH_RECORDS = 500


@dataclass(frozen=True, slots=True)
class Moves:
    """Where partitions stand and go: each (partition, from, to). The fence of a subscriber."""

    of: tuple[tuple[TopicPartition, int, int], ...]


@dataclass(frozen=True, slots=True)
class Poll:
    """Read from the bus. Answered by Records."""

    seconds: float
    most: int = BATCH_RECORDS


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep unreadable records; `moves` where it is the last step."""

    unread: tuple[Unread, ...]
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply a group in one transaction, in order; `moves` where it is the last step."""

    group: Group
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """Park the key of a delivery that fails."""

    delivery: Delivery
    problem: str


@dataclass(frozen=True, slots=True)
class Move:
    """Move the offsets alone."""

    moves: Moves


@dataclass(frozen=True, slots=True)
class Resync:
    """Read the stored offsets of what is owned and seek there. Answered by Stands."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Heal holes whose missing event has come, and do what operators asked."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Tell the bus where the group stands."""

    offsets: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing for some seconds."""

    seconds: float


Step: TypeAlias = Keep | Apply | Park | Move
Action: TypeAlias = Poll | Step | Resync | Settle | Commit | Wait


@dataclass(frozen=True, slots=True)
class Records:
    """What a poll gave."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. `healed`: an event came that a parked key was waiting for."""

    healed: bool = False


@dataclass(frozen=True, slots=True)
class Fenced:
    """The stored offsets are not where this member left them: somebody else moved them."""


@dataclass(frozen=True, slots=True)
class Stands:
    """The stored offsets of what is owned."""

    offsets: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Failed:
    """`transient`: the same may succeed later. `slow`: it took too long. `permanent`: it will fail
    again. `problem` is a code, never a value."""

    how: Literal["transient", "slow", "permanent"]
    problem: str


Fact: TypeAlias = Records | Done | Fenced | Stands | Failed


class ConsumerMachine:
    """`decide` names the next action, `heard` takes its outcome. Times are monotonic seconds."""

    def __init__(
        self,
        known: Mapping[str, type[Event]],
        locks: Callable[[Event], Sequence[LockKey]],
        jitter: Callable[[], float],
    ) -> None:
        """known: the events heard, by wire type. jitter: a number in [0, 1) for each pause."""
        self._known, self._locks, self._jitter = known, locks, jitter
        self.positions: dict[TopicPartition, int] = {}
        """Owned partitions and their stored offsets, as last read or written here."""
        self._steps: deque[Step] = deque()
        self._last: Action | None = None
        self._astray = False
        self._tries = 0
        self._slow = 0
        self._pause_until = 0.0
        self._settle_at = 0.0
        self._commit_at = 0.0
        self._unsaid: set[TopicPartition] = set()

    def assigned(self, offsets: Mapping[TopicPartition, int]) -> None:
        """These partitions are owned now, and stand at these stored offsets."""
        self.positions.update(offsets)

    def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """These are not owned any more. What is left of the batch in hand is dropped and what
        still is owned is read again from its stored offsets."""
        for key in partitions:
            self.positions.pop(key, None)
        self._unsaid -= partitions
        self._astray = self._astray or bool(self._steps)
        self._steps.clear()

    def decide(self, now: float) -> Action:
        """What to do at this time."""
        self._last = action = self._next(now)
        return action

    def _next(self, now: float) -> Action:
        if now < self._pause_until:
            return Wait(self._pause_until - now)
        if self._astray:
            return Resync()
        if self._steps:
            return self._steps[0]
        if now >= self._settle_at:
            return Settle()
        if self._unsaid and now >= self._commit_at:
            return Commit({key: self.positions[key] for key in self._unsaid})
        return Poll(min(POLL_SECONDS, max(0.0, self._settle_at - now)))

    def heard(self, fact: Fact, now: float) -> None:
        """Take the outcome of the last action."""
        if not isinstance(fact, Failed) and not isinstance(self._last, Wait):
            self._tries = self._slow = 0
        match fact:
            case Records():
                self._begin(fact.records)
            case Stands():
                # What came to be owned meanwhile stands where it was said to stand.
                owned = fact.offsets.keys() & self.positions.keys()
                self.positions.update({key: fact.offsets[key] for key in owned})
                self._astray = False
            case Fenced():
                self._steps.clear()
                self._astray = True
            case Failed():
                self._failed(fact, now)
            case Done():
                self._finished(fact, now)

    def _begin(self, records: Sequence[Record]) -> None:
        # What was read before a partition was lost, or below where it stands, is not ours to apply.
        ours = [
            r
            for r in records
            if r.offset >= self.positions.get((r.topic, r.partition), r.offset + 1)
        ]
        batch = batch_of(ours, self._known, self._locks)
        steps: list[Step] = []
        if batch.unread:
            steps.append(Keep(batch.unread))
        steps += [Apply(group) for group in batch.groups]
        if steps:
            steps[-1] = _with_moves(steps[-1], self._moves(batch))
        self._steps.extend(steps)

    def _moves(self, batch: Batch) -> Moves:
        return Moves(tuple((key, self.positions[key], end) for key, end in batch.ends.items()))

    def _finished(self, fact: Done, now: float) -> None:
        action = self._last
        match action:
            case Settle():
                self._settle_at = now + SETTLE_SECONDS
            case Commit():
                self._unsaid.clear()
                self._commit_at = now + COMMIT_SECONDS
            case Keep() | Apply() | Park() | Move():
                if not self._steps or self._steps[0] is not action:
                    return  # it was dropped while it was done
                self._steps.popleft()
                moves = None if isinstance(action, Park) else action.moves
                for key, _, end in moves.of if moves else ():
                    self.positions[key] = end
                    self._unsaid.add(key)
        if fact.healed:
            self._settle_at = 0.0

    def _failed(self, fact: Failed, now: float) -> None:
        self._tries += 1
        self._slow += fact.how == "slow"
        step = self._last
        hopeless = fact.how == "permanent" or self._slow >= SLOW_TRIES
        if hopeless and isinstance(step, Apply) and self._steps and self._steps[0] is step:
            self._tries = self._slow = 0
            self._take_apart(step, fact.problem)
            return
        # A key that cannot be parked stops everything rather than be lost.
        if isinstance(step, Settle):
            self._settle_at = now + SETTLE_SECONDS
        longest = RETRY_FIRST_SECONDS * 2 ** min(self._tries, 10)
        seconds = min(longest, RETRY_LAST_SECONDS) * (0.5 + self._jitter() / 2)
        self._pause_until = now + seconds

    def _take_apart(self, step: Apply, problem: str) -> None:
        self._steps.popleft()
        deliveries = step.group.deliveries
        parts: list[Step]
        if len(deliveries) == 1:
            parts = [Park(deliveries[0], problem)]
        else:
            parts = [Apply(Group(step.group.network_id, (d,))) for d in deliveries]
        if step.moves is not None:
            parts.append(Move(step.moves))
        self._steps.extendleft(reversed(parts))


def _with_moves(step: Step, moves: Moves) -> Step:
    match step:
        case Keep():
            return Keep(step.unread, moves)
        case Apply():
            return Apply(step.group, moves)
        case _:
            return step
