"""What was said in one network, told to a service again in another, in another order."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from types import ModuleType
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from shared.bus.consumer_actions import Apply
from shared.bus.delivery import batch_of
from shared.bus.port import Record
from shared.bus.steps import Steps
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import Envelope, headers_of
from shared.contracts.versions import value_of
from shared.db.database import Database
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from tests.journeys.house import House

_SAID = """
SELECT topic, partition, id, key, headers, value FROM outbox WHERE network_id = $1 ORDER BY id
"""
LATEST = 10**9
"""Beyond the offsets of a played day."""
OWN_IDS = ("ce_id", "ce_causationid")
"""Headers whose ids are made anew for each network, as ids of rows are made from them."""


async def recorded(house: House, network_id: UUID) -> list[Record]:
    """All that every service said in a network."""
    found = []
    for service in house.services:
        for row in await house.rows(service, _SAID, network_id):
            flat = row["headers"]
            headers = tuple(zip(flat[::2], flat[1::2], strict=True))
            found.append(
                Record(row["topic"], row["partition"], row["id"], row["key"], headers, row["value"])
            )
    return found


def expected_of(network_id: UUID, records: Sequence[Record]) -> list[Record]:
    """What is agreed on and said by nobody yet, from its samples, of the first visit that was held.

    Who hears it is told it with the rest.
    """
    seen = next(r for r in records if ".visit.checked_out." in dict(r.headers)["ce_type"])
    held = json.loads(seen.value)
    found: list[Record] = []
    for event in (event for event in EVENTS.values() if event.expected):
        ids = {name: UUID(held[name]) for name in ("patient_id", "appointment_id")}
        made = event.example().model_copy(update=ids)
        # The samples of one aggregate are about one subject, in the order in which they are listed.
        before = [r for r in found if r.key == str(made.subject_id)]
        envelope = Envelope(
            id=uuid5(network_id, event.wire_type()),
            type=event.wire_type(),
            source=f"/clinicbus/{event.producer}",
            subject=made.subject,
            time=datetime.fromisoformat(dict(seen.headers)["ce_time"]),
            subject_seq=len(before) + 1,
            network_id=network_id,
            actor=f"service/{event.producer}",
            correlation_id=uuid5(network_id, "expected"),
            causation_id=None,
            clinic_id=None,
            traceparent=None,
        )
        headers = headers_of(envelope, made)
        key, offset = str(made.subject_id), LATEST + len(found)
        found.append(Record(made.topic(), 0, offset, key, headers, value_of(made)))
    return found


def told_in(network_id: UUID, record: Record) -> Record:
    """The same event as of another network."""
    headers = dict(record.headers)
    headers["ce_tenant"] = str(network_id)
    for name in OWN_IDS:
        if name in headers:
            headers[name] = str(uuid5(network_id, headers[name]))
    return replace(record, headers=tuple(headers.items()))


def shuffled(records: Iterable[Record], draw: Random) -> list[Record]:
    """The records in an order that keeps each subject's own, some of them told twice or thrice."""
    queues: dict[str, list[Record]] = {}
    for record in records:
        queues.setdefault(dict(record.headers)["ce_subject"] + record.topic, []).append(record)
    told: list[Record] = []
    waiting = list(queues.values())
    while waiting:
        queue = draw.choice(waiting)
        told.append(queue.pop(0))
        if not queue:
            waiting.remove(queue)
        while draw.random() < 0.2:
            told.append(draw.choice(told))
    return told


def interleavings(queues: Sequence[Sequence[Record]]) -> Iterator[tuple[Record, ...]]:
    """Every order of the records that keeps each queue's own."""
    if not any(queues):
        yield ()
    for index, queue in enumerate(queues):
        if queue:
            rest = [*queues[:index], queue[1:], *queues[index + 1 :]]
            for order in interleavings(rest):
                yield (queue[0], *order)


@dataclass(slots=True)
class Listener:
    """A service that hears and does nothing else."""

    name: str
    database: Database
    steps: Steps
    eye: asyncpg.Connection

    async def hear(self, records: Sequence[Record], draw: Random) -> UUID:
        """Tell records to a network that knows nothing, one to five at a time; the network."""
        network_id = new_id()
        await self.hear_in(network_id, records, draw)
        return network_id

    async def hear_in(self, network_id: UUID, records: Sequence[Record], draw: Random) -> None:
        """The same in a given network."""
        known, locks = self.steps.subscriptions.known, self.steps.subscriptions.locks
        left = [told_in(network_id, record) for record in records]
        while left:
            count = draw.randint(1, 5)
            batch = batch_of(left[:count], known, locks)
            assert batch.unread == ()
            for group in batch.groups:
                await self.steps.apply(Apply(group))
            left = left[count:]
        held = "SELECT count(*) FROM parked_event WHERE network_id = $1"
        assert await self.eye.fetchval(held, network_id) == 0

    async def applied(self, network_id: UUID) -> dict[tuple[str, str], int]:
        """How far each subject was heard."""
        text = "SELECT topic, subject, seq FROM applied WHERE network_id = $1"
        return {(row[0], row[1]): row[2] for row in await self.eye.fetch(text, network_id)}

    async def state(
        self, network_id: UUID, tables: Mapping[str, str], ids: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """The rows of a network, table by table, as sorted JSON texts.

        tables: what to select of each. ids: what ids of this network stand for in all networks.
        """
        found = {}
        for table, columns in tables.items():
            text = (
                f"SELECT row_to_json(t)::text FROM (SELECT {columns} FROM {table}"
                " WHERE network_id = $1) t"
            )
            rows = [row[0] for row in await self.eye.fetch(text, network_id)]
            for own, common in ids.items():
                rows = [row.replace(own, common) for row in rows]
            found[table] = sorted(rows)
        return found


@asynccontextmanager
async def listener(
    handlers: ModuleType, urls: Mapping[str, str], clock: FixedClock, eye: asyncpg.Connection
) -> AsyncIterator[Listener]:
    """A service's handlers on its database."""
    name = handlers.__name__.split(".")[1]
    prefix = f"CLINICBUS_{name.upper()}"
    database = Database.connect(name, urls[f"{prefix}_APP_URL"], urls[f"{prefix}_WORKER_URL"])
    steps: Any = Steps(database, clock, handlers.SUBSCRIPTIONS, "replay")
    try:
        yield Listener(name, database, steps, eye)
    finally:
        await database.close()
