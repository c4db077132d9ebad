"""Beta's database: offsets, how far subjects are heard, what waits, what took effect."""

import random
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared.bus.delivery import Delivery, Key, Parked
from shared.bus.port import Record
from shared.bus.port import TopicPartition as At
from shared.bus.tests.sim.clockwork import Clockwork, Turns
from shared.bus.tests.sim.plan import Plan
from shared.bus.tests.sim.server import Server, Transaction
from shared.bus.tests.sim.truth import Subject, Truth

Owner: TypeAlias = tuple[int, Key]
"""(network, key): what `applied` and parked rows are found by."""


class OffsetsMoved(Exception):
    """The stored offsets are not where this member left them."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a handler wrote."""

    subject: Subject
    event_id: str
    value: int


@dataclass(eq=False, slots=True)
class Hearing(Transaction):
    """A transaction of a consumer: rows it wrote (None where it deleted them) and effects."""

    rows: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    skips: list[tuple[int, Subject, int]] = field(default_factory=list)
    holes: list[tuple[Subject, int]] = field(default_factory=list)
    resets: bool = False
    """Whether an operator lets offsets go back."""


@dataclass(slots=True)
class Asked:
    """An operator's request. Rows of it are written by transactions; see `beta.rows`."""

    number: int
    owner: Owner
    verb: str


class Beta(Server[Hearing]):
    """See the module."""

    def __init__(
        self, clockwork: Clockwork, random: random.Random, plan: Plan, truth: Truth
    ) -> None:
        super().__init__(clockwork, random, plan)
        self.truth = truth
        self.rows: dict[tuple[Any, ...], Any] = {}
        self.asked: list[Asked] = []

    def begin(self) -> Hearing:
        """Open a transaction."""
        return self.opened(Hearing(self.now))

    def keep(self, transaction: Hearing) -> None:
        """See Server."""
        for row, value in transaction.rows.items():
            if row[0] == "offset" and not transaction.resets:
                self.truth.moved(row[1], self.rows[row], value)
            if value is None:
                self.rows.pop(row, None)
            else:
                self.rows[row] = value
        for skip in transaction.skips:
            self.truth.skip(*skip)
        for hole in transaction.holes:
            self.truth.hole(*hole)
        for effect in transaction.effects:
            self.truth.took_effect(effect.subject, effect.event_id, effect.value)

    def get(self, transaction: Hearing, *row: Any) -> Any:
        """A row as this transaction sees it."""
        return transaction.rows[row] if row in transaction.rows else self.rows.get(row)

    # ── offsets ──────────────────────────────────────────────────────────────────────────────

    def stored(self, partitions: list[At]) -> dict[At, int]:
        """The stored offsets of partitions; those never read are left out."""
        return {at: self.rows["offset", at] for at in partitions if ("offset", at) in self.rows}

    def store_first(self, offsets: dict[At, int]) -> None:
        """Store where partitions that were never read begin."""
        for at, offset in offsets.items():
            self.rows.setdefault(("offset", at), offset)

    def move(self, transaction: Hearing, moves: tuple[tuple[At, int, int], ...]) -> Turns[None]:
        """Move offsets from where the member left them. Raises OffsetsMoved, Broken."""
        if not moves:
            return
        yield from self.lock(transaction, sorted(("offset", at) for at, _, _ in moves))
        for at, stands, goes in moves:
            if not self.stands(transaction, at, stands):
                self.give_up(transaction)
                raise OffsetsMoved
            transaction.rows["offset", at] = goes

    def stands(self, transaction: Hearing, at: At, offset: int) -> bool:
        """Whether a stored offset is where the member left it."""
        return bool(self.get(transaction, "offset", at) == offset)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    def applied(self, transaction: Hearing, owner: Owner) -> int:
        """How far a key has been heard."""
        return self.get(transaction, "applied", owner) or 0

    def write_applied(self, transaction: Hearing, owner: Owner, seq: int) -> None:
        """Record how far a key has been heard. It never goes back."""
        transaction.rows["applied", owner] = max(seq, self.applied(transaction, owner))

    def parked(self, transaction: Hearing, owner: Owner) -> Parked | None:
        """Whether a key waits, and for what."""
        found: Parked | None = self.get(transaction, "parked", owner)
        return found

    def tries(self, transaction: Hearing, owner: Owner) -> int:
        """How often a key was parked again."""
        return self.get(transaction, "tries", owner) or 0

    def park(
        self,
        transaction: Hearing,
        owner: Owner,
        kind: Parked,
        before: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Let a key wait, a `retry` for some seconds."""
        again = self.parked(transaction, owner) is not None
        transaction.rows["tries", owner] = self.tries(transaction, owner) + 1 if again else 0
        transaction.rows["parked", owner] = kind
        transaction.rows["retry_at", owner] = self.now + seconds
        if kind == "hole":
            transaction.holes.append((subject_of(owner), before))

    def hold(self, transaction: Hearing, delivery: Delivery) -> None:
        """Keep an event of a parked key; nothing where it is held already."""
        row = ("held", owner_of(delivery), delivery.envelope.subject_seq)
        if self.get(transaction, *row) is None:
            transaction.rows[row] = delivery.record

    def held(self, transaction: Hearing | None, owner: Owner) -> dict[int, Record]:
        """A key's held events by number."""
        rows = self.rows if transaction is None else self.rows | transaction.rows
        found = {
            row[2]: value
            for row, value in rows.items()
            if row[0] == "held" and row[1] == owner and value is not None
        }
        return dict(sorted(found.items()))

    def drop(self, transaction: Hearing, owner: Owner, until: int) -> None:
        """Let held events go up to a number."""
        for seq in self.held(transaction, owner):
            if seq <= until:
                transaction.rows["held", owner, seq] = None

    def let_go(self, transaction: Hearing, owner: Owner) -> None:
        """End a key's waiting where nothing of it is held."""
        if not self.held(transaction, owner):
            transaction.rows["parked", owner] = None

    def waiting(self) -> dict[Owner, Parked]:
        """Every parked key and its kind."""
        return dict(sorted((row[1], kind) for row, kind in self.rows.items() if row[0] == "parked"))


def owner_of(delivery: Delivery) -> Owner:
    """What a delivery's rows are found by."""
    return (delivery.envelope.network_id.int, delivery.key)


def subject_of(owner: Owner) -> Subject:
    """The subject of a key, as alpha knows it."""
    return (owner[0], owner[1][1])
