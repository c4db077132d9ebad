"""The people: they mend handlers, retry and skip, and send again what the bus forgot."""

from typing import TYPE_CHECKING

from shared.bus.tests.sim.beta import Asked, Owner, subject_of
from shared.bus.tests.sim.clockwork import Process, Turns
from shared.bus.tests.sim.server import Broken
from shared.bus.tests.sim.truth import Said
from shared.contracts.envelope import envelope_of

if TYPE_CHECKING:
    from shared.bus.tests.sim.world import World


class Operators(Process):
    """Look now and then at what waits, and act on some of it."""

    def __init__(self, world: "World") -> None:
        super().__init__("operators")
        self.world = world
        self.number = 0
        self.healed = False
        world.clockwork.start(self, self._turns())

    def _turns(self) -> Turns[None]:
        world = self.world
        while True:
            if world.healing and not self.healed:
                self.healed = True
                if world.truth.history_lost:
                    yield from self.refill()
            yield world.random.uniform(1.0, 4.0)
            if world.beta.down:
                continue
            if world.truth.history_lost and not world.healing and world.random.random() < 0.3:
                yield from self.refill()
            for owner, kind in world.beta.waiting().items():
                if world.random.random() < 0.6 or world.healing:
                    self._look_at(owner, kind)

    def _look_at(self, owner: Owner, kind: str) -> None:
        world = self.world
        pending = [a for a in world.beta.asked if ("outcome", a.number) not in world.beta.rows]
        if any(each.owner == owner for each in pending):
            return
        head = self._head(owner)
        mendable = head is not None and head.fails == "poison" and not world.healing
        if head is not None and mendable and world.random.random() < 0.5:
            world.truth.mended.add(head.event_id)
        blocked = head is not None and head.fails and head.event_id not in world.truth.mended
        if blocked and kind == "poison" and not world.healing and world.random.random() < 0.3:
            if not world.plan.forgetful:
                self._ask(owner, "skip")
        elif (kind == "poison" and not blocked) or world.random.random() < 0.2:
            self._ask(owner, "retry")

    def _head(self, owner: Owner) -> Said | None:
        held = self.world.beta.held(None, owner)
        if not held:
            return None
        record = next(iter(held.values()))
        return self.world.truth.by_id[str(envelope_of(record.headers).id)]

    def _ask(self, owner: Owner, verb: str) -> None:
        self.number += 1
        self.world.beta.asked.append(Asked(self.number, owner, verb))
        self.world.note(self, verb, f"{self.number} {subject_of(owner)}")

    def refill(self) -> Turns[None]:
        """Send again what the bus lacks of what was relayed, and let beta read from the start."""
        world, beta = self.world, self.world.beta
        if world.log.down:
            return
        held = {
            dict(record.headers).get("ce_id")
            for partition in world.log.partitions.values()
            for record in partition.records
        }
        for stored in world.alpha.outbox:
            if stored.row.cursor <= world.alpha.cursor and stored.event.event_id not in held:
                world.log.put(stored.row.message)
        transaction = beta.begin()
        transaction.resets = True
        try:
            stored_at = sorted(world.log.partitions)
            yield from beta.lock(transaction, [("offset", at) for at in stored_at])
            for at in stored_at:
                transaction.rows["offset", at] = world.log.partitions[at].start
            yield from beta.commit(transaction)
            world.note(self, "refill", "")
        except Broken:
            world.note(self, "refill", "broken")
        finally:
            beta.give_up(transaction)
