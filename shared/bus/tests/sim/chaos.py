"""What goes wrong, and how it is made good."""

from typing import TYPE_CHECKING

from shared.bus.tests.sim.clockwork import Process, Turns
from shared.bus.tests.sim.consumers import ConsumerProcess
from shared.bus.tests.sim.relays import RelayProcess
from shared.bus.tests.sim.truth import Subject

if TYPE_CHECKING:
    from shared.bus.tests.sim.world import World

TICK = 0.2


class Chaos(Process):
    """Kills, pauses, deals anew, cuts off, repeats, litters and forgets."""

    def __init__(self, world: "World") -> None:
        super().__init__("chaos")
        self.world = world
        self.slow: set[Subject] = set()
        self.number = 0
        world.clockwork.start(self, self._turns())

    def _turns(self) -> Turns[None]:
        world, plan, random = self.world, self.world.plan, self.world.random
        while True:
            yield TICK
            if world.healing:
                return
            for what, every in (
                (self._kill, plan.kill_every),
                (self._pause, plan.pause_every),
                (self._deal, plan.deal_every),
                (self._outage, plan.outage_every),
                (self._repeat, plan.repeat_every),
                (self._junk, plan.junk_every),
                (self._forget, plan.forget_every),
            ):
                if random.random() < every * TICK:
                    what()
            if random.random() < plan.slow * TICK:
                number = f"thing/{random.choice(list(world.truth.said) or [(0, '')])[1][6:]}"
                self.slow.symmetric_difference_update({(1, number)})

    def _kill(self) -> None:
        world, random = self.world, self.world.random
        self.number += 1
        if random.random() < 0.5:
            place = random.randrange(len(world.relays))
            old, name = world.relays[place], f"relay{place}.{self.number}"
            world.note(self, "kill", old.name)
            if random.random() < 0.3:
                old.stopping = True  # leaves by itself
            else:
                world.clockwork.kill(old)
            world.relays[place] = RelayProcess(world, name)
            return
        place = random.randrange(len(world.consumers))
        dead = world.consumers[place]
        world.note(self, "kill", dead.name)
        world.clockwork.kill(dead)
        world.group.leave(dead)
        world.consumers[place] = ConsumerProcess(world, f"beta{place}.{self.number}")

    def _pause(self) -> None:
        # As by SIGSTOP, mostly with something decided and not done.
        world, random = self.world, self.world.random
        process = random.choice([*world.relays, *world.consumers])
        until = world.clockwork.now + random.uniform(0.2, 7.0)
        process.paused_until = max(process.paused_until, until)
        world.note(self, "pause", process.name)

    def _deal(self) -> None:
        self.world.group.unrest = True

    def _outage(self) -> None:
        world, random = self.world, self.world.random
        which = random.choice(("alpha", "beta", "log"))
        server = getattr(world, which)
        if server.down:
            return
        server.down = True
        world.note(self, "down", which)
        longest = world.plan.day_seconds * 3 if which == "log" else 3.0
        seconds = random.uniform(0.1, min(longest, 15.0))
        world.clockwork.start(self, self._up(which), seconds)

    def _up(self, which: str) -> Turns[None]:
        getattr(self.world, which).down = False
        self.world.note(self, "up", which)
        return
        yield 0.0

    def _repeat(self) -> None:
        """Somebody sends what was sent before, a piece of the log or one record."""
        world, random = self.world, self.world.random
        if world.log.down:
            return
        sent = [s for s in world.alpha.outbox if s.row.cursor <= world.alpha.cursor]
        if sent:
            start = random.randrange(len(sent))
            for stored in sent[start : start + random.choice((1, 1, 5))]:
                world.log.put(stored.row.message)
            world.note(self, "repeat", "")

    def _junk(self) -> None:
        if not self.world.log.down:
            self.number += 1
            self.world.log.put_junk(self.number)

    def _forget(self) -> None:
        """Retention passes a subscriber, or a broker loses what it had not written yet."""
        world, random = self.world, self.world.random
        at = random.choice(list(world.log.partitions))
        held = world.log.partitions[at]
        if not held.records:
            return
        world.truth.history_lost = True
        if world.plan.fenced or random.random() < 0.5:
            world.log.trim(at, random.randint(held.start, held.end))
        else:
            world.log.cut(at, random.randint(max(held.start, held.end - 3), held.end))
        world.note(self, "forget", str(at))

    def heal(self) -> None:
        """Nothing goes wrong from here on."""
        world = self.world
        for server in (world.alpha, world.beta):
            server.down = server.faults = False
        world.log.down = False
        self.slow.clear()
        for process in (*world.relays, *world.consumers):
            process.paused_until = 0.0
