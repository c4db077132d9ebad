"""Parked keys: a hole whose missing event has come is healed, what failed for a reason that passes
is tried again in its time, and what operators asked is done.

Whoever applies, parks or lets go of an event of a key holds that key's lock, so no event slips in
between the last parked one and the end of the waiting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from shared.bus.consumer_actions import How
from shared.bus.delivery import Delivery, Key, delivery_of, key_lock
from shared.bus.effects import Standing, flat, park_key, standing_of, take_effect, write_applied
from shared.bus.failures import judged
from shared.bus.held import delivery_held, first_of, healed, let_go
from shared.bus.jitter import jitter
from shared.bus.port import Record
from shared.bus.subscriptions import Subscriptions
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.locks import LockKey
from shared.db.work import Context
from shared.values.clock import Clock

log = structlog.get_logger(__name__)

HOLE_ALARM_SECONDS = 30
RETRY_LAST_SECONDS = 300.0
SLOW_TRIES = 3
"""Of an event that takes too long, before its key waits for an operator."""
PARKED_KEYS_MAX = 1_000
PARKED_EVENTS_MAX = 20_000
"""Failing keys and what waits behind them: more than this is an outage and no poison, and nothing
more is read until an operator has been."""
HOLE_EVENTS_MAX = 1_000_000
"""What waits for a missing event. That one may be the last on the bus, behind the newer events of
all other subjects (a republish appends it there), and only who reads on finds it. This is there
for the disk's sake, about a gigabyte of events of a kilobyte each; so many were not tried."""
HEALED_AT_ONCE = 100
"""Keys that a round lets go on; with more, the next round follows soon."""

