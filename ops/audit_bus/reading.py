"""What the databases and the bus hold, brought to the rules a topic at a time.

Every read is of one snapshot a database, and streams: see `ledger` for the order and its reason.
"""

import asyncio
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from ops.audit_bus.ledger import Heard, Problem, Problems, Seen, TopicLedger
from ops.day.check import Check
from ops.day.checks import effects, ledger_balances, nothing_twice
from ops.day.databases import opened
from shared.bus.port import Bus, BusError, OffsetOutOfRange, Record, TopicPartition
from shared.contracts.catalogue import PRODUCERS, topics_said_by
from shared.db.provision import SERVICES

ROWS_AT_ONCE = 5000
RECORDS_AT_ONCE = 5000
READ_SECONDS = 2.0
QUIET_READS = 10
NAMED_EACH = 500
_IS_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_IS_NUMBER = re.compile(r"[1-9][0-9]{0,17}").fullmatch

_CURSOR = "SELECT cursor_xid::text AS xid, cursor_id AS id FROM relay_lease WHERE producer = $1"
_SAID = """
SELECT network_id::text, subject, subject_seq, substr(uuid_send(event_id), 9) AS tail,
  (xid, id) > ($2::text::xid8, $3::bigint) AS waits
FROM outbox WHERE topic = $1 ORDER BY xid, id
"""
_APPLIED = "SELECT subject, seq FROM applied WHERE topic = $1"
_OFFSETS = "SELECT partition, next_offset FROM bus_offset WHERE bus_id = $1 AND topic = $2"
_PARKED = "SELECT topic, subject, kind, problem FROM parked_key ORDER BY since"
_HELD = "SELECT topic, subject, count(*) FROM parked_event GROUP BY topic, subject"
_UNREADABLE = """
SELECT topic, partition, "offset", reason FROM unreadable
WHERE dropped_at IS NULL ORDER BY recorded_at LIMIT 1000
"""
# Days are made from the day before the database itself on; that one is empty for ever.
_DROPPED = """
SELECT to_date(right(min(inhrelid::regclass::text), 8), 'YYYYMMDD') >
  (SELECT (pg_stat_file('base/' || oid || '/PG_VERSION')).modification::date
   FROM pg_database WHERE datname = current_database())
FROM pg_inherits WHERE inhparent = 'outbox'::regclass
"""
_NAME = """
SELECT event_id::text FROM outbox
WHERE topic = $1 AND subject = $2 AND subject_seq = $3 ORDER BY id LIMIT 1
"""


@dataclass(slots=True)
class TopicFound:
    """One topic as it was found; counts as in `TopicLedger`."""

    topic: str
    counts: dict[str, int]


@dataclass(slots=True)
class Found:
    """All of it. told: what is no exception and is said all the same."""

    topics: list[TopicFound] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    checks: list[Check] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def total(self, prefix: str) -> int:
        """The sum of the counts that begin so, over all topics."""
        named = (n for t in self.topics for name, n in t.counts.items() if name.startswith(prefix))
        return sum(named)


def hearers_of(topic: str) -> list[str]:
    """The services whose handlers hear a topic."""
    found = []
    for service in SERVICES:
        handlers = importlib.import_module(f"services.{service}.handlers")
        if topic in handlers.SUBSCRIPTIONS.topics:
            found.append(service)
    return found


async def audit(superuser_url: str, bus: Bus, services: Sequence[str] = SERVICES) -> Found:
    """Look at everything that these services said, and at all who hear it.

    Raises what the databases and the bus raise where they cannot be read.
    """
    found = Found()
    bus_id = await bus.bus_id()
    await _parked(superuser_url, services, found)
    for service in services:
        for topic in topics_said_by(service):
            found.topics.append(await _topic(superuser_url, bus, bus_id, service, topic, found))
    if tuple(services) == SERVICES:
        await _effects(superuser_url, found)
    return found


async def _topic(
    superuser_url: str, bus: Bus, bus_id: str, service: str, topic: str, found: Found
) -> TopicFound:
    settled = await bus.log_ends([topic])
    names: dict[str, str] = {}  # one text for a subject or network, whoever has it
    heard = [await _heard(superuser_url, name, bus_id, topic, names) for name in hearers_of(topic)]
    ends = {number: end for (_, number), end in settled.items()}
    already = len(found.problems.found)
    async with opened(superuser_url, service) as connection:
        dropped = await connection.fetchval(_DROPPED)
        ledger = TopicLedger(service, topic, heard, ends, found.problems, archived=dropped)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _say_all(connection, service, ledger, names)
        await _see_all(bus, ledger, found.told)
        ledger.end()
        await _name(connection, topic, found.problems.found, already)
    return TopicFound(topic, dict(ledger.counts))


