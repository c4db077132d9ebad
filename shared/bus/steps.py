"""The transactions that the consumer's machine asks for, each as the roles and locks demand:
network and locks, offsets as worker, then as app `applied`, the effect and its events."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from shared.bus import effects
from shared.bus.consumer_actions import Apply, Done, Keep, Move, Park
from shared.bus.delivery import Parked, key_lock
from shared.bus.metrics import CONSUMER_EVENTS
from shared.bus.port import TopicPartition
from shared.bus.subscriptions import Subscriptions
from shared.bus.tracing import batch
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.failpoints import hit
from shared.db.work import Context
from shared.values.clock import Clock

log = structlog.get_logger(__name__)

Offsets: TypeAlias = dict[TopicPartition, int]

FIRST_RETRY_SECONDS = 1.0

_OFFSETS = """
SELECT topic, partition, next_offset FROM bus_offset
WHERE bus_id = $1 AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::int[]))
"""
_FIRST = """
INSERT INTO bus_offset (bus_id, topic, partition, next_offset)
SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[]) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """One subscriber's transactions on one bus."""

    database: Database
    clock: Clock
    subscriptions: Subscriptions
    bus_id: str

    async def stored(self, partitions: frozenset[TopicPartition]) -> Offsets:
        """The stored offsets of partitions; those never read are left out."""
        topics = [topic for topic, _ in partitions]
        numbers = [number for _, number in partitions]
        async with self.database.raw("worker") as raw:
            rows = await raw.fetch(_OFFSETS, self.bus_id, topics, numbers)
        return {(row[0], row[1]): row[2] for row in rows}

    async def store_first(self, offsets: Offsets) -> None:
        """Store where partitions that were never read begin."""
        keys = sorted(offsets)
        columns = (
            [topic for topic, _ in keys],
            [number for _, number in keys],
            [offsets[key] for key in keys],
        )
        async with self.database.raw("worker") as raw:
            await raw.execute(_FIRST, self.bus_id, *columns)

    async def keep(self, step: Keep) -> Done:
        """Keep unreadable records."""
        async with self.database.raw("worker") as raw:
            await effects.keep_unread(raw, self.bus_id, step.unread)
            if step.moves is not None:
                await effects.move_offsets(raw, self.bus_id, step.moves)
        self._count({"unreadable": len(step.unread)})
        for each in step.unread:
            log.warning("consumer.unreadable", topic=each.record.topic, reason=each.reason)
        return Done()

    async def move(self, step: Move) -> Done:
        """Move the offsets alone."""
        async with self.database.raw("worker") as raw:
            await effects.move_offsets(raw, self.bus_id, step.moves)
        return Done()

    async def apply(self, step: Apply) -> Done:
        """Apply a group of one network. Raises what a handler raises, and OffsetsMoved."""
        group = step.group
        actor = Actor("service", self.database.name)
        context = Context(group.network_id, actor, self.clock.now())
        tally = Counter[str]()
        with batch(self.database.name, group.deliveries):
            async with self.database.work(context, group.locks, role="worker") as work:
                if step.moves is not None:
                    await effects.move_offsets(work.raw, self.bus_id, step.moves)
                await hit("consumer.after_offset")
                await become_app(work)
                healed = await effects.apply_all(work, group.deliveries, self.subscriptions, tally)
                await hit("consumer.after_effect")
        self._count(tally)
        await hit("consumer.after_commit")
        return Done(healed)

    async def park(self, step: Park) -> Done:
        """Park the key of a delivery that fails, unless it was applied meanwhile."""
        delivery, key = step.delivery, step.delivery.key
        actor = Actor("service", self.database.name)
        context = Context(delivery.envelope.network_id, actor, self.clock.now())
        # The key's lock alone: what the handler locks may be just what cannot be had.
        async with self.database.work(context, [key_lock(key)], role="worker") as work:
            await become_app(work)
            at = (await effects.standing_of(work.raw, work.network_id, [key]))[key]
            if delivery.envelope.subject_seq > at.applied:
                kind: Parked = "retry" if step.passes else "poison"
                seconds = FIRST_RETRY_SECONDS if step.passes else None
                await effects.park_key(work.raw, delivery, kind, step.problem, seconds=seconds)
                await effects.hold(work.raw, delivery)
        self._count({"parked": 1})
        log.warning("consumer.parked", topic=key[0], problem=step.problem)
        return Done()

    def _count(self, tally: Mapping[str, int]) -> None:
        for outcome, count in tally.items():
            CONSUMER_EVENTS.labels(self.database.name, outcome).inc(count)
