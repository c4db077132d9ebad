"""Relay and consumer machines in a world of their own: virtual time, one seed, no I/O.

Writers open, commit and give up transactions in any order; two relays and two consumers are paused
between deciding and doing, killed before and after it, and lose their lease or partitions without
being told; the bus goes away. `World.run` ends with everything healed and drained.
"""

import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from shared.bus import consumer_machine as c
from shared.bus import relay_machine as r
from shared.bus.delivery import Delivery, Key, Parked, Verdict, verdict
from shared.bus.port import BusUnavailable, Message, Producer, StaleProducer
from shared.bus.port import TopicPartition as At
from shared.bus.tests.company import TOPIC, ThingChanged, said
from shared.testing.memory_bus import MemoryBus, MemoryLog

T = TypeVar("T")
NETWORKS = (UUID(int=1), UUID(int=2))
POISON, POISONED = 666, 12
"""The value that fails, and the subject whose third event has it."""
TODAY = date(2026, 11, 2)


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


@dataclass(slots=True)
class Transaction:
    """An open transaction of one subject, which it holds the lock of."""

    xid: int
    subject: UUID
    rows: list[r.OutboxRow]


@dataclass(slots=True)
class Lease:
    """The relay's row."""

    owner: str = ""
    epoch: int = 0
    expires: float = 0.0
    cursor: r.Cursor = field(default_factory=lambda: r.Cursor(0, 0))


@dataclass(slots=True)
class Database:
    """Beta's: offsets, how far subjects are heard, effects in order, parked keys."""

    offsets: dict[At, int] = field(default_factory=dict)
    applied: dict[Key, int] = field(default_factory=dict)
    parked: dict[Key, Parked] = field(default_factory=dict)
    effects: list[tuple[str, int, int]] = field(default_factory=list)


class HandlerFailed(Exception):
    """The poison."""


