"""Parked keys: healed holes and what operators asked. Follows `shared.bus.settle`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.bus import consumer_actions as c
from shared.bus.delivery import Delivery, delivery_of
from shared.bus.port import Record
from shared.bus.tests.sim.beta import Asked, Hearing, Owner, subject_of
from shared.bus.tests.sim.clockwork import Turns
from shared.bus.tests.sim.hearing import HandlerFailed

if TYPE_CHECKING:
    from shared.bus.tests.sim.consumers import ConsumerProcess
    from shared.bus.tests.sim.world import World

SLOW_TRIES = 3
RETRY_LAST_SECONDS = 20.0
"""Shorter than production's, for the sake of the time it takes to come to rest."""


@dataclass(slots=True)
class Settler:
    """Settles in one consumer process; others may do the same at the same time."""

    world: "World"
    process: "ConsumerProcess"

    def settle(self) -> Turns[c.Fact]:
        """One round. Raises Broken where the database is away."""
        beta = self.world.beta
        yield from beta.statement()
        asked = [each for each in beta.asked if ("outcome", each.number) not in beta.rows]
        due = [owner for owner, kind in beta.waiting().items() if self._due(owner, kind)]
        for each in asked:
            yield from self._do(each)
        for owner in due:
            yield from self.replay(owner)
        return c.Done()

    def _due(self, owner: Owner, kind: str) -> bool:
        beta = self.world.beta
        if kind == "retry":
            return bool(beta.rows["retry_at", owner] <= beta.now)
        applied = beta.rows.get(("applied", owner), 0)
        return kind == "hole" and any(seq <= applied + 1 for seq in beta.held(None, owner))

    def _do(self, asked: Asked) -> Turns[None]:
        beta = self.world.beta
        outcome = beta.rows.get(("skipped", asked.number), "nothing_parked")
        if asked.verb == "skip" and outcome == "nothing_parked":
            outcome = yield from self._skip(asked)
        if asked.verb == "retry" or outcome == "skipped":
            yield from self.replay(asked.owner)
        transaction = beta.begin()
        try:
            yield from beta.lock(transaction, [("key", asked.owner)])
            transaction.rows["outcome", asked.number] = outcome
            yield from beta.commit(transaction)
        finally:
            beta.give_up(transaction)

    def replay(self, owner: Owner) -> Turns[None]:
        """Apply a key's parked events in order as far as they go."""
        beta = self.world.beta
        while True:
            self.process.checked()
            yield from beta.statement()
            held = beta.held(None, owner)
            if not held:
                return
            delivery = self._delivery(next(iter(held.values())))
            try:
                step = yield from self._replay_one(owner, delivery)
            except HandlerFailed as error:
                yield from self._fails(owner, delivery.envelope.subject_seq, error.how)
                return
            if step == "waits":
                return

    def _delivery(self, record: Record) -> Delivery:
        found = delivery_of(record, self.process.machine._known, lambda _event: ())
        assert isinstance(found, Delivery)
        return found

    def _replay_one(self, owner: Owner, delivery: Delivery) -> Turns[str]:
        beta, seq = self.world.beta, delivery.envelope.subject_seq
        transaction = beta.begin()
        try:
            yield from self.lock(transaction, owner)
            yield from self.process.steps.statement(transaction)
            applied = beta.applied(transaction, owner)
            head = next(iter(beta.held(transaction, owner)), None)
            if head != seq:
                return "again"
            if seq > applied + 1:
                beta.park(transaction, owner, "hole", seq)
                yield from beta.commit(transaction)
                return "waits"
            if seq == applied + 1:
                if delivery.problem is not None:
                    raise HandlerFailed("permanent", delivery.problem)
                yield from self.process.steps.take_effect(transaction, delivery)
                beta.write_applied(transaction, owner, seq)
            beta.drop(transaction, owner, seq)
            self.let_go(transaction, owner)
            yield from beta.commit(transaction)
            return "applied"
        finally:
            beta.give_up(transaction)

    def lock(self, transaction: Hearing, owner: Owner) -> Turns[None]:
        """The lock under which events of the key are applied and parked, too."""
        yield from self.world.beta.lock(transaction, [("key", owner)])

    def let_go(self, transaction: Hearing, owner: Owner) -> None:
        """End the waiting where nothing is held any more."""
        self.world.beta.let_go(transaction, owner)

    def _fails(self, owner: Owner, seq: int, how: c.How) -> Turns[None]:
        beta = self.world.beta
        transaction = beta.begin()
        try:
            yield from beta.lock(transaction, [("key", owner)])
            if self.still_waits(transaction, owner, seq):
                tries = beta.tries(transaction, owner)
                if how == "permanent" or (how == "slow" and tries + 1 >= SLOW_TRIES):
                    beta.park(transaction, owner, "poison")
                else:
                    seconds = min(2.0 ** min(tries + 1, 10), RETRY_LAST_SECONDS)
                    beta.park(transaction, owner, "retry", seconds=seconds)
            yield from beta.commit(transaction)
        finally:
            beta.give_up(transaction)

    def still_waits(self, transaction: Hearing, owner: Owner, seq: int) -> bool:
        """Whether no other process has applied or skipped it meanwhile."""
        return seq > self.world.beta.applied(transaction, owner)

    def _skip(self, asked: Asked) -> Turns[str]:
        """Go past a key's failing event. It is lost on purpose."""
        beta, owner = self.world.beta, asked.owner
        transaction = beta.begin()
        try:
            yield from beta.lock(transaction, [("key", owner)])
            yield from self.process.steps.statement(transaction)
            if self.skipped_already(transaction, asked.number):
                return "skipped"
            head = next(iter(beta.held(transaction, owner)), None)
            if head is None:
                return "nothing_parked"
            if head > beta.applied(transaction, owner) + 1:
                beta.write_applied(transaction, owner, head - 1)
            else:
                beta.write_applied(transaction, owner, head)
                beta.drop(transaction, owner, self.skips_until(head))
                self.let_go(transaction, owner)
                transaction.skips.append((asked.number, subject_of(owner), head))
            self.remember(transaction, asked.number)
            yield from beta.commit(transaction)
            return "skipped"
        finally:
            beta.give_up(transaction)

    def skipped_already(self, transaction: Hearing, number: int) -> bool:
        """Whether another process has done it meanwhile."""
        return self.world.beta.get(transaction, "skipped", number) is not None

    def skips_until(self, head: int) -> int:
        """One event and no more."""
        return head

    def remember(self, transaction: Hearing, number: int) -> None:
        """That it was skipped, should the process die before the request is done."""
        transaction.rows["skipped", number] = "skipped"
