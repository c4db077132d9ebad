"""What topics lack of what a service said, from its outbox; and subscribers back at the start."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from shared.bus.port import Bus, BusUnavailable, Message, Producer, StaleProducer, TopicPartition

RECORDS_AT_ONCE = 2_000
ROWS_AT_ONCE = 500
READ_SECONDS = 5.0
QUIET_READS = 3
TAKEOVERS = 50
TAKEOVER_SECONDS = 0.2
ROUNDS = 4
"""After a wipe Kafka gives the numbers of its producers anew, and a relay from before may still use
the same one: a batch may then be refused, or taken for a repeat. So what was sent is looked for."""

_LEASE = "SELECT epoch, cursor_xid::text AS xid, cursor_id AS id FROM relay_lease"
# In the order in which the relay sent them, and only what it has sent: the rest is its own to send.
_ROWS = """
SELECT xid::text AS at_xid, id, event_id, topic, partition, key, headers, value FROM outbox
WHERE (xid, id) > ($1::text::xid8, $2) AND (xid, id) <= ($3::text::xid8, $4)
ORDER BY xid, id LIMIT $5
"""
_TO = """
INSERT INTO bus_offset (bus_id, topic, partition, next_offset)
SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[])
ON CONFLICT (bus_id, topic, partition) DO UPDATE SET next_offset = excluded.next_offset
"""


@dataclass(slots=True)
class Republished:
    """said: events up to the relay's cursor. by_topic: how many of them each topic lacked."""

    said: int = 0
    by_topic: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many were missing, and sent again unless it was a dry run."""
        return sum(self.by_topic.values())


async def republish(
    raw: asyncpg.Connection,
    bus: Bus,
    service: str,
    topics: Sequence[str],
    *,
    dry_run: bool = False,
) -> Republished:
    """Append what the topics of a service, all of them, lack of its outbox, in the outbox's order.

    `raw` is a worker connection to the service's database. What is sent again comes after what is
    there: a subscriber that has not applied it meets a hole first, and the hole heals. While relays
    change hands it goes on under the new epoch. It returns when nothing is missing any more of what
    was sent when it began: the service may go on saying things, on this bus or on another.
    Raises BusError.
    """
    await bus.create_topics(topics)
    until = await raw.fetchrow(_LEASE)
    if until is None:
        return Republished()
    found = await _compared(raw, bus, service, topics, until, dry_run=dry_run)
    if dry_run:
        return found
    left, rounds = found, 0
    while left.missing:
        if rounds == ROUNDS:
            raise BusUnavailable(f"{service}: {left.missing} events do not stay on the bus")
        left = await _compared(raw, bus, service, topics, until, dry_run=False)
        rounds += 1
    return found


async def _compared(
    raw: asyncpg.Connection,
    bus: Bus,
    service: str,
    topics: Sequence[str],
    until: asyncpg.Record,
    *,
    dry_run: bool,
) -> Republished:
    """Compare once up to where a relay stood, and send what is missing."""
    there = await _ids_on(bus, topics)
    found = Republished()
    async for page in _pages(raw, until["xid"], until["id"]):
        found.said += len(page)
        lacking = [row for row in page if row["event_id"].bytes not in there]
        for row in lacking:
            found.by_topic[row["topic"]] = found.by_topic.get(row["topic"], 0) + 1
        if lacking and not dry_run:
            await _append(raw, bus, service, [_message(row) for row in lacking])
    return found


async def _pages(
    raw: asyncpg.Connection, xid: str, last_id: int
) -> AsyncIterator[list[asyncpg.Record]]:
    at: tuple[str, int] = ("0", -1)
    while page := await raw.fetch(_ROWS, *at, xid, last_id, ROWS_AT_ONCE):
        yield page
        at = (page[-1]["at_xid"], page[-1]["id"])


async def _append(
    raw: asyncpg.Connection, bus: Bus, service: str, messages: Sequence[Message]
) -> None:
    refused = 0
    for _ in range(TAKEOVERS):
        lease = await raw.fetchrow(_LEASE)
        try:
            await bus.append(Producer(service, lease["epoch"]), messages)
        except StaleProducer:
            await asyncio.sleep(TAKEOVER_SECONDS)  # another relay is taking over
        except BusUnavailable:
            refused += 1  # the next try is by a fresh producer
            if refused == ROUNDS:
                raise
        else:
            return
    raise StaleProducer(f"{service}: its relays change hands all the time")


async def _ids_on(bus: Bus, topics: Sequence[str]) -> set[bytes]:
    """The ids of all events on topics, 16 bytes each."""
    at = await bus.log_starts(topics)
    ends = await bus.log_ends(topics)
    there: set[bytes] = set()
    quiet = 0
    while left := {key: offset for key, offset in at.items() if offset < ends[key]}:
        records = await bus.read(left, RECORDS_AT_ONCE, READ_SECONDS)
        quiet = 0 if records else quiet + 1
        if quiet > QUIET_READS:
            # Offsets of Kafka have holes where something was aborted or compacted: the end of a
            # partition may be no record at all. Nothing comes any more, so this is all there is.
            break
        for record in records:
            at[record.topic, record.partition] = record.offset + 1
            try:
                there.add(UUID(dict(record.headers)["ce_id"]).bytes)
            except (KeyError, ValueError):
                continue  # no event of ours
    return there


def _message(row: asyncpg.Record) -> Message:
    flat = row["headers"]
    headers = tuple(zip(flat[::2], flat[1::2], strict=True))
    return Message(row["topic"], row["key"], row["partition"], headers, row["value"])


async def reset(raw: asyncpg.Connection, bus: Bus, topics: Sequence[str]) -> int:
    """Store the log's start as where a subscriber stands in every partition of topics; how many.

    `raw` is a worker connection to the subscriber's database. A consumer that runs sees that its
    stored offsets moved, and follows. Raises BusError.
    """
    if not topics:
        return 0
    starts = await bus.log_starts(topics)
    keys: list[TopicPartition] = sorted(starts)
    columns = [key[0] for key in keys], [key[1] for key in keys], [starts[key] for key in keys]
    await raw.execute(_TO, await bus.bus_id(), *columns)
    return len(keys)