async def _heard(
    superuser_url: str, service: str, bus_id: str, topic: str, names: dict[str, str]
) -> Heard:
    async with (
        opened(superuser_url, service) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        applied: dict[str, int] = {}
        async for row in connection.cursor(_APPLIED, topic, prefetch=ROWS_AT_ONCE):
            applied[names.setdefault(row[0], row[0])] = row[1]
        offsets = {r[0]: r[1] for r in await connection.fetch(_OFFSETS, bus_id, topic)}
        parked = {r[1]: r[2] for r in await connection.fetch(_PARKED) if r[0] == topic}
    return Heard(service, applied, parked, offsets)


TABLES = {"schedule": "weekly_schedules"}


def table_of(aggregate: str) -> str:
    """The table that keeps the rows of an aggregate: its name in the plural, but for few."""
    if aggregate in TABLES:
        return TABLES[aggregate]
    if aggregate.endswith("s"):
        return aggregate
    if aggregate.endswith("y") and aggregate[-2] not in "aeiou":
        return f"{aggregate[:-1]}ies"
    return f"{aggregate}s"


async def _say_all(
    connection: asyncpg.Connection, service: str, ledger: TopicLedger, names: dict[str, str]
) -> None:
    cursor = await connection.fetchrow(_CURSOR, service)
    xid, row_id = (cursor["xid"], cursor["id"]) if cursor else ("0", 0)
    rows = connection.cursor(_SAID, ledger.topic, xid, row_id, prefetch=ROWS_AT_ONCE)
    async for network, subject, seq, tail, waits in rows:
        named = names.setdefault(network, network), names.setdefault(subject, subject)
        ledger.say(*named, seq, int.from_bytes(tail, "big"), waits=waits)
    aggregate = ledger.topic.split(".")[2]
    said = [event for event in PRODUCERS[service] if event.aggregate == aggregate]
    if all(event.expected for event in said):
        return  # said by nobody yet, so no row counts them
    table, column = table_of(aggregate), said[0].subject_field
    asked = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2"
    if not await connection.fetchval(asked, table, column):
        column = "id"
    owners = f"SELECT {column}::text, event_seq FROM {table}"
    async for key, event_seq in connection.cursor(owners, prefetch=ROWS_AT_ONCE):
        ledger.own(f"{aggregate}/{key}", event_seq)


async def _see_all(bus: Bus, ledger: TopicLedger, told: list[str]) -> None:
    """Read the topic from its start to its end as it is now."""
    topic = ledger.topic
    starts, ends = await bus.log_starts([topic]), await bus.log_ends([topic])
    positions = {key: at for key, at in starts.items() if at < ends[key]}
    quiet = 0
    while positions:
        try:
            records = await bus.read(positions, RECORDS_AT_ONCE, READ_SECONDS)
        except OffsetOutOfRange as error:
            end = ends[error.topic, error.partition]
            told.append(f"{error.topic}/{error.partition} lacks {error.offset} to {end - 1}")
            del positions[error.topic, error.partition]
            continue
        quiet = 0 if records else quiet + 1
        if quiet > QUIET_READS:
            raise BusError(f"{topic} gives nothing any more before its end")
        for record in records:
            key: TopicPartition = (record.topic, record.partition)
            if record.offset < ends[key]:
                ledger.see(seen_of(record))
                positions[key] = record.offset + 1
            else:
                positions[key] = ends[key]
        positions = {key: at for key, at in positions.items() if at < ends[key]}
        await asyncio.sleep(0)


def seen_of(record: Record) -> Seen:
    """What the headers of a record say, if they are an event's of this topic.

    Not the whole envelope is read: the rules compare subject, number, network and id with the
    outbox, and what differs in these is a stranger.
    """
    got = dict(record.headers)
    subject, event_id = got.get("ce_subject", ""), got.get("ce_id", "")
    seq, network = got.get("ce_subjectseq", ""), got.get("ce_tenant", "")
    if subject.partition("/")[2] != record.key or not _IS_ID(event_id) or not _IS_NUMBER(seq):
        return Seen(record.partition, record.offset)
    return Seen(record.partition, record.offset, event_id, network, subject, int(seq))


async def _name(
    connection: asyncpg.Connection, topic: str, problems: list[Problem], first: int
) -> None:
    """Give the exceptions of this topic their event's id, where the outbox has it."""
    for number in range(first, min(len(problems), first + NAMED_EACH)):
        problem = problems[number]
        if problem.event_id is None and problem.seq is not None:
            name = await connection.fetchval(_NAME, topic, problem.subject, problem.seq)
            problems[number] = Problem(
                problem.kind, problem.service, problem.subject, problem.seq, name, problem.text
            )


async def _parked(superuser_url: str, services: Sequence[str], found: Found) -> None:
    """Keys and records that wait for an operator, in each of these services."""
    for service in services:
        async with opened(superuser_url, service) as connection:
            held = {(r[0], r[1]): r[2] for r in await connection.fetch(_HELD)}
            for topic, subject, kind, problem in await connection.fetch(_PARKED):
                many = held.get((topic, subject), 0)
                text = f"{kind}, {problem}: {many} of {topic} wait"
                found.problems.add(Problem("parked", service, subject, None, None, text))
            for topic, partition, offset, reason in await connection.fetch(_UNREADABLE):
                text = f"{topic}/{partition} offset {offset}: {reason}"
                found.problems.add(Problem("unreadable", service, "(no subject)", text=text))


async def _effects(superuser_url: str, found: Found) -> None:
    """The checks of what events led to; while some are on their way, effects may lag behind."""
    found.checks = [
        await nothing_twice(superuser_url),
        await ledger_balances(superuser_url),
    ]
    on_the_way = found.total("flight/") + found.total("waiting") + found.total("new")
    parked = found.total("parked/")
    for effect, said, kept in await effects(superuser_url):
        for service, many in kept.items():
            text = f"{effect}: {said} said, and {many} in {service}"
            if many == said:
                continue
            if on_the_way or (parked and many < said):
                found.told.append(f"{text}, while events are on their way or parked")
            else:
                found.problems.add(Problem("effect", service, "(counts)", text=text))
    for check in found.checks:
        for text in check.problems:
            found.problems.add(Problem("effect", _OF[check.name], "(rows)", text=text))


_OF: dict[str, str] = {
    "nothing is booked twice": "appointments",
    "the ledger sums to zero": "payments",
}


def figures(found: Found) -> dict[str, Any]:
    """The sums of all topics, by name."""
    names = (
        "events",
        "on_topic",
        "doubled",
        "waiting",
        "new",
        "archived",
        "applied/",
        "flight/",
        "parked/",
    )
    return {name.rstrip("/"): found.total(name) for name in names}
