"""The consumer of one service: hears events and lets them take effect. It does what
`consumer_machine` says and nothing else; group and service have the same name.

It holds one database connection at a time, however many partitions it owns.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from shared.bus.consumer_actions import (
    Apply,
    Commit,
    Done,
    Fact,
    Failed,
    Fenced,
    Keep,
    Move,
    Park,
    Poll,
    Records,
    Resync,
    Settle,
    Stands,
    Wait,
)
from shared.bus.consumer_machine import ConsumerMachine
from shared.bus.effects import OffsetsMoved
from shared.bus.failures import judged, missing_day
from shared.bus.jitter import jitter
from shared.bus.metrics import CONSUMER_FENCED
from shared.bus.port import (
    Bus,
    BusError,
    BusStuck,
    BusUnavailable,
    GroupBroken,
    OffsetOutOfRange,
    Subscription,
    TopicPartition,
)
from shared.bus.settle import Counts, Settler
from shared.bus.steps import Steps
from shared.bus.subscriptions import Subscriptions
from shared.db.bus_tables import make_outbox_days
from shared.db.database import Database
from shared.db.failpoints import hit
from shared.values.clock import Clock

log = structlog.get_logger(__name__)

REJOIN_SECONDS, HALT_SECONDS = 1.0, 2.0
IDLE_SECONDS = (0.1, 5.0)
"""A look at the bus that has waited for at least so long found nothing; for longer, it hangs."""
REVOKE_SECONDS = 8.0
"""How long a rebalance waits for the transaction in hand before it is cancelled."""


class Consumer:
    """One member of a service's group."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        subscriptions: Subscriptions,
        *,
        jitter: Callable[[], float] = jitter,
    ) -> None:
        self._database, self._clock, self._bus = database, clock, bus
        self._subscriptions, self._jitter = subscriptions, jitter
        self._settler = Settler(database, clock, subscriptions, jitter)
        self._steps = Steps(database, clock, subscriptions, "")
        self._machine = self._fresh()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[Fact] | None = None
        self._stopping = asyncio.Event()
        self._polling_at: float | None = None
        self._stuck = False
        self.counts = Counts()
        self.problem: str | None = None

    def _fresh(self) -> ConsumerMachine:
        known, locks = self._subscriptions.known, self._subscriptions.locks
        return ConsumerMachine(known, locks, self._jitter)

    def state(self) -> dict[str, Any]:
        """For readiness and `clinicbus status`."""
        return {
            "partitions": len(self._machine.positions),
            "problem": self.problem,
            "holes": self.counts.holes,
            "parked": self.counts.poisons,
            "retrying": self.counts.retries,
        }

    def idle(self) -> bool:
        """Whether it is looking at the bus and there is nothing to apply."""
        if self._polling_at is None:
            return False
        least, most = IDLE_SECONDS
        return least < asyncio.get_running_loop().time() - self._polling_at < most

    def stop(self) -> None:
        """Finish the transaction in hand, leave the group, and let `run` return."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until `stop` or cancellation. The database and the bus may come and go.

        Raises GroupBroken, which ends the process. An offset out of range halts this subscriber
        until its stored offsets are reset; `problem` says so.
        """
        if not self._subscriptions.topics:
            await self._stopping.wait()
        while not self._stopping.is_set():
            pause = REJOIN_SECONDS * (0.5 + self._jitter() / 2)
            try:
                await self._membership()
            except GroupBroken:
                raise
            except BusStuck as error:
                # A client made anew helps as a rule. Where it does not, a new process may.
                if self._stuck:
                    raise GroupBroken(str(error)) from error
                self._stuck = True
                self._say(f"bus: {error}")
            except OffsetOutOfRange as error:
                self._say(f"halted: {error}")
                pause = HALT_SECONDS
            except BusError as error:
                self._say(f"bus: {type(error).__name__}")
            except Exception as error:
                how, problem = judged(error)
                if how == "permanent":
                    raise
                self._say(f"database: {problem}")
            await self._asleep(pause)

    async def _membership(self) -> None:
        """Join the group and consume; after whatever ends it, the group is left."""
        self._machine = self._fresh()
        bus_id = await self._bus.bus_id()
        self._steps = Steps(self._database, self._clock, self._subscriptions, bus_id)
        subscription = await self._bus.subscribe(
            self._database.name,
            self._subscriptions.topics,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        loop = asyncio.get_running_loop()
        try:
            while not self._stopping.is_set():
                action = self._machine.decide(loop.time())
                fact: Fact = Done()
                match action:
                    case Poll():
                        fact = await self._poll(subscription, action)
                    case Wait():
                        await self._asleep(action.seconds)
                    case Commit():
                        await hit("consumer.before_bus_commit")
                        await subscription.commit(action.offsets)
                    case _:
                        fact = await self._in_turn(subscription, action)
                self._machine.heard(fact, loop.time())
        finally:
            await subscription.close()

    async def _poll(self, subscription: Subscription, action: Poll) -> Fact:
        """Read from the bus, but no longer than until `stop`."""
        polling = asyncio.create_task(subscription.poll(action.most, action.seconds))
        stopping = asyncio.create_task(self._stopping.wait())
        self._polling_at = asyncio.get_running_loop().time()
        try:
            await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
            found = polling.result() if polling.done() else []
            self._stuck = self._stuck and not found
            return Records(found)
        finally:
            self._polling_at = None
            stopping.cancel()
            if not polling.done():
                polling.cancel()
                await asyncio.wait([polling])

    # ── what the transport calls ─────────────────────────────────────────────────────────────

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        if await self._bus.bus_id() != self._steps.bus_id:
            raise BusUnavailable("another bus is in its place")
        self._machine.assigned(offsets := await self._standing(partitions))
        return offsets

    async def _standing(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        """Where partitions stand: at the beginning, where it is still there, if never read."""
        offsets = await self._steps.stored(partitions)
        if missing := partitions - offsets.keys():
            starts = await self._bus.log_starts(sorted({topic for topic, _ in missing}))
            for key in missing:
                if starts[key] > 0:  # history is gone that it would never hear of
                    raise OffsetOutOfRange(*key, 0)
            await self._steps.store_first(dict.fromkeys(missing, 0))
            offsets = await self._steps.stored(partitions)
        return offsets

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(REVOKE_SECONDS), self._turn:
                self._machine.revoked(partitions)
        except TimeoutError:
            if self._task is not None:
                self._task.cancel()
            self._machine.revoked(partitions)

    # ── what the machine asks for ────────────────────────────────────────────────────────────

    async def _in_turn(
        self, subscription: Subscription, action: Keep | Apply | Park | Move | Resync | Settle
    ) -> Fact:
        """Do a step that a rebalance waits for, and may cancel."""
        async with self._turn:
            self._task = asyncio.create_task(self._perform(subscription, action))
            try:
                return await asyncio.shield(self._task)
            except asyncio.CancelledError:
                if self._task.cancelled():
                    return Failed("transient", "revoked")
                self._task.cancel()
                await asyncio.wait([self._task])
                raise

    async def _perform(
        self, subscription: Subscription, action: Keep | Apply | Park | Move | Resync | Settle
    ) -> Fact:
        try:
            match action:
                case Keep():
                    return await self._steps.keep(action)
                case Apply():
                    return await self._steps.apply(action)
                case Park():
                    return await self._steps.park(action)
                case Move():
                    return await self._steps.move(action)
                case Resync():
                    return await self._resync(subscription)
                case Settle():
                    return await self._settle()
        except OffsetsMoved:
            log.warning("consumer.fenced", service=self._database.name)
            CONSUMER_FENCED.labels(self._database.name).inc()
            return Fenced()
        except BusError:
            raise  # the membership ends
        except Exception as error:  # noqa: BLE001 - judged
            return await self._failed(error)

    async def _resync(self, subscription: Subscription) -> Fact:
        stored = await self._standing(frozenset(self._machine.positions))
        for key, offset in stored.items():
            await subscription.seek(key, offset)
        return Stands(stored)

    async def _settle(self) -> Fact:
        stood = dict(self._machine.positions)
        if await self._steps.stored(frozenset(stood)) != stood:
            return Fenced()  # an operator sent this subscriber elsewhere, or another member moved
        self.counts = await self._settler.settle()
        if self.counts.full:
            self._say("halted: too much is parked")
        elif self.counts.old_holes:
            self._say(f"{self.counts.old_holes} keys wait for a missing event")
        else:
            self.problem = None
        return Done(healed=self.counts.more, full=self.counts.full)

    async def _failed(self, error: Exception) -> Fact:
        how, problem = judged(error)
        if missing_day(error):
            async with self._database.raw("worker") as raw:
                await make_outbox_days(raw)
        self._say(f"{how}: {problem}")
        return Failed(how, problem)

    async def _asleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("consumer.trouble", service=self._database.name, problem=problem)
        self.problem = problem
