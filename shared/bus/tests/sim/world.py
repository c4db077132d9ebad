"""Everything there is, drawn from one seed."""

import random
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch
from uuid import UUID

from shared.bus import consumer_actions as c
from shared.bus import relay_machine as r
from shared.bus.port import BusError, Message
from shared.bus.tests.company import TOPIC
from shared.bus.tests.sim.alpha import Alpha, NoSuchDay
from shared.bus.tests.sim.beta import Beta, Effect, Hearing
from shared.bus.tests.sim.bus import Log
from shared.bus.tests.sim.chaos import Chaos
from shared.bus.tests.sim.checker import check, rest_of
from shared.bus.tests.sim.clockwork import Clockwork, Process, Turns
from shared.bus.tests.sim.consumers import ConsumerProcess
from shared.bus.tests.sim.group import Group
from shared.bus.tests.sim.hearing import HandlerFailed
from shared.bus.tests.sim.operators import Operators
from shared.bus.tests.sim.plan import Plan
from shared.bus.tests.sim.relays import RelayProcess
from shared.bus.tests.sim.server import Broken
from shared.bus.tests.sim.truth import Truth, Violation

REST_SECONDS = 200.0
"""How long everything may take to come to rest once nothing goes wrong any more."""

__all__ = ["Violation", "World"]


class World:
    """One seed's world. `run` raises Violation; `trace` tells what was done."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.topic = TOPIC
        self.random = random.Random(seed)
        self.plan = Plan.of(self.random)
        self.clockwork = Clockwork()
        self.truth = Truth()
        self.alpha = Alpha(self.clockwork, self.random, self.plan, self.truth)
        self.beta = Beta(self.clockwork, self.random, self.plan, self.truth)
        self.log = Log(self.random, self.plan, self.truth)
        self.trace: list[tuple[float, str, Any, Any]] = []
        self.healing = False
        self.writing = True
        self.group = Group(self)
        self.relays = [RelayProcess(self, f"relay{n}") for n in range(2)]
        self.consumers = [ConsumerProcess(self, f"beta{n}") for n in range(self.plan.consumers)]
        self.nowhere = Process("wire")
        for n in range(self.plan.writers):
            self.clockwork.start(Process(f"writer{n}"), self._writer())
        self.operators = Operators(self)
        self.chaos = Chaos(self)

    # ── the run ──────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Let things go wrong for a while, heal, come to rest, and look. Raises Violation."""
        plan = self.plan
        rows, seconds = plan.batch_rows, plan.full_seconds
        with patch.object(r, "BATCH_ROWS", rows), patch.object(r, "FULL_SECONDS", seconds):
            while self.clockwork.now < plan.seconds:
                self.clockwork.turn()
            self._heal()
            until = self.clockwork.now + REST_SECONDS
            looks_at = self.clockwork.now
            while True:
                self.clockwork.turn()
                if self.clockwork.now < looks_at:
                    continue
                looks_at = self.clockwork.now + 0.5
                rest = rest_of(self)
                if not rest:
                    break
                if self.clockwork.now > until:
                    raise Violation(f"it does not come to rest: {rest}")
        check(self)

    def _heal(self) -> None:
        self.healing, self.writing = True, False
        self.note(self.chaos, "heal", "")
        self.chaos.heal()

    def note(self, process: Process, action: object, fact: object) -> None:
        """Write down what was done and what came of it."""
        self.trace.append((self.clockwork.now, process.name, action, fact))

    def told(self) -> list[str]:
        """The trace as text."""
        return [
            f"{now:9.3f} {name:10} {brief(action)} -> {brief(fact)}"
            for now, name, action, fact in self.trace
        ]

    # ── writers, and what is on the wire ─────────────────────────────────────────────────────

    def _writer(self) -> Turns[None]:
        plan, random = self.plan, self.random
        while self.writing:
            yield random.expovariate(1.0 / plan.think)
            network = random.randint(1, plan.networks)
            subject = (network, f"thing/{UUID(int=random.randint(1, plan.subjects))}")
            count = random.choice((1, 1, 1, 2, 3))
            heard = [random.random() >= plan.unheard for _ in range(count)]
            fails = [self._fails() if listened else "" for listened in heard]
            try:
                committed = yield from self.alpha.write(subject, fails, heard)
            except Broken:
                continue
            except NoSuchDay:
                self.alpha.make_days()  # as the chassis does, which then runs it again
                continue
            if committed and random.random() < 0.9:
                for relay in self.relays:
                    relay.wake()

    def _fails(self) -> str:
        chance = self.random.random()
        if chance < self.plan.poison:
            return "poison"
        return "unreadable" if chance < self.plan.poison + self.plan.unreadable else ""

    def later(self, seconds: float, epoch: int, messages: Sequence[Message]) -> None:
        """Let a batch arrive that nobody waits for any more."""
        self.clockwork.start(self.nowhere, self._arrives(epoch, messages), seconds)

    def _arrives(self, epoch: int, messages: Sequence[Message]) -> Turns[None]:
        try:
            self.log.append(epoch, messages, self.alpha.faults)
        except BusError:
            self.note(self.nowhere, "late", "refused")
        else:
            self.note(self.nowhere, "late", f"epoch {epoch}, {len(messages)}")
        return
        yield 0.0

    def handler(self, effect: Effect, transaction: Hearing) -> None:
        """What beta's handler meets besides the event. Raises HandlerFailed."""
        if self.beta.chance(self.plan.transient):
            raise HandlerFailed("transient", "busy")
        if self.beta.chance(self.plan.slow) or effect.subject in self.chaos.slow:
            raise HandlerFailed("slow", "TimeoutError")


def brief(what: object) -> str:
    """An action or a fact in some words."""
    match what:
        case str():
            return what
        case c.Commit():
            return f"Commit({sorted(what.offsets.items())})"
        case r.Rows() | r.Append():
            return f"{type(what).__name__} {[(row.cursor.xid, row.cursor.id) for row in what.rows]}"
    text = repr(what)
    short = text if len(text) < 160 else type(what).__name__
    group = getattr(what, "group", None)
    if group is not None:
        of = [(d.envelope.subject[-2:], d.envelope.subject_seq) for d in group.deliveries]
        moves = getattr(what, "moves", None)
        short = f"{type(what).__name__} {group.network_id.int} {of} {moves and moves.of}"
    records = getattr(what, "records", None)
    if records is not None:
        short = f"Records {[(x.partition, x.offset) for x in records]}"
    return short