_ASKED = """
SELECT network_id, id, topic, subject, verb, outcome, edited FROM operator_action
WHERE done_at IS NULL ORDER BY asked_at LIMIT 100
"""
_DUE = """
SELECT network_id, topic, subject, tries FROM parked_key
WHERE kind = 'retry' AND retry_at <= clock_timestamp() ORDER BY retry_at LIMIT 20
"""
_TRIES = """
SELECT tries FROM parked_key WHERE network_id = $1 AND topic = $2 AND subject = $3
"""
_COUNTS = f"""
SELECT count(*) FILTER (WHERE kind = 'hole') AS holes,
  count(*) FILTER (WHERE kind = 'hole'
    AND since < clock_timestamp() - interval '{HOLE_ALARM_SECONDS} seconds') AS old_holes,
  count(*) FILTER (WHERE kind = 'poison') AS poisons,
  count(*) FILTER (WHERE kind = 'retry') AS retries,
  coalesce(sum(held) FILTER (WHERE kind = 'hole'), 0)::bigint AS before_holes,
  coalesce(sum(held) FILTER (WHERE kind <> 'hole'), 0)::bigint AS behind_failures,
  (SELECT count(*) FROM operator_action WHERE done_at IS NULL) AS asked
FROM parked_key LEFT JOIN (
  SELECT network_id, topic, subject, count(*) AS held FROM parked_event
  GROUP BY network_id, topic, subject) e USING (network_id, topic, subject)
"""
_DONE = """
UPDATE operator_action SET done_at = clock_timestamp(), outcome = $3
WHERE network_id = $1 AND id = $2 AND done_at IS NULL
"""
# Under the key's lock: another process may have done meanwhile what this one has read as open.
_DONE_ALREADY = """
SELECT outcome FROM operator_action WHERE network_id = $1 AND id = $2
"""
_SKIPPED = """
UPDATE operator_action SET outcome = $3 WHERE network_id = $1 AND id = $2
"""
_EDIT = """
UPDATE parked_event SET headers = $5, value = $6
WHERE network_id = $1 AND topic = $2 AND subject = $3 AND seq = $4
"""
_EDITED = """
UPDATE operator_action SET outcome = 'edited', before_headers = $3, before_value = $4
WHERE network_id = $1 AND id = $2
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What waits in this service's database. before_holes: events that wait for a missing one.
    behind_failures: those of keys that fail. asked: what operators ask. more: there is more to
    settle at once."""

    holes: int = 0
    old_holes: int = 0
    poisons: int = 0
    retries: int = 0
    before_holes: int = 0
    behind_failures: int = 0
    asked: int = 0
    more: bool = False

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to settle, as nearly always."""
        return not (self.holes or self.poisons or self.retries or self.asked)

    @property
    def full(self) -> bool:
        """Whether more waits than a poison, or a lost stretch of the log, explains."""
        return (
            self.poisons + self.retries >= PARKED_KEYS_MAX
            or self.behind_failures >= PARKED_EVENTS_MAX
            or self.before_holes >= HOLE_EVENTS_MAX
        )


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles the parked keys of one service."""

    database: Database
    clock: Clock
    subscriptions: Subscriptions
    jitter: Callable[[], float] = jitter

    async def settle(self) -> Counts:
        """One round. Raises where the database is away; a key that fails again stays parked."""
        async with self.database.raw("worker") as raw:
            counts = await _counted(raw)
            if counts.nothing:
                return counts
            asked = await raw.fetch(_ASKED)
            filled = await healed(raw, HEALED_AT_ONCE)
            due = await raw.fetch(_DUE)
        for row in asked:
            await self._do(row)
        for network_id, key in filled:
            await self.replay(network_id, key)
        for row in due:
            await self.replay(row["network_id"], (row["topic"], row["subject"]))
        async with self.database.raw("worker") as raw:
            return await _counted(raw, more=len(filled) == HEALED_AT_ONCE)

    async def _do(self, asked: Any) -> None:
        network_id, key = asked["network_id"], (asked["topic"], asked["subject"])
        # After a crash in between, what was skipped or edited already is not so a second time.
        outcome = asked["outcome"]
        if outcome is None:
            match asked["verb"]:
                case "skip":
                    outcome = await self._skip(network_id, key, asked["id"])
                case "edit":
                    outcome = await self._edit(network_id, key, asked["id"], asked["edited"])
                case _:
                    outcome = await self.replay(network_id, key)
        if outcome.startswith(("skipped", "edited")):
            outcome = f"{outcome}, then {await self.replay(network_id, key)}"
        async with self._work(network_id, [key_lock(key)]) as work:
            await become_app(work)
            await work.raw.execute(_DONE, network_id, asked["id"], outcome)
        log.info("parked.settled", topic=key[0], kind=asked["verb"], problem=outcome)

    async def replay(self, network_id: UUID, key: Key) -> str:
        """Apply a key's parked events in order as far as they go; what became of it, as a code."""
        applied = 0
        while True:
            delivery = await self._head(network_id, key)
            if delivery is None:
                return f"applied {applied}" if applied else "nothing_parked"
            try:
                step = await self._replay_one(network_id, delivery)
            except Exception as error:
                how, problem = judged(error)
                if how == "away":
                    raise
                return await self._fails(network_id, delivery, how, problem)
            if step == "waits":
                return f"applied {applied}, waits"
            applied += step == "applied"

    async def _head(self, network_id: UUID, key: Key) -> Delivery | None:
        async with self.database.raw("worker") as raw:
            row = await first_of(raw, network_id, key)
        return None if row is None else delivery_held(key, row, self.subscriptions)

    async def _replay_one(self, network_id: UUID, delivery: Delivery) -> str:
        seq, key = delivery.envelope.subject_seq, delivery.key
        async with self._work(network_id, delivery.locks) as work:
            await become_app(work)
            at = (await standing_of(work.raw, network_id, [key]))[key]
            head = await first_of(work.raw, network_id, key)
            if head is None or head["seq"] != seq:
                return "again"  # another process was quicker
            if seq > at.applied + 1:
                await park_key(work.raw, delivery, "hole", f"waits for {at.applied + 1}")
                return "waits"
            if seq == at.applied + 1:
                if delivery.problem is not None:
                    raise _StillFails(delivery.problem)
                await take_effect(work, delivery, self.subscriptions)
                now = Standing(seq, at.parked, delivery.envelope.id)
                await write_applied(work.raw, network_id, {key: now})
            await let_go(work.raw, network_id, key, seq)
            return "applied" if seq == at.applied + 1 else "again"

    async def _fails(self, network_id: UUID, delivery: Delivery, how: How, problem: str) -> str:
        async with self._work(network_id, [key_lock(delivery.key)]) as work:
            await become_app(work)
            tries = await work.raw.fetchval(_TRIES, network_id, *delivery.key) or 0
            at = (await standing_of(work.raw, network_id, [delivery.key]))[delivery.key]
            if delivery.envelope.subject_seq <= at.applied:
                return "again"  # another process has applied or skipped it meanwhile
            log.warning("parked.fails", topic=delivery.key[0], problem=problem)
            if how == "permanent" or (how == "slow" and tries + 1 >= SLOW_TRIES):
                await park_key(work.raw, delivery, "poison", problem)
                return f"fails: {problem}"
            longest = min(2.0 ** min(tries + 1, 10), RETRY_LAST_SECONDS)
            seconds = longest * (0.5 + self.jitter() / 2)
            await park_key(work.raw, delivery, "retry", problem, seconds=seconds)
            return f"fails for now: {problem}"

    async def _skip(self, network_id: UUID, key: Key, action_id: UUID) -> str:
        """Go past what a key waits for, or past its failing event. It is lost on purpose; the
        outcome says its numbers, which a rebuild passes over, too."""
        async with self._work(network_id, [key_lock(key)]) as work:
            await become_app(work)
            done: str | None = await work.raw.fetchval(_DONE_ALREADY, network_id, action_id)
            if done is not None:
                return done
            at = (await standing_of(work.raw, network_id, [key]))[key]
            head = await first_of(work.raw, network_id, key)
            if head is None:
                return "nothing_parked"
            first = at.applied + 1
            if head["seq"] > first:
                past = Standing(head["seq"] - 1, at.parked)
            else:
                found = delivery_held(key, head, self.subscriptions)
                past = Standing(head["seq"], at.parked, found.envelope.id)
                await let_go(work.raw, network_id, key, head["seq"])
            await write_applied(work.raw, network_id, {key: past})
            many = f" to {past.applied}" if past.applied > first else ""
            outcome = f"skipped {first}{many}"
            await work.raw.execute(_SKIPPED, network_id, action_id, outcome)
            return outcome

    async def _edit(self, network_id: UUID, key: Key, action_id: UUID, value: bytes) -> str:
        """Give a key's failing event another value, and an id of its own: the action's."""
        async with self._work(network_id, [key_lock(key)]) as work:
            await become_app(work)
            done: str | None = await work.raw.fetchval(_DONE_ALREADY, network_id, action_id)
            if done is not None:
                return done
            head = await first_of(work.raw, network_id, key)
            if head is None:
                return "nothing_parked"
            at = (await standing_of(work.raw, network_id, [key]))[key]
            if head["seq"] > at.applied + 1:
                return "refused: it waits for an event that has not come"
            pairs = zip(head["headers"][::2], head["headers"][1::2], strict=True)
            headers = tuple({**dict(pairs), "ce_id": str(action_id)}.items())
            record = Record(key[0], head["partition"], head["offset"], head["key"], headers, value)
            found = delivery_of(record, self.subscriptions.known, self.subscriptions.locks)
            if not isinstance(found, Delivery) or found.event is None:
                return "refused: it could not be read like this"
            await work.raw.execute(_EDIT, network_id, *key, head["seq"], flat(headers), value)
            before = (head["headers"], head["value"])
            await work.raw.execute(_EDITED, network_id, action_id, *before)
            return "edited"

    def _work(self, network_id: UUID, locks: "tuple[LockKey, ...] | list[LockKey]") -> Any:
        actor = Actor("service", self.database.name)
        context = Context(network_id, actor, self.clock.now())
        return self.database.work(context, locks, role="worker")


async def _counted(raw: asyncpg.Connection, *, more: bool = False) -> Counts:
    return Counts(**dict(await raw.fetchrow(_COUNTS)), more=more)


class _StillFails(Exception):
    """The event has no reading here yet."""