class World:
    """Everything there is, drawn from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.log = MemoryLog("sim")
        self.bus = MemoryBus(self.log)
        at_once(self.bus.create_topics([TOPIC]))
        self.lease = Lease()
        self.database = Database()
        self.next_xid, self.next_id = 100, 1
        self.open: list[Transaction] = []
        self.outbox: list[r.OutboxRow] = []
        self.sequence: dict[UUID, int] = {}
        self.said: dict[UUID, list[int]] = {}
        self.relays = [RelayActor(self, "r0"), RelayActor(self, "r1")]
        self.consumers = [ConsumerActor(self), ConsumerActor(self)]
        self.owner: dict[At, int] = {}
        self.trace: list[str] = []
        self.deal()

    # ── alpha's writers ──────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Open a transaction that says one to three events of a subject nobody has locked."""
        subject = UUID(int=self.random.randrange(1, 13))
        if any(t.subject == subject for t in self.open):
            return
        network_id = NETWORKS[subject.int % 2]
        transaction = Transaction(self.next_xid, subject, [])
        self.next_xid += 1
        for n in range(self.random.randint(1, 3)):
            seq = self.sequence.get(subject, 0) + 1 + n
            value = POISON if subject.int == POISONED and seq == 3 else self.random.randrange(100)
            message = said(network_id, subject, seq, value)
            transaction.rows.append(r.OutboxRow(r.Cursor(transaction.xid, self.next_id), message))
            self.next_id += 1
        self.open.append(transaction)

    def end(self, commit: bool) -> None:
        """Commit or give up a random open transaction."""
        if not self.open:
            return
        transaction = self.open.pop(self.random.randrange(len(self.open)))
        if commit:
            self.outbox += transaction.rows
            seqs = [int(dict(row.message.headers)["ce_subjectseq"]) for row in transaction.rows]
            self.sequence[transaction.subject] = seqs[-1]
            self.said.setdefault(transaction.subject, []).extend(seqs)

    def settled_rows(self, after: r.Cursor, limit: int) -> tuple[r.OutboxRow, ...]:
        """What the relay's statement reads."""
        xmin = min((t.xid for t in self.open), default=self.next_xid)
        rows = (row for row in self.outbox if after < row.cursor and row.cursor.xid < xmin)
        return tuple(sorted(rows, key=lambda row: row.cursor)[:limit])

    # ── beta's group ─────────────────────────────────────────────────────────────────────────

    def deal(self) -> None:
        """Deal the partitions anew; a member may not be told, and goes on as a zombie."""
        whole = [(TOPIC, n) for n in range(12)]
        for key in whole:
            new = self.random.randrange(len(self.consumers))
            old = self.owner.get(key)
            if old == new:
                continue
            if old is not None and self.random.random() < 0.7:
                self.consumers[old].lose(key)
            self.owner[key] = new
            self.consumers[new].own(key)

    # ── the run ──────────────────────────────────────────────────────────────────────────────

    def run(self, steps: int = 500) -> None:
        """Go on at random, then heal and drain."""
        for _ in range(steps):
            self.now += self.random.choice((0.0, 0.001, 0.01, 0.05, 0.3))
            self.write(self.random.random())
            self.hurt(self.random.random())
            for relay in self.relays:
                relay.maybe()
            for consumer in self.consumers:
                consumer.maybe()
        self.log.down = False
        while self.open:
            self.end(commit=True)
        self.consumers = [ConsumerActor(self)]
        self.owner = {}
        self.deal()
        for _ in range(4000):
            self.now += 0.05
            for relay in self.relays:
                relay.act()
            for consumer in self.consumers:
                consumer.act()
            if self.drained():
                return
        raise AssertionError("it does not come to rest")

    def write(self, chance: float) -> None:
        """Something that the service does."""
        if chance < 0.3:
            self.begin()
        elif chance < 0.6:
            self.end(commit=self.random.random() < 0.85)

    def hurt(self, chance: float) -> None:
        """A fault, now and then."""
        place = self.random.randrange(2)
        if chance < 0.01:
            self.log.down = not self.log.down
        elif chance < 0.03:
            self.deal()
        elif chance < 0.04:
            self.relays[place] = RelayActor(self, f"r{self.next_id}-{self.now}")
        elif chance < 0.05:
            self.consumers[place] = ConsumerActor(self)
            for key in [key for key, owner in self.owner.items() if owner == place]:
                self.consumers[place].own(key)
        elif chance < 0.07:
            # As by SIGSTOP, mostly with something decided and not done.
            self.relays[place].paused_until = self.now + self.random.uniform(0, 6)
        elif chance < 0.09:
            self.consumers[place].paused_until = self.now + self.random.uniform(0, 6)

    def drained(self) -> bool:
        """Whether everything committed is on the bus, and everything there has been read."""
        if self.settled_rows(self.lease.cursor, 1):
            return False
        ends = at_once(self.bus.log_ends([TOPIC]))
        return all(self.database.offsets.get(key, 0) == end for key, end in ends.items())


class RelayActor:
    """A relay process: decides in one turn and does it in a later one."""

    def __init__(self, world: World, owner: str) -> None:
        self.world, self.owner = world, owner
        self.machine = r.RelayMachine(world.random.random)
        self.pending: r.Action | None = None
        self.paused_until = 0.0

    def maybe(self) -> None:
        """A turn, or none."""
        if self.world.random.random() < 0.6:
            self.act()

    def act(self) -> None:
        """One turn."""
        if self.world.now < self.paused_until:
            return
        if self.pending is None:
            self.pending = self.machine.decide(self.world.now)
            return
        action, self.pending = self.pending, None
        fact = self._do(action)
        self.world.trace.append(f"{self.owner} {type(action).__name__} {type(fact).__name__}")
        self.machine.heard(fact, self.world.now)

    def _do(self, action: r.Action) -> r.Fact:
        world, lease = self.world, self.world.lease
        ours = lease.owner == self.owner
        match action:
            case r.Acquire():
                if lease.expires >= world.now and not ours:
                    return r.Refused()
                lease.owner, lease.epoch = self.owner, lease.epoch + 1
                lease.expires = world.now + r.LEASE_SECONDS
                return r.Granted(lease.epoch, lease.cursor, TODAY)
            case r.Renew() | r.Save():
                if not ours or lease.epoch != action.epoch:
                    return r.Lost()
                lease.expires = world.now + r.LEASE_SECONDS
                if isinstance(action, r.Save):
                    lease.cursor = action.cursor
                return r.Renewed(TODAY)
            case r.Read():
                return r.Rows(world.settled_rows(action.after, min(action.limit, 5)))
            case r.Append() | r.Fence():
                rows = action.rows if isinstance(action, r.Append) else ()
                return self._append(action.epoch, [row.message for row in rows])
            case _:
                return r.Done()

    def _append(self, epoch: int, messages: list[Message]) -> r.Fact:
        try:
            at_once(self.world.bus.append(Producer("alpha", epoch), messages))
        except StaleProducer:
            return r.Stale()
        except BusUnavailable:
            return r.Trouble()
        return r.Trouble() if self.world.random.random() < 0.05 else r.Done()


