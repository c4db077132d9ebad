"""A database server: transactions, advisory and row locks, outages."""

import random
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.bus.tests.sim.clockwork import Clockwork, Turns
from shared.bus.tests.sim.plan import Plan

SILENCE_SECONDS = 3.0
"""How long a transaction may say nothing before the server ends it."""
LOCK_SECONDS = 2.0


class Broken(Exception):
    """A statement failed in a way that passes; its text is a code."""


@dataclass(eq=False, slots=True)
class Transaction:
    """An open transaction; what it wrote is its own until it commits."""

    heard_at: float
    locks: set[Hashable] = field(default_factory=set)
    over: bool = False


Tx = TypeVar("Tx", bound=Transaction)


class Server(Generic[Tx]):
    """What the databases of both services are made of."""

    def __init__(self, clockwork: Clockwork, random: random.Random, plan: Plan) -> None:
        self.clockwork, self.random, self.plan = clockwork, random, plan
        self.down = False
        self.faults = True
        self.open: list[Tx] = []
        self._locks: dict[Hashable, Tx] = {}

    @property
    def now(self) -> float:
        """The server's clock, which leases go by."""
        return self.clockwork.now

    def lag(self) -> float:
        """How long the next statement is on its way."""
        seconds = self.random.random() * 2 * self.plan.lag
        return seconds * 12 if self.random.random() < 0.03 else seconds

    def chance(self, rate: float) -> bool:
        """Whether something goes wrong now."""
        return self.faults and self.random.random() < rate

    # ── transactions ─────────────────────────────────────────────────────────────────────────

    def opened(self, transaction: Tx) -> Tx:
        """Note a transaction as open."""
        self.open.append(transaction)
        return transaction

    def statement(self, transaction: Tx | None = None) -> Turns[None]:
        """The way of a statement to the server. Raises Broken."""
        yield self.lag()
        self.reap()
        if self.down or self.chance(self.plan.breaks):
            if transaction is not None:
                self.give_up(transaction)
            raise Broken("08006")
        if transaction is not None:
            if transaction.over:
                raise Broken("25P03")
            transaction.heard_at = self.now

    def commit(self, transaction: Tx) -> Turns[None]:
        """Commit. Raises Broken, after which it may be committed all the same."""
        try:
            yield from self.statement(transaction)
        except GeneratorExit:  # killed with the word on its way
            if not transaction.over and self.chance(0.5):
                self._end(transaction, keep=True)
            raise
        if self.chance(self.plan.silent):
            self._end(transaction, keep=self.random.random() < 0.7)
            raise Broken("08007")
        self._end(transaction, keep=True)
        yield self.lag()

    def give_up(self, transaction: Tx) -> None:
        """Roll back; nothing where it has ended already."""
        if not transaction.over:
            self._end(transaction, keep=False)

    def _end(self, transaction: Tx, keep: bool) -> None:
        transaction.over = True
        self.open.remove(transaction)
        for key in transaction.locks:
            del self._locks[key]
        if keep:
            self.keep(transaction)

    def keep(self, transaction: Tx) -> None:
        """Let others see what a transaction wrote."""
        raise NotImplementedError

    def reap(self) -> None:
        """End what has been silent for too long, and everything in an outage."""
        for transaction in list(self.open):
            if self.down or transaction.heard_at < self.now - SILENCE_SECONDS:
                self.give_up(transaction)

    # ── locks ────────────────────────────────────────────────────────────────────────────────

    def lock(self, transaction: Tx, keys: Iterable[Hashable]) -> Turns[None]:
        """One pass over locks, held to the end of the transaction. Raises Broken."""
        yield from self.statement(transaction)
        until = self.now + LOCK_SECONDS
        for key in keys:
            while (holder := self._locks.get(key)) is not None and holder is not transaction:
                if self.now > until:
                    self.give_up(transaction)
                    raise Broken("55P03")
                transaction.heard_at = self.now
                yield 0.01 + self.random.random() * 0.02
                self.reap()
                if transaction.over:
                    raise Broken("08006")
            self._locks[key] = transaction
            transaction.locks.add(key)
