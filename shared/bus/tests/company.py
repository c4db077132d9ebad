"""Two made-up services on real databases: alpha says that things change, beta keeps it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.bus.consumer import Consumer
from shared.bus.port import Bus, Message, Producer, Record
from shared.bus.relay import Relay
from shared.bus.subscriptions import HANDLER_SECONDS, Subscriptions
from shared.contracts.envelope import Envelope, Event, headers_of
from shared.contracts.partition import partition_of
from shared.db.actor import Actor
from shared.db.bus_upgrades import upgrade_bus_0002
from shared.db.database import Database
from shared.db.locks import LockKey, lock_key
from shared.db.mechanism import create_mechanism, protect_clinic_table
from shared.db.work import Context, Work
from shared.values.clock import FixedClock
from shared.values.errors import Conflict
from shared.values.ids import new_id

SERVICES = ("alpha", "beta")
NOON = datetime(2026, 11, 2, 19, 0, tzinfo=UTC)
PATIENCE_SECONDS = 30.0
TOPIC = "clinicbus.alpha.thing.v1"


class ThingChanged(Event):
    """A thing has a new value."""

    producer: ClassVar[str] = "alpha"
    aggregate: ClassVar[str] = "thing"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "thing.changed"

    thing_id: UUID
    value: int


class ThingMoved(Event):
    """What beta does not hear."""

    producer: ClassVar[str] = "alpha"
    aggregate: ClassVar[str] = "thing"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "thing.moved"

    thing_id: UUID


class Row(SQLModel, registry=registry()):
    """A registry of the suite's own."""


class Thing(Row, table=True):
    """Alpha's aggregate."""

    __tablename__ = "thing"

    network_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    version: int = 1
    event_seq: int = 0
    value: int = 0


class Tally(Row, table=True):
    """What beta counts when a test asks it to."""

    __tablename__ = "tally"

    network_id: UUID = Field(primary_key=True)
    value: int = Field(primary_key=True)


TABLES = {
    "alpha": """
CREATE TABLE thing (network_id uuid NOT NULL, id uuid NOT NULL, version int NOT NULL,
  event_seq int NOT NULL, value int NOT NULL, PRIMARY KEY (network_id, id))
""",
    "beta": """
CREATE TABLE effect (network_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY,
  event_id uuid NOT NULL, thing_id uuid NOT NULL, seq bigint NOT NULL, value int NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(), UNIQUE (network_id, id))
""",
}
TABLES["gamma"] = TABLES["beta"]  # who hears the same, where one subscriber is not enough
TALLY = """
CREATE TABLE tally (network_id uuid NOT NULL, value int NOT NULL, PRIMARY KEY (network_id, value))
"""
LATE_CHECK = """
CREATE FUNCTION no_thirteen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.value = 1313 THEN
    RAISE EXCEPTION 'thirteen' USING ERRCODE = '23514';
  END IF;
  RETURN NULL;
END $$
"""
LATE_TRIGGER = """
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION no_thirteen()
"""


async def migrate(owner_url: str, service: str) -> None:
    """The mechanism's tables and the service's own."""
    statements = ["CREATE TABLE alembic_version (version_num text PRIMARY KEY)"]
    create_mechanism(statements.append, service)
    upgrade_bus_0002(statements.append, service)
    statements.append(TABLES[service])
    if service == "beta":
        statements += [LATE_CHECK, LATE_TRIGGER, TALLY]
        protect_clinic_table(statements.append, "tally", "beta_app")
    table = "thing" if service == "alpha" else "effect"
    protect_clinic_table(statements.append, table, f"{service}_app")
    connection = await asyncpg.connect(owner_url)
    try:
        for text in statements:
            await connection.execute(text)
    finally:
        await connection.close()


def locks_of(event: Event) -> Sequence[LockKey]:
    """What beta's function changes."""
    return [lock_key("thing", event.subject_id)]


