"""A consumer process: production's machine, and what its actions do here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.bus import consumer_actions as c
from shared.bus import consumer_machine as m
from shared.bus.port import BusError, OffsetOutOfRange, Record
from shared.bus.port import TopicPartition as At
from shared.bus.tests.company import ThingChanged
from shared.bus.tests.sim.beta import OffsetsMoved
from shared.bus.tests.sim.clockwork import Process, Turns
from shared.bus.tests.sim.hearing import HandlerFailed, Steps
from shared.bus.tests.sim.server import Broken
from shared.bus.tests.sim.settling import Settler

if TYPE_CHECKING:
    from shared.bus.tests.sim.world import World

KNOWN = {ThingChanged.wire_type(): ThingChanged}
REJOIN_SECONDS = 1.0
HALT_SECONDS = 2.0
LATER = {"40001", "40P01", "55P03"}
"""What `shared.bus.failures` takes for a failure of this transaction alone."""


class Cancelled(Exception):
    """A rebalance did not wait any longer for the transaction in hand."""


class ConsumerProcess(Process):
    """Does what the machine says, as `shared.bus.consumer` does."""

    def __init__(self, world: "World", name: str) -> None:
        random = world.random
        super().__init__(name, random.uniform(0, 1e6), random.uniform(0.99, 1.01))
        self.world = world
        self.steps, self.settler = Steps(world, self), Settler(world, self)
        self.machine = self._fresh()
        self.reading: dict[At, int] = {}
        self.joined = False
        self.in_turn = False
        self.cancelled = False
        self.called = 0
        self.calls = 0
        self.main = world.clockwork.start(self, self._turns())

    def _fresh(self) -> m.ConsumerMachine:
        return m.ConsumerMachine(KNOWN, lambda _event: (), self.world.random.random)

    def clock(self) -> float:
        """This process's monotonic clock."""
        return self.ahead + self.world.clockwork.now * self.pace

    def checked(self) -> None:
        """Raise Cancelled where the rebalance has gone on without us."""
        if self.cancelled:
            raise Cancelled

    # ── membership ───────────────────────────────────────────────────────────────────────────

    def _turns(self) -> Turns[None]:
        while True:
            self.machine, self.reading = self._fresh(), {}
            self.world.group.join(self)
            pause = REJOIN_SECONDS
            try:
                yield from self._member()
            except OffsetOutOfRange:
                self.world.note(self, "halted", "")
                pause = HALT_SECONDS
            except (BusError, Broken):
                self.world.note(self, "left", "")
            self.world.group.leave(self)
            yield pause * (0.5 + self.world.random.random() / 2) / self.pace

    def _member(self) -> Turns[None]:
        while self.joined:
            action = self.machine.decide(self.clock())
            fact: c.Fact = c.Done()
            match action:
                case c.Poll():
                    fact = yield from self._poll(action)
                case c.Wait():
                    yield action.seconds / self.pace
                case c.Commit():
                    yield self.world.beta.lag()
                case _:
                    fact = yield from self._in_turn(action)
            self.world.note(self, action, fact)
            self.machine.heard(fact, self.clock())

    def _poll(self, action: c.Poll) -> Turns[c.Fact]:
        asked, found = dict(self.reading), list[Record]()
        most = min(action.most, self.world.plan.poll_records)
        keys = sorted(asked)
        self.world.random.shuffle(keys)
        for at in keys:
            self.world.log.check_up()
            found += self.world.log.fetch(at, asked[at], most - len(found))
        yield self.world.beta.lag()
        if not found:
            yield min(action.seconds, 0.2 + self.world.random.random()) / self.pace
        # Lost, sought or given anew while they were on their way: they do not count.
        taken = []
        for record in found:
            at = (record.topic, record.partition)
            if self.reading.get(at) in (asked[at], record.offset):
                self.reading[at] = record.offset + 1
                taken.append(record)
        return c.Records(taken)

    # ── what the transport calls, beside the main line ───────────────────────────────────────

    def one_by_one(self, call: Turns[None]) -> Turns[None]:
        """A transport makes its calls one after the other."""
        turn, self.called = self.called, self.called + 1
        return self._in_line(turn, call)

    def _in_line(self, turn: int, call: Turns[None]) -> Turns[None]:
        try:
            while self.calls != turn:
                yield 0.02
            yield from call
        finally:
            self.calls += 1

    def assigned(self, partitions: list[At]) -> Turns[None]:
        """Become the owner of partitions, from their stored offsets."""
        beta = self.world.beta
        try:
            yield from beta.statement()
            offsets = beta.stored(partitions)
            missing = [at for at in partitions if at not in offsets]
            if missing:
                yield beta.lag()
                starts = {at: self.starts_at(at) for at in missing}
                yield from beta.statement()
                beta.store_first(starts)
                yield from beta.statement()
                offsets = beta.stored(partitions)
        except (BusError, Broken):
            self.joined = False  # membership fails; it joins anew
            return
        self.take(offsets)

    def starts_at(self, at: At) -> int:
        """Where a partition begins that was never read. Raises OffsetOutOfRange, BusUnavailable."""
        self.world.log.check_up()
        if self.world.log.partitions[at].start > 0:
            raise OffsetOutOfRange(*at, 0)
        return 0

    def take(self, offsets: Mapping[At, int]) -> None:
        """Read from there on."""
        self.machine.assigned(offsets)
        self.reading.update(offsets)

    def revoked(self, partitions: list[At], patience: float) -> Turns[None]:
        """Stop being the owner, after the transaction in hand or, in the end, without it."""
        until = self.world.clockwork.now + patience
        while self.in_turn and self.world.clockwork.now < until:
            yield 0.02
        self.cancelled = self.in_turn
        self.lose(partitions)

    def lose(self, partitions: list[At]) -> None:
        """These are not read any more."""
        self.machine.revoked(frozenset(partitions))
        for at in partitions:
            self.reading.pop(at, None)

    # ── what the machine asks for ────────────────────────────────────────────────────────────

    def _in_turn(self, action: c.Step | c.Resync | c.Settle) -> Turns[c.Fact]:
        self.in_turn, self.cancelled = True, False
        try:
            return (yield from self._perform(action))
        except OffsetsMoved:
            return c.Fenced()
        except Cancelled:
            return c.Failed("transient", "revoked")
        except Broken as error:
            how: c.How = "transient" if str(error) in LATER else "away"
            return c.Failed(how, str(error))
        except HandlerFailed as error:
            return c.Failed(error.how, error.problem)
        finally:
            self.in_turn = self.cancelled = False

    def _perform(self, action: c.Step | c.Resync | c.Settle) -> Turns[c.Fact]:
        match action:
            case c.Keep():
                return (yield from self.steps.keep(action))
            case c.Apply():
                return (yield from self.steps.apply(action))
            case c.Park():
                return (yield from self.steps.park(action))
            case c.Move():
                return (yield from self.steps.move(action))
            case c.Settle():
                return (yield from self._settle())
            case c.Resync():
                return (yield from self._resync())

    def _settle(self) -> Turns[c.Fact]:
        stood = dict(self.machine.positions)
        yield from self.world.beta.statement()
        if self.world.beta.stored(sorted(stood)) != stood:
            return c.Fenced()
        return (yield from self.settler.settle())

    def _resync(self) -> Turns[c.Fact]:
        yield from self.world.beta.statement()
        stands = self.world.beta.stored(sorted(self.machine.positions))
        yield self.world.beta.lag()
        self.checked()
        for at, offset in stands.items():
            if at in self.reading:
                self.reading[at] = offset
        return c.Stands(stands)
