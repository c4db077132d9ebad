"""Bugs planted on purpose, each a small patch of production's code or of a modelled statement.

What is left out, as no promise to subscribers depends on it: a lease that goes by a process's own
clock, or is given before it has run out (relays then take turns too often; the epoch still guards
cursor and bus); and a relay that does not tell the bus its epoch before it reads: the first batch
tells it, and what a stale relay gets in before is a repeat, in less than one seed of a thousand.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from shared.bus import consumer_actions as c
from shared.bus import consumer_machine as m
from shared.bus import delivery as d
from shared.bus import relay_machine as r
from shared.bus.tests.sim import alpha, beta, bus, consumers, hearing, settling
from shared.bus.tests.sim.world import Violation, World

Turns = Any
Patch = tuple[Any, str, Any]


class SavesBeforeAppend(r.RelayMachine):
    """The cursor is moved before the batch is appended."""

    def _next(self, now: float) -> r.Action:
        action = super()._next(now)
        if isinstance(action, r.Append) and self._saved is not action.rows:
            self._saved = action.rows
            return r.Save(action.epoch, action.rows[-1].cursor)
        return action

    _saved: object = None

    def heard(self, fact: r.Fact, now: float) -> None:
        batch = self._batch
        super().heard(fact, now)
        if isinstance(fact, r.Renewed) and batch and self._saved is batch and self._batch == ():
            if not self._sent:
                self._batch, self._sent = batch, True
            else:
                self._sent = False

    _sent = False


class SettlesAtSight(r.RelayMachine):
    """A day is settled though something that wrote before it is still open. Without the day of
    grace, which a silent transaction of the model does not outlive."""

    def _see_days(self, fact: r.Granted | r.Renewed) -> None:
        self._settled = fact.today

    def _next(self, now: float) -> r.Action:
        action = super()._next(now)
        if isinstance(action, r.Read) and action.since is not None:
            return dataclasses.replace(action, since=action.since + timedelta(days=1))
        return action


class KeepsBatch(r.RelayMachine):
    """What was read under another epoch is appended under the new one."""

    def heard(self, fact: r.Fact, now: float) -> None:
        batch = self._batch
        super().heard(fact, now)
        if isinstance(fact, r.Lost | r.Granted | r.Refused | r.Stale):
            self._batch = batch


class TakesTroubleForDone(r.RelayMachine):
    """An append whose outcome is not known counts as done."""

    def heard(self, fact: r.Fact, now: float) -> None:
        lost = isinstance(fact, r.Trouble) and isinstance(self._last, r.Append)
        super().heard(r.Done() if lost else fact, now)


class KeepsSince(r.RelayMachine):
    """After trouble, and at a takeover, only the last days are read."""

    def heard(self, fact: r.Fact, now: float) -> None:
        since = self._since
        super().heard(fact, now)
        if isinstance(fact, r.Granted | r.Trouble):
            self._since = since or self._today


class DrainedAlways(r.RelayMachine):
    """A full batch counts as the last one."""

    def _take(self, rows: tuple[r.OutboxRow, ...], now: float) -> None:
        super()._take(rows, now)
        self._since = self._today


class OmitsResync(m.ConsumerMachine):
    """After a fence it goes on from where it thinks it stands."""

    def heard(self, fact: c.Fact, now: float) -> None:
        super().heard(fact, now)
        self._astray = False


class KeepsRevoked(m.ConsumerMachine):
    """A rebalance leaves the batch in hand as it is, and moves all its offsets in the end."""

    def revoked(self, partitions: Any) -> None:
        for key in partitions:
            self.positions.pop(key, None)


class DropsRevokedOnly(m.ConsumerMachine):
    """A rebalance drops the batch in hand and does not read again what is still owned."""

    def revoked(self, partitions: Any) -> None:
        super().revoked(partitions)
        self._astray = False


class MovesFailed(m.ConsumerMachine):
    """A group that fails for good is left behind and the offsets move on."""

    def _failed(self, fact: c.Failed, now: float) -> None:
        if fact.how == "permanent" and self._doing is not None:
            self._held.remove(self._doing)
            return
        super()._failed(fact, now)


class Overtakes(m.ConsumerMachine):
    """What shares a key with something set aside does not wait behind it, and moves the offsets."""

    def _failed(self, fact: c.Failed, now: float) -> None:
        held = self._doing
        super()._failed(fact, now)
        if held is not None and held in self._held and held.tries:
            self._held.remove(held)
            self._held.append(held)


class MovesFirst(m.ConsumerMachine):
    """The offsets move with the first step of a batch, not with the last."""

    def _of_batch(self, now: float) -> c.Action:
        action = super()._of_batch(now)
        if isinstance(action, c.Apply | c.Keep) and self._moves is not None:
            return dataclasses.replace(action, moves=self._moves)
        return action


def offset_apart(self: hearing.Steps, step: c.Apply) -> Turns:
    """The offset moves in a transaction of its own, before the effect."""
    if step.moves is not None:
        yield from self.move(c.Move(step.moves))
    return (yield from APPLY(self, dataclasses.replace(step, moves=None)))


def effect_apart(self: hearing.Steps, transaction: Any, delivery: d.Delivery) -> Turns:
    """The effect is committed by itself, before what says that it was."""
    own = self.world.beta.begin()
    try:
        yield from TAKE_EFFECT(self, own, delivery)
        yield from self.world.beta.commit(own)
    finally:
        self.world.beta.give_up(own)


def lock_late(self: alpha.Alpha, transaction: Any, subject: Any) -> Turns:
    """The first write, which takes the transaction's id, and then the lock."""
    yield from self.first_write(transaction)
    yield from self.lock(transaction, [subject])


