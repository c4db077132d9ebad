"""The topics from their start through the real handlers, as far as the live copy has heard them."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NoReturn
from uuid import UUID

from ops.errors import CannotRun
from ops.rebuild.live import Edit, Live, SubjectKey
from ops.rebuild.shadow import Shadow
from shared.bus.delivery import Delivery, Key, Unread, delivery_of
from shared.bus.effects import Standing, apply_all, hold, park_key, standing_of, write_applied
from shared.bus.failures import judged
from shared.bus.held import delivery_held, first_of, healed, let_go
from shared.bus.port import Bus, Record, TopicPartition
from shared.bus.subscriptions import Subscriptions

BATCH_RECORDS = 500
READ_SECONDS = 1.0
SILENCE_SECONDS = 30.0
WAITING_MAX = 50_000
"""Events that the live copy has not heard yet wait in memory."""
READ_ONLY = "25006"
"""SQLSTATE of a write to a table that is not doubled."""


@dataclass(slots=True)
class Replay:
    """One replay. `heard` counts the events that were given to the shadow."""

    live: Live
    shadow: Shadow
    bus: Bus
    subscriptions: Subscriptions
    network: UUID | None = None
    heard: int = 0
    networks: set[UUID] = field(default_factory=set)
    _positions: dict[TopicPartition, int] = field(default_factory=dict)
    _waiting: list[Delivery] = field(default_factory=list)
    _given_up: Mapping[SubjectKey, Sequence[range]] = field(default_factory=dict)
    _edits: Mapping[tuple[SubjectKey, int], Edit] = field(default_factory=dict)
    _looked_at: int = 500
    _filled: set[UUID] = field(default_factory=set)

    async def catch_up(self) -> None:
        """Read to where the topics end now, and apply what the live copy has applied by now."""
        topics = self.subscriptions.topics
        if not self._positions:
            self._positions = await self.bus.log_starts(topics)
        self._given_up, self._edits = await self.live.given_up(), await self.live.edits()
        ends = await self.bus.log_ends(topics)
        try:
            while any(self._positions[key] < end for key, end in ends.items()):
                async with asyncio.timeout(SILENCE_SECONDS):
                    self._take(await self._read())
                if len(self._waiting) >= BATCH_RECORDS:
                    await self._apply_what_is_applied()
        except TimeoutError:
            raise CannotRun(
                "The bus gives no records: `clinicbus status` says what runs."
            ) from None
        await self._apply_what_is_applied()

    async def _read(self) -> list[Record]:
        while True:
            found = await self.bus.read(self._positions, BATCH_RECORDS, READ_SECONDS)
            if found:
                return found

    def _take(self, records: Sequence[Record]) -> None:
        known, locks = self.subscriptions.known, self.subscriptions.locks
        for record in records:
            self._positions[record.topic, record.partition] = record.offset + 1
            found = delivery_of(record, known, locks)
            if isinstance(found, Unread) or self.network not in (None, found.envelope.network_id):
                continue
            self._waiting.append(found)

    async def _apply_what_is_applied(self) -> None:
        applied = await self.live.applied_of({_key(delivery) for delivery in self._waiting})
        ready: list[Delivery] = []
        later: list[Delivery] = []
        for delivery in self._waiting:
            if delivery.envelope.subject_seq <= applied.get(_key(delivery), 0):
                ready.append(self._edited(delivery))
            else:
                later.append(delivery)
        self._waiting = later
        if len(later) > WAITING_MAX:
            raise CannotRun(
                f"{self.live.service} has {len(later)} events before it that it has not applied:"
                " run this again when it has caught up."
            )
        ready.sort(key=lambda delivery: delivery.envelope.network_id)  # stable: order is kept
        for network_id, group in groupby(ready, key=lambda each: each.envelope.network_id):
            self.networks.add(network_id)
            await self._apply_network(network_id, list(group))
            if network_id in self._filled:
                self._filled.remove(network_id)
                await self._heal(network_id)
        self.heard += len(ready)
        if self.heard >= self._looked_at:
            self._looked_at = self.heard * 10
            await self.shadow.analyze()

    def _edited(self, delivery: Delivery) -> Delivery:
        """The event as an operator corrected it, where one did."""
        edit = self._edits.get((_key(delivery), delivery.envelope.subject_seq))
        if edit is None:
            return delivery
        headers = dict(delivery.record.headers) | {"ce_id": str(edit.event_id)}
        record = replace(delivery.record, headers=tuple(headers.items()), value=edit.value)
        found = delivery_of(record, self.subscriptions.known, self.subscriptions.locks)
        return delivery if isinstance(found, Unread) else found

    async def _apply_network(self, network_id: UUID, deliveries: list[Delivery]) -> None:
        for alone, group in groupby(deliveries, key=lambda each: _key(each) in self._given_up):
            found = list(group)
            if alone:
                for delivery in found:
                    await self._apply_or_pass_over(network_id, delivery)
                continue
            for start in range(0, len(found), BATCH_RECORDS):
                await self._apply(network_id, found[start : start + BATCH_RECORDS])

    async def _apply(self, network_id: UUID, deliveries: list[Delivery]) -> None:
        """All in one transaction; after a failure one by one, and who fails stops its key."""
        try:
            async with self.shadow.work(network_id) as work:
                if await apply_all(work, deliveries, self.subscriptions, Counter()):
                    self._filled.add(network_id)
            return
        except Exception as error:  # noqa: BLE001 - judged
            problem = self._problem(error)
        if len(deliveries) > 1:
            for delivery in deliveries:
                await self._apply(network_id, [delivery])
            return
        await self._stop(network_id, deliveries[0], problem)

    async def _heal(self, network_id: UUID) -> None:
        """Apply what waited in the copy for an event that came after it on the topic, as it does
        behind a republish. Who fails now stops its key."""
        while True:
            async with self.shadow.work(network_id) as work:
                keys = await healed(work.raw, BATCH_RECORDS)
            if not keys:
                return
            for _, key in keys:
                await self._heal_first(network_id, key)

    async def _heal_first(self, network_id: UUID, key: Key) -> None:
        async with self.shadow.work(network_id) as work:
            row = await first_of(work.raw, network_id, key)
        delivery = delivery_held(key, row, self.subscriptions)
        if delivery.problem is not None:
            await self._stop(network_id, delivery, delivery.problem)
            return
        try:
            async with self.shadow.work(network_id) as work:
                await apply_all(work, [delivery], self.subscriptions, Counter())
                await let_go(work.raw, network_id, key, delivery.envelope.subject_seq)
        except Exception as error:  # noqa: BLE001 - judged
            await self._stop(network_id, delivery, self._problem(error))

    async def _stop(self, network_id: UUID, delivery: Delivery, problem: str) -> None:
        async with self.shadow.work(network_id) as work:
            await park_key(work.raw, delivery, "poison", problem)
            await hold(work.raw, delivery)

    async def _apply_or_pass_over(self, network_id: UUID, delivery: Delivery) -> None:
        """An event of a subject of which an operator gave something up: that is passed over here,
        too, wherever on the topic it stands."""
        given_up = self._given_up[_key(delivery)]
        await self._pass_over(network_id, delivery.key, given_up)
        if not any(delivery.envelope.subject_seq in numbers for numbers in given_up):
            await self._apply(network_id, [delivery])
            await self._pass_over(network_id, delivery.key, given_up)

    async def _pass_over(self, network_id: UUID, key: Key, given_up: Sequence[range]) -> None:
        while True:
            async with self.shadow.work(network_id) as work:
                at = (await standing_of(work.raw, network_id, [key]))[key]
                past = next(
                    (numbers[-1] for numbers in given_up if at.applied + 1 in numbers), None
                )
                if past is None:
                    return
                await write_applied(work.raw, network_id, {key: Standing(past, None)})
                await let_go(work.raw, network_id, key, past)
                row = await first_of(work.raw, network_id, key)
                if row is not None:
                    held = delivery_held(key, row, self.subscriptions)
                    await park_key(work.raw, held, "hole", f"waits for {past + 1}")
            await self._heal(network_id)

    def _problem(self, error: Exception) -> str:
        """The code of a handler's failure. Raises CannotRun for what is no handler's."""
        if isinstance(error, CannotRun):
            raise error
        how, problem = judged(error)
        if problem.startswith(READ_ONLY):
            _undeclared(self.live.service, error)
        if how in ("away", "transient"):
            raise CannotRun(f"The database of {self.live.service} went away: {problem}.")
        return problem


def _undeclared(service: str, error: Exception) -> NoReturn:
    raise CannotRun(
        f"A handler of {service} writes a table that PROJECTIONS does not name, and was kept from"
        f" it: {error}."
    )


def _key(delivery: Delivery) -> SubjectKey:
    return (delivery.envelope.network_id, *delivery.key)