@dataclass(slots=True)
class Company:
    """Both services, a bus, and a superuser who sees everything."""

    alpha: Database
    beta: Database
    alpha_super: asyncpg.Connection
    beta_super: asyncpg.Connection
    bus: Bus
    poisons: set[int] = field(default_factory=set)
    failing: Callable[[Work, int], Awaitable[None]] | None = None
    locks: Callable[[Event], Sequence[LockKey]] = locks_of
    handler_seconds: float = HANDLER_SECONDS
    effects_of: Callable[[Work, int], Awaitable[None]] | None = None
    """Instead of what beta does."""
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))

    async def change(self, network_id: UUID, thing_id: UUID, *values: int) -> None:
        """Say that a thing changed, once a value, in one transaction."""
        context = Context(network_id, Actor("person", "p1"), self.clock.now())
        async with self.alpha.work(context, [lock_key("thing", thing_id)]) as work:
            thing = await work.load(Thing, thing_id)
            if thing is None:
                thing = Thing(network_id=network_id, id=thing_id)
                work.add(thing)
            else:
                work.save(thing)
            for value in values:
                thing.value = value
                work.say(ThingChanged(thing_id=thing_id, value=value), of=thing)

    @property
    def subscriptions(self) -> Subscriptions:
        """What beta hears."""
        return Subscriptions({ThingChanged: self._on_changed}, self.locks, self.handler_seconds)

    async def _on_changed(self, work: Work, envelope: Envelope, event: ThingChanged) -> None:
        if self.effects_of is not None:
            await self.effects_of(work, event.value)
            return
        if self.failing is not None:
            await self.failing(work, event.value)
        await work.raw.execute(
            "INSERT INTO effect (network_id, event_id, thing_id, seq, value)"
            " VALUES ($1, $2, $3, $4, $5)",
            work.network_id,
            envelope.id,
            event.thing_id,
            envelope.subject_seq,
            event.value,
        )
        if event.value in self.poisons:
            raise Conflict("thing.poison", "This value never works.")

    def relay(self) -> Relay:
        """A relay of alpha."""
        return Relay(self.alpha, self.bus, jitter=lambda: 0.0)

    def consumer(self, bus: Bus | None = None) -> Consumer:
        """A consumer of beta."""
        at = bus or self.bus
        return Consumer(self.beta, self.clock, at, self.subscriptions, jitter=lambda: 0.0)

    async def effects(self) -> list[Any]:
        """Everything that took effect in beta, in order."""
        return list(await self.beta_super.fetch("SELECT * FROM effect ORDER BY id"))

    async def values(self, thing_id: UUID) -> list[int]:
        """The values that took effect for a thing, in order."""
        return [row["value"] for row in await self.effects() if row["thing_id"] == thing_id]

    async def parked(self) -> dict[str, tuple[str, str, list[int]]]:
        """Subject to (kind, problem, sequence numbers)."""
        rows = await self.beta_super.fetch(
            "SELECT k.subject, k.kind, k.problem, array_agg(e.seq ORDER BY e.seq) AS held"
            " FROM parked_key k LEFT JOIN parked_event e USING (network_id, topic, subject)"
            " GROUP BY 1, 2, 3"
        )
        return {r["subject"]: (r["kind"], r["problem"], list(r["held"])) for r in rows}

    async def applied(self, thing_id: UUID) -> int:
        """How far a thing has been heard."""
        found: int | None = await self.beta_super.fetchval(
            "SELECT seq FROM applied WHERE subject = $1", f"thing/{thing_id}"
        )
        return found or 0

    async def stored(self) -> int:
        """The sum of beta's stored offsets."""
        text = "SELECT coalesce(sum(next_offset), 0)::bigint FROM bus_offset"
        found: int = await self.beta_super.fetchval(text)
        return found

    async def append(self, *messages: Message) -> None:
        """Put messages on the bus past the outbox."""
        await self.bus.append(Producer("alpha", 1), messages)


def said(
    network_id: UUID,
    thing_id: UUID,
    seq: int,
    value: int,
    *,
    event_id: UUID | None = None,
    event: Event | None = None,
    **headers: str,
) -> Message:
    """The message of alpha's `seq`-th event of a thing; `headers` replace some (`ce_type=...`)."""
    event = event or ThingChanged(thing_id=thing_id, value=value)
    envelope = Envelope(
        id=event_id or new_id(),
        type=event.wire_type(),
        source="/clinicbus/alpha",
        subject=event.subject,
        time=NOON,
        subject_seq=seq,
        network_id=network_id,
        actor="person/p1",
        correlation_id=new_id(),
        causation_id=None,
        clinic_id=None,
        traceparent=None,
    )
    pairs = dict(headers_of(envelope, event)) | headers
    key = str(thing_id)
    body = event.model_dump_json().encode()
    return Message(TOPIC, key, partition_of(key), tuple(pairs.items()), body)


def record(message: Message, offset: int = 0) -> Record:
    """A message as if it had been read."""
    return Record(
        message.topic, message.partition, offset, message.key, tuple(message.headers), message.value
    )


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that other tasks do; fails after PATIENCE_SECONDS."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await true():
            await asyncio.sleep(0.005)
