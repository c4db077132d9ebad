"""A relay process: production's machine, and what its actions do here."""

from typing import TYPE_CHECKING

from shared.bus import relay_machine as r
from shared.bus.port import BusUnavailable, StaleProducer
from shared.bus.tests.sim.clockwork import Process, Task, Turns
from shared.bus.tests.sim.server import Broken

if TYPE_CHECKING:
    from shared.bus.tests.sim.world import World


class RelayProcess(Process):
    """Does what the machine says, as `shared.bus.relay` does."""

    def __init__(self, world: "World", name: str) -> None:
        random = world.random
        super().__init__(name, random.uniform(0, 1e6), random.uniform(0.99, 1.01))
        self.world = world
        self.machine = r.RelayMachine(random.random)
        self.stopping = False
        self.waits: Task | None = None
        self.main = world.clockwork.start(self, self._turns())

    def clock(self) -> float:
        """This process's monotonic clock."""
        return self.ahead + self.world.clockwork.now * self.pace

    def _turns(self) -> Turns[None]:
        while True:
            action = self.machine.decide(self.clock())
            if self.stopping and not isinstance(action, r.Append | r.Save):
                break
            try:
                fact = yield from self._perform(action)
            except Broken:
                self.world.note(self, action, "broken")
                self.machine.heard(r.Trouble(), self.clock())
                after = self.machine.decide(self.clock())
                if isinstance(after, r.Wait):
                    yield after.seconds / self.pace
                continue
            self.world.note(self, action, fact)
            self.machine.heard(fact, self.clock())
        if self.machine.epoch is not None and not self.world.alpha.down:
            self.world.alpha.release(self.name, self.machine.epoch)

    def _perform(self, action: r.Action) -> Turns[r.Fact]:
        alpha = self.world.alpha
        match action:
            case r.Wait():
                return (yield from self._wait(action))
            case r.Append() | r.Fence():
                return (yield from self._append(action))
        yield from alpha.statement()
        fact: r.Fact
        match action:
            case r.MakeDays():
                alpha.make_days()
                fact = r.Done()
            case r.Acquire():
                fact = alpha.acquire(self.name)
            case r.Renew():
                fact = alpha.renew(self.name, action.epoch, None)
            case r.Save():
                fact = alpha.renew(self.name, action.epoch, action.cursor)
            case r.Read():
                self.world.truth.reads(self.machine.epoch)
                fact = r.Rows(alpha.read(action))
        if alpha.chance(alpha.plan.breaks):
            raise Broken("08007")  # done, and not heard of
        yield alpha.lag()
        return fact

    def _wait(self, action: r.Wait) -> Turns[r.Fact]:
        if not action.wakeable:
            yield action.seconds / self.pace
            return r.Done()
        self.main.woken, self.waits = False, self.main
        yield action.seconds / self.pace
        self.waits = None
        return r.Woken() if self.main.woken else r.Done()

    def wake(self) -> None:
        """Somebody committed an event."""
        if self.waits is not None:
            self.world.clockwork.wake(self.waits)

    def _append(self, action: r.Append | r.Fence) -> Turns[r.Fact]:
        world = self.world
        messages = [row.message for row in action.rows] if isinstance(action, r.Append) else []
        yield world.alpha.lag()
        late = world.alpha.chance(world.plan.silent)
        if late:
            # On its way, and given up: it may still arrive.
            world.later(world.random.uniform(0.0, 4.0), action.epoch, messages)
            return r.Trouble()
        try:
            world.log.append(action.epoch, messages, world.alpha.faults)
        except StaleProducer:
            return r.Stale()
        except BusUnavailable:
            return r.Trouble()
        yield world.alpha.lag()
        return r.Done()
