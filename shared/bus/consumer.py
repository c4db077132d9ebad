"""The consumer of one service: hears events and lets them take effect. It does what
`consumer_machine` says and nothing else; group and service have the same name.

It holds one database connection at a time, however many partitions it owns.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from shared.bus import effects
from shared.bus.consumer_machine import (
    Action,
    Apply,
    Commit,
    ConsumerMachine,
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
from shared.bus.failures import judged, missing_day
from shared.bus.jitter import jitter
from shared.bus.port import (
    Bus,
    BusError,
    GroupBroken,
    OffsetOutOfRange,
    Subscription,
    TopicPartition,
)
from shared.bus.settle import Counts, Settler
from shared.bus.subscriptions import Subscriptions
from shared.db.actor import Actor
from shared.db.bus_tables import make_outbox_days
from shared.db.database import Database, become_app
from shared.db.failpoints import hit
from shared.db.work import Context
from shared.values.clock import Clock

log = structlog.get_logger(__name__)

REJOIN_SECONDS = 1.0
HALT_SECONDS = 5.0
REVOKE_SECONDS = 8.0
"""How long a rebalance waits for the transaction in hand before it is cancelled."""

_OFFSETS = """
SELECT topic, partition, next_offset FROM bus_offset
WHERE bus_id = $1 AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::int[]))
"""
_FIRST = """
INSERT INTO bus_offset (bus_id, topic, partition, next_offset)
SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[]) ON CONFLICT DO NOTHING
"""


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
        self._settler = Settler(database, clock, subscriptions)
        self._machine = self._fresh()
        self._subscription: Subscription | None = None
        self._turn = asyncio.Lock()
        self._step: asyncio.Task[Fact] | None = None
        self._stopping = asyncio.Event()
        self._bus_id = ""
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
        }

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
                return
            except GroupBroken:
                raise
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
        self._machine = self._fresh()
        self._bus_id = await self._bus.bus_id()
        self._subscription = await self._bus.subscribe(
            self._database.name,
            self._subscriptions.topics,
            on_assigned=self._assigned,
            on_revoked=self._revoked,
        )
        try:
            await self._consume(self._subscription)
        finally:
            subscription, self._subscription = self._subscription, None
            await subscription.close()

    async def _consume(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            action = self._machine.decide(loop.time())
            match action:
                case Poll():
                    fact: Fact = await self._poll(subscription, action)
                case Wait():
                    await self._asleep(action.seconds)
                    fact = Done()
                case _:
                    fact = await self._in_turn(subscription, action)
            self._machine.heard(fact, loop.time())

    async def _poll(self, subscription: Subscription, action: Poll) -> Fact:
        records = await subscription.poll(action.most, action.seconds)
        if records and self.problem is not None:
            self.problem = None
        return Records(records)

    async def _in_turn(self, subscription: Subscription, action: Action) -> Fact:
        """Do a step that a rebalance waits for, and may cancel."""
        async with self._turn:
            self._step = asyncio.create_task(self._perform(subscription, action))
            try:
                return await asyncio.shield(self._step)
            except asyncio.CancelledError:
                if not self._step.cancelled():
                    self._step.cancel()
                    await asyncio.wait([self._step])
                    raise
                return Failed("transient", "revoked")

    # ── what the transport calls ─────────────────────────────────────────────────────────────

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        offsets = await self._stored(partitions)
        missing = partitions - offsets.keys()
        if missing:
            starts = await self._bus.log_starts(sorted({topic for topic, _ in missing}))
            keys = sorted(missing)
            async with self._database.raw("worker") as raw:
                await raw.execute(
                    _FIRST,
                    self._bus_id,
                    [topic for topic, _ in keys],
                    [number for _, number in keys],
                    [starts[key] for key in keys],
                )
            offsets = await self._stored(partitions)
        self._machine.assigned(offsets)
        return offsets

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(REVOKE_SECONDS), self._turn:
                self._machine.revoked(partitions)
        except TimeoutError:
            if self._step is not None:
                self._step.cancel()
            self._machine.revoked(partitions)

    async def _stored(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        topics = [topic for topic, _ in partitions]
        numbers = [number for _, number in partitions]
        async with self._database.raw("worker") as raw:
            rows = await raw.fetch(_OFFSETS, self._bus_id, topics, numbers)
        return {(row[0], row[1]): row[2] for row in rows}

    # ── what the machine asks for ────────────────────────────────────────────────────────────

    async def _perform(self, subscription: Subscription, action: Action) -> Fact:
        try:
            match action:
                case Keep():
                    return await self._keep(action)
                case Apply():
                    return await self._apply(action)
                case Park():
                    return await self._park(action)
                case Move():
                    async with self._database.raw("worker") as raw:
                        await effects.move_offsets(raw, self._bus_id, action.moves)
                    return Done()
                case Resync():
                    stored = await self._stored(subscription.assignment)
                    for key, offset in stored.items():
                        await subscription.seek(key, offset)
                    return Stands(stored)
                case Settle():
                    await self._settle()
                    return Done()
                case Commit():
                    await subscription.commit(action.offsets)
                    return Done()
                case _:
                    raise TypeError(type(action).__name__)
        except effects.OffsetsMoved:
            log.warning("consumer.fenced", service=self._database.name)
            return Fenced()
        except Exception as error:  # noqa: BLE001 - judged
            return await self._failed(error)

    async def _keep(self, action: Keep) -> Fact:
        async with self._database.raw("worker") as raw:
            await effects.keep_unread(raw, self._bus_id, action.unread)
            if action.moves is not None:
                await effects.move_offsets(raw, self._bus_id, action.moves)
        for each in action.unread:
            log.warning("consumer.unreadable", topic=each.record.topic, reason=each.reason)
        return Done()

    async def _apply(self, action: Apply) -> Fact:
        group = action.group
        actor = Actor("service", self._database.name)
        context = Context(group.network_id, actor, self._clock.now())
        async with self._database.work(context, group.locks, role="worker") as work:
            if action.moves is not None:
                await effects.move_offsets(work.raw, self._bus_id, action.moves)
            await hit("consumer.after_offset")
            await become_app(work)
            healed = await effects.apply_all(work, group.deliveries, self._subscriptions)
            await hit("consumer.after_effect")
        await hit("consumer.after_commit")
        return Done(healed)

    async def _park(self, action: Park) -> Fact:
        delivery = action.delivery
        actor = Actor("service", self._database.name)
        context = Context(delivery.envelope.network_id, actor, self._clock.now())
        async with self._database.work(context, delivery.locks, role="worker") as work:
            await become_app(work)
            key = delivery.key
            at = (await effects.standing_of(work.raw, work.network_id, [key]))[key]
            if delivery.envelope.subject_seq > at.applied:
                await effects.park_key(work.raw, delivery, "poison", action.problem)
                await effects.hold(work.raw, delivery)
        log.warning("consumer.parked", topic=key[0], problem=action.problem)
        return Done()

    async def _settle(self) -> None:
        self.counts = await self._settler.settle()
        if self.counts.old_holes:
            self._say(f"{self.counts.old_holes} keys wait for a missing event")
        elif self.problem is not None and "missing event" in self.problem:
            self.problem = None

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