class ConsumerActor:
    """A consumer process."""

    def __init__(self, world: World) -> None:
        self.world = world
        known = {ThingChanged.wire_type(): ThingChanged}
        self.machine = c.ConsumerMachine(known, lambda _event: (), world.random.random)
        self.reading: dict[At, int] = {}
        self.pending: c.Action | None = None
        self.paused_until = 0.0

    def own(self, key: At) -> None:
        """Assigned, from the stored offset."""
        self.reading[key] = self.world.database.offsets.setdefault(key, 0)
        self.machine.assigned({key: self.reading[key]})

    def lose(self, key: At) -> None:
        """Revoked, and told."""
        self.reading.pop(key, None)
        self.machine.revoked(frozenset({key}))
        self.pending = None

    def maybe(self) -> None:
        """A turn, or none."""
        if self.world.random.random() < 0.6:
            self.act()

    def act(self) -> None:
        """One turn."""
        if self.world.now < self.paused_until:
            return
        if self.pending is None:
            self.pending = self.machine.decide(self.world.now)
            return
        action, self.pending = self.pending, None
        fact = self._do(action)
        self.world.trace.append(f"c {type(action).__name__} {type(fact).__name__}")
        self.machine.heard(fact, self.world.now)

    def _do(self, action: c.Action) -> c.Fact:
        database = self.world.database
        match action:
            case c.Poll():
                return self._poll()
            case c.Apply():
                return self._apply(action)
            case c.Park():
                database.parked[action.delivery.key] = "poison"
                return c.Done()
            case c.Move():
                return self._move(action.moves)
            case c.Resync():
                stands = {key: database.offsets[key] for key in self.machine.positions}
                self.reading.update(stands)
                return c.Stands(stands)
            case _:
                return c.Done()

    def _poll(self) -> c.Fact:
        records = []
        for key in sorted(self.reading):
            held = self.world.log.partitions[key].records
            taken = held[self.reading[key] :][: self.world.random.randint(1, 6)]
            self.reading[key] += len(taken)
            records += taken
        return c.Records(records)

    def _move(self, moves: c.Moves) -> c.Fact:
        offsets = self.world.database.offsets
        if any(offsets[key] != stands for key, stands, _ in moves.of):
            return c.Fenced()
        offsets.update({key: goes for key, _, goes in moves.of})
        return c.Done()

    def _apply(self, action: c.Apply) -> c.Fact:
        database = self.world.database
        if self.world.random.random() < 0.1:
            return c.Failed("transient", "40001")  # nothing of it stays
        before = (dict(database.offsets), dict(database.applied), dict(database.parked))
        count = len(database.effects)
        fact = self._move(action.moves) if action.moves is not None else c.Done()
        if isinstance(fact, c.Fenced):
            return fact
        try:
            for delivery in action.group.deliveries:
                self._judge(delivery)
        except HandlerFailed:
            database.offsets, database.applied, database.parked = before
            del database.effects[count:]
            return c.Failed("permanent", "poison")
        return c.Done()

    def _judge(self, delivery: Delivery) -> None:
        database, key = self.world.database, delivery.key
        seq = delivery.envelope.subject_seq
        found = verdict(seq, database.applied.get(key, 0), database.parked.get(key))
        if found is Verdict.PARK:
            database.parked.setdefault(key, "hole")
        elif found is Verdict.APPLY:
            assert isinstance(delivery.event, ThingChanged)
            database.applied[key] = seq
            database.effects.append((key[1], seq, delivery.event.value))
            if delivery.event.value == POISON:
                raise HandlerFailed
