"""What the consumer does next. No I/O, no clock: facts and times come in, actions go out.

A batch is first tried a group at a time. A group that fails for a reason that passes is set aside
for a moment while the others go on; where it goes on failing, or fails for good, its events are
tried one by one, each in a transaction of its own: a deferred constraint speaks only at COMMIT,
where no savepoint would help to find the culprit. The one that fails again parks its key. What
shares a key with something set aside waits behind it. The offsets move with the last step of a
batch, so a crash before it repeats steps that `applied` knows already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.bus.consumer_actions import (
    Action,
    Apply,
    Commit,
    Done,
    Fact,
    Failed,
    Fenced,
    How,
    Keep,
    Move,
    Moves,
    Park,
    Poll,
    Records,
    Resync,
    Settle,
    Stands,
    Wait,
)
from shared.bus.delivery import Batch, Group, Key, batch_of
from shared.bus.port import Record, TopicPartition
from shared.contracts.envelope import Event
from shared.db.locks import LockKey

__all__ = [
    "Action",
    "Apply",
    "Commit",
    "ConsumerMachine",
    "Done",
    "Fact",
    "Failed",
    "Fenced",
    "Keep",
    "Move",
    "Moves",
    "Park",
    "Poll",
    "Records",
    "Resync",
    "Settle",
    "Stands",
    "Wait",
]

RETRY_FIRST_SECONDS = 0.05
RETRY_LAST_SECONDS = 5.0
GROUP_TRIES = 2
"""Of a group whose failure may pass, before its events are tried one by one."""
SINGLE_TRIES = 5
"""Of one event whose failure may pass, before its key waits by itself."""
SETTLE_SECONDS, SETTLE_ON_SECONDS = 2.0, 0.05
"""Between two rounds; and where the first left some behind, in which case others are read too."""
COMMIT_SECONDS = 1.0
POLL_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _Held:
    """A step of the batch in hand: how often it failed, and before when it is not tried again."""

    step: Keep | Apply | Park
    tries: int = 0
    not_before: float = 0.0

    @property
    def keys(self) -> set[Key]:
        """The keys whose order it belongs to."""
        match self.step:
            case Apply():
                return {delivery.key for delivery in self.step.group.deliveries}
            case Park():
                return {self.step.delivery.key}
            case _:
                return set()


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
        self._held: list[_Held] = []
        self._moves: Moves | None = None
        self._doing: _Held | None = None
        self._last: Action | None = None
        self._astray = False
        self._full = False
        self._tries = 0
        self._pause_until = 0.0
        self._settle_at = 0.0
        self._commit_at = 0.0
        self._unsaid: set[TopicPartition] = set()

    @property
    def in_hand(self) -> bool:
        """Whether a batch was read whose offsets have not moved yet."""
        return self._moves is not None

    def assigned(self, offsets: Mapping[TopicPartition, int]) -> None:
        """These partitions are owned now, and stand at these stored offsets."""
        self.positions.update(offsets)

    def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """These are not owned any more. What is left of the batch in hand is dropped and what
        still is owned is read again from its stored offsets."""
        for key in partitions:
            self.positions.pop(key, None)
        self._unsaid -= partitions
        self._astray = self._astray or self.in_hand
        self._drop()

    def _drop(self) -> None:
        self._held.clear()
        self._moves = self._doing = None

    def decide(self, now: float) -> Action:
        """What to do at this time."""
        self._doing = None
        self._last = action = self._next(now)
        return action

    def _next(self, now: float) -> Action:
        if now < self._pause_until:
            return Wait(self._pause_until - now)
        if self._astray:
            return Resync()
        if self._held:
            return self._of_batch(now)
        if self._moves is not None:
            return Move(self._moves)
        if now >= self._settle_at:
            return Settle()
        if self._unsaid and now >= self._commit_at:
            return Commit({key: self.positions[key] for key in self._unsaid})
        left = max(0.0, self._settle_at - now)
        return Wait(left) if self._full else Poll(min(POLL_SECONDS, left))

    def _of_batch(self, now: float) -> Action:
        """The first step that is due and that nothing set aside stands before."""
        blocked: set[Key] = set()
        for held in self._held:
            if now < held.not_before or not blocked.isdisjoint(held.keys):
                blocked |= held.keys
                continue
            self._doing = held
            if len(self._held) == 1 and not isinstance(held.step, Park):
                return replace(held.step, moves=self._moves)
            return held.step
        return Wait(min(held.not_before for held in self._held if held.not_before > now) - now)

    def heard(self, fact: Fact, now: float) -> None:
        """Take the outcome of the last action."""
        if not isinstance(fact, Failed) and not isinstance(self._last, Wait):
            self._tries = 0
        match fact:
            case Records():
                self._begin(fact.records)
            case Stands():
                # What came to be owned meanwhile stands where it was said to stand.
                owned = fact.offsets.keys() & self.positions.keys()
                self.positions.update({key: fact.offsets[key] for key in owned})
                self._astray = False
            case Fenced():
                self._drop()
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
        if batch.unread:
            self._held.append(_Held(Keep(batch.unread)))
        self._held += [_Held(Apply(group)) for group in batch.groups]
        if self._held:
            self._moves = self._moves_of(batch)

    def _moves_of(self, batch: Batch) -> Moves:
        return Moves(tuple((key, self.positions[key], end) for key, end in batch.ends.items()))

    def _finished(self, fact: Done, now: float) -> None:
        action = self._last
        match action:
            case Settle():
                pause = SETTLE_ON_SECONDS if fact.healed else SETTLE_SECONDS
                self._settle_at, self._full = now + pause, fact.full
                return
            case Commit():
                self._unsaid.clear()
                self._commit_at = now + COMMIT_SECONDS
            case Keep() | Apply() | Park():
                if self._doing is None:
                    return  # it was dropped while it was done
                self._held.remove(self._doing)
                if not isinstance(action, Park):
                    self._moved(action.moves)
            case Move() if action.moves is self._moves:
                self._moved(action.moves)
        if fact.healed:
            self._settle_at = 0.0

    def _moved(self, moves: Moves | None) -> None:
        if moves is None:
            return
        for key, _, end in moves.of:
            self.positions[key] = end
            self._unsaid.add(key)
        self._moves = None

    def _failed(self, fact: Failed, now: float) -> None:
        held = self._doing
        if held is None or fact.how == "away" or isinstance(held.step, Keep):
            # Nothing can be done, or nothing goes past this: wait with everything.
            self._tries += 1
            self._pause_until = now + self._backoff(self._tries)
            if isinstance(self._last, Settle):
                self._settle_at = now + SETTLE_SECONDS
            return
        held.tries += 1
        if isinstance(held.step, Apply) and self._hopeless(held.step, held.tries, fact.how):
            self._take_apart(held, held.step, fact)
            return
        # Of a key that cannot be parked nothing is lost: the batch does not end without it.
        held.not_before = now + self._backoff(held.tries)

    @staticmethod
    def _hopeless(step: Apply, tries: int, how: How) -> bool:
        most = SINGLE_TRIES if len(step.group.deliveries) == 1 else GROUP_TRIES
        return how in ("permanent", "slow") or tries >= most

    def _backoff(self, tries: int) -> float:
        longest = RETRY_FIRST_SECONDS * float(2 ** min(tries, 10))
        return min(longest, RETRY_LAST_SECONDS) * (0.5 + self._jitter() / 2)

    def _take_apart(self, held: _Held, step: Apply, fact: Failed) -> None:
        deliveries = step.group.deliveries
        parts: list[Apply | Park]
        if len(deliveries) == 1:
            parts = [Park(deliveries[0], fact.problem, passes=fact.how != "permanent")]
        else:
            parts = [Apply(Group(step.group.network_id, (d,))) for d in deliveries]
        at = self._held.index(held)
        self._held[at : at + 1] = [_Held(part) for part in parts]
