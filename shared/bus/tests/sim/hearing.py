"""The transactions that the consumer's machine asks for, statement by statement.

They follow `shared.bus.steps` and `shared.bus.effects`; each judgement is production's `verdict`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.bus import consumer_actions as c
from shared.bus import delivery as d
from shared.bus.tests.company import ThingChanged
from shared.bus.tests.sim.alpha import POISON
from shared.bus.tests.sim.beta import Effect, Hearing, owner_of, subject_of
from shared.bus.tests.sim.clockwork import Turns

if TYPE_CHECKING:
    from shared.bus.tests.sim.consumers import ConsumerProcess
    from shared.bus.tests.sim.world import World


FIRST_RETRY_SECONDS = 1.0


class HandlerFailed(Exception):
    """What the adapter makes of an exception of a handler."""

    def __init__(self, how: c.How, problem: str) -> None:
        super().__init__(problem)
        self.how, self.problem = how, problem


@dataclass(slots=True)
class Steps:
    """One consumer's transactions."""

    world: "World"
    process: "ConsumerProcess"

    def keep(self, step: c.Keep) -> Turns[c.Fact]:
        """Keep unreadable records."""
        beta = self.world.beta
        transaction = beta.begin()
        try:
            yield from self.statement(transaction)
            for unread in step.unread:
                record = unread.record
                row = ("unread", (record.topic, record.partition), record.offset)
                transaction.rows[row] = record.value
            if step.moves is not None:
                yield from beta.move(transaction, step.moves.of)
            yield from beta.commit(transaction)
        finally:
            beta.give_up(transaction)
        return c.Done()

    def move(self, step: c.Move) -> Turns[c.Fact]:
        """Move the offsets alone."""
        beta = self.world.beta
        transaction = beta.begin()
        try:
            yield from beta.move(transaction, step.moves.of)
            self.process.checked()
            yield from beta.commit(transaction)
        finally:
            beta.give_up(transaction)
        return c.Done()

    def apply(self, step: c.Apply) -> Turns[c.Fact]:
        """Apply a group of one network: locks, offsets, then each event, then COMMIT."""
        beta, group = self.world.beta, step.group
        transaction = beta.begin()
        try:
            yield from self.lock(transaction, group.deliveries)
            if step.moves is not None:
                yield from beta.move(transaction, step.moves.of)
            healed = yield from self.apply_all(transaction, group.deliveries)
            self.process.checked()
            yield from beta.commit(transaction)
        finally:
            beta.give_up(transaction)
        return c.Done(healed)

    def apply_all(self, transaction: Hearing, deliveries: tuple[d.Delivery, ...]) -> Turns[bool]:
        """Judge and apply deliveries in order; whether a hole was filled."""
        beta, healed = self.world.beta, False
        yield from self.statement(transaction)
        for delivery in deliveries:
            owner, seq = owner_of(delivery), delivery.envelope.subject_seq
            applied, parked = beta.applied(transaction, owner), beta.parked(transaction, owner)
            found = d.verdict(seq, applied, parked)
            if found is d.Verdict.REPEAT:
                continue
            if found is d.Verdict.PARK:
                if parked is None:
                    beta.park(transaction, owner, "hole", seq)
                beta.hold(transaction, delivery)
            elif delivery.problem is not None:
                beta.park(transaction, owner, "poison")
                beta.hold(transaction, delivery)
            else:
                yield from self.take_effect(transaction, delivery)
                beta.write_applied(transaction, owner, seq)
                healed = healed or parked == "hole"
        return healed

    def take_effect(self, transaction: Hearing, delivery: d.Delivery) -> Turns[None]:
        """Run the handler of an event, if there is one. Raises HandlerFailed."""
        if delivery.event is None:
            return
        yield from self.statement(transaction)
        assert isinstance(delivery.event, ThingChanged)
        effect = Effect(
            subject_of(owner_of(delivery)), str(delivery.envelope.id), delivery.event.value
        )
        transaction.effects.append(effect)
        self.world.handler(effect, transaction)
        if effect.value == POISON and effect.event_id not in self.world.truth.mended:
            raise HandlerFailed("permanent", "poison")

    def park(self, step: c.Park) -> Turns[c.Fact]:
        """Park the key of a delivery that fails, unless it was applied meanwhile."""
        beta, delivery = self.world.beta, step.delivery
        owner = owner_of(delivery)
        transaction = beta.begin()
        try:
            yield from self.lock(transaction, (delivery,))
            if delivery.envelope.subject_seq > beta.applied(transaction, owner):
                if step.passes:
                    beta.park(transaction, owner, "retry", seconds=FIRST_RETRY_SECONDS)
                else:
                    beta.park(transaction, owner, "poison")
                self.hold_culprit(transaction, delivery)
            self.process.checked()
            yield from beta.commit(transaction)
        finally:
            beta.give_up(transaction)
        return c.Done()

    def hold_culprit(self, transaction: Hearing, delivery: d.Delivery) -> None:
        """Keep the event that fails with the key that waits for it."""
        self.world.beta.hold(transaction, delivery)

    def lock(self, transaction: Hearing, deliveries: tuple[d.Delivery, ...]) -> Turns[None]:
        """One sorted pass over the keys' locks."""
        owners = sorted({owner_of(delivery) for delivery in deliveries})
        yield from self.world.beta.lock(transaction, [("key", owner) for owner in owners])

    def statement(self, transaction: Hearing) -> Turns[None]:
        """One more statement. Raises Broken, Cancelled."""
        yield from self.world.beta.statement(transaction)
        self.process.checked()