def read_by_id(self: alpha.Alpha, action: r.Read) -> tuple[r.OutboxRow, ...]:
    """Rows by their id alone, whatever is still open."""
    rows = [s.row for s in self.outbox if s.row.cursor.id > action.after.id]
    return tuple(sorted(rows, key=lambda row: row.cursor.id)[: self.most(action)])


def loose_verdict(seq: int, applied: int, parked: Any) -> d.Verdict:
    """A repeat of the last event is applied once more."""
    return (
        d.Verdict.REPEAT
        if seq < applied
        else (
            d.Verdict.APPLY if seq <= applied + 1 and parked in (None, "hole") else d.Verdict.PARK
        )
    )


def holes_pass(seq: int, applied: int, parked: Any) -> d.Verdict:
    """A number that leaves one out is applied."""
    if seq <= applied:
        return d.Verdict.REPEAT
    return d.Verdict.APPLY if parked in (None, "hole") else d.Verdict.PARK


def followers_pass(seq: int, applied: int, parked: Any) -> d.Verdict:
    """What follows a failing event is applied."""
    return d.Verdict.REPEAT if seq <= applied else d.Verdict.APPLY


def no_lock(self: settling.Settler, transaction: Any, owner: Any) -> Turns:
    """A key's parked events are applied without its lock."""
    yield from self.world.beta.statement(transaction)


def of_any_network(self: beta.Beta, transaction: Any, owner: beta.Owner) -> int:
    """How far a subject was heard, in whichever network."""
    return max(self.get(transaction, "applied", (n, owner[1])) or 0 for n in range(1, 4))


def unheard_left(self: hearing.Steps, transaction: Any, deliveries: Sequence[d.Delivery]) -> Turns:
    """Events without a handler do not count as heard."""
    listened = tuple(each for each in deliveries if each.event is not None or each.problem)
    return (yield from APPLY_ALL(self, transaction, listened))


def let_go_always(self: settling.Settler, transaction: Any, owner: Any) -> None:
    """A key is let go of with its first event, whatever else is held."""
    transaction.rows["parked", owner] = None


def at_the_end(self: consumers.ConsumerProcess, at: Any) -> int:
    """A partition that was never read begins at its end."""
    return self.world.log.partitions[at].end


APPLY, APPLY_ALL, TAKE_EFFECT = (
    hearing.Steps.apply,
    hearing.Steps.apply_all,
    hearing.Steps.take_effect,
)
Always, Never = (lambda *_: True), (lambda *_: False)
Nothing: Callable[..., None] = lambda *_: None  # noqa: E731

MUTANTS: dict[str, Patch] = {
    "gate removed": (alpha.Alpha, "xmin", lambda self: self._next_xid),
    "cursor by id alone": (alpha.Alpha, "read", read_by_id),
    "lock after the first write": (alpha.Alpha, "before_rows", lock_late),
    "epoch unchecked in save": (alpha.Alpha, "leads", Always),
    "epoch unchecked at the bus": (bus.Log, "check_epoch", Nothing),
    "cursor saved before append": (r, "RelayMachine", SavesBeforeAppend),
    "stale batch kept after takeover": (r, "RelayMachine", KeepsBatch),
    "trouble taken for done": (r, "RelayMachine", TakesTroubleForDone),
    "only the last days read after trouble": (r, "RelayMachine", KeepsSince),
    "full batch taken for the last": (r, "RelayMachine", DrainedAlways),
    "day settled at first sight": (r, "RelayMachine", SettlesAtSight),
    "offset before effect": (hearing.Steps, "apply", offset_apart),
    "offsets with the first step": (m, "ConsumerMachine", MovesFirst),
    "effect in a transaction of its own": (hearing.Steps, "take_effect", effect_apart),
    "offsets not compared": (beta.Beta, "stands", Always),
    "offsets moved on a failed group": (m, "ConsumerMachine", MovesFailed),
    "resync omitted": (m, "ConsumerMachine", OmitsResync),
    "revoked steps not dropped": (m, "ConsumerMachine", KeepsRevoked),
    "rest of a revoked batch not read again": (m, "ConsumerMachine", DropsRevokedOnly),
    "set aside and overtaken": (m, "ConsumerMachine", Overtakes),
    "applied compared with <": (d, "verdict", loose_verdict),
    "hole not parked": (d, "verdict", holes_pass),
    "followers of a failing event applied": (d, "verdict", followers_pass),
    "failing event not held": (hearing.Steps, "hold_culprit", Nothing),
    "unheard events not counted": (hearing.Steps, "apply_all", unheard_left),
    "applied of another network": (beta.Beta, "applied", of_any_network),
    "parked key settled without its lock": (settling.Settler, "lock", no_lock),
    "key let go with followers": (settling.Settler, "let_go", let_go_always),
    "skip drops followers": (settling.Settler, "skips_until", lambda _self, _head: 1 << 60),
    "skip not remembered": (settling.Settler, "remember", Nothing),
    "skip by two processes": (settling.Settler, "skipped_already", Never),
    "parked again after another applied it": (settling.Settler, "still_waits", Always),
    "new partition from its end": (consumers.ConsumerProcess, "starts_at", at_the_end),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Play with a bug inside this context."""
    with patch.object(*MUTANTS[name]):
        yield


def first_seed(name: str, first: int, count: int) -> tuple[int, str] | None:
    """The first seed that shows a planted bug, and what it shows."""
    with planted(name):
        for seed in range(first, first + count):
            try:
                World(seed).run()
            except Violation as violation:
                return seed, str(violation)
            except Exception as error:
                return seed, repr(error)
    return None
