"""The bus over Postgres. A bus has one connection to append with; each subscription has its own,
on which it also listens, reads and keeps its lease."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import asyncpg
import orjson

from shared.bus.membership import Membership
from shared.bus.port import (
    Assigned,
    BusUnavailable,
    Message,
    OffsetOutOfRange,
    Packed,
    Producer,
    Record,
    Revoked,
    TopicPartition,
    UnknownTopic,
    check_sizes,
)
from shared.bus.postgres_line import Line
from shared.values.ids import new_id

IDLE_SECONDS = 2.0
LEASE_SECONDS = 4.5
LOOK_SECONDS = 0.05
"""How often a reader outside any group looks; it is not woken."""

_FETCH = """
WITH ready AS (
  SELECT a.*, p.log_start, p.next_offset, count(*) OVER () AS many
  FROM unnest($1::int[], $2::int[], $3::bigint[]) a(topic_id, partition, at)
  JOIN log_partition p USING (topic_id, partition) WHERE p.next_offset <> a.at)
SELECT r.topic_id, r.partition, r.at, r.log_start, r.next_offset,
  l."offset", l.key, l.headers, l.value, l.appended_at
FROM ready r LEFT JOIN LATERAL (
  SELECT * FROM log_record l
  WHERE l.topic_id = r.topic_id AND l.partition = r.partition AND l."offset" >= r.at
  ORDER BY l."offset" LIMIT greatest(1, $4 / r.many)) l ON true
"""
_BOUNDS = """
SELECT t.name, p.partition, p.log_start, p.next_offset
FROM topic t JOIN log_partition p ON p.topic_id = t.id WHERE t.name = ANY ($1)
"""


class PostgresSubscription:
    """A member of a group. See `shared.bus.port.Subscription`."""

    def __init__(
        self,
        line: Line,
        membership: Membership,
        topic_ids: Mapping[str, int],
        idle_seconds: float,
        woken: asyncio.Event,
    ) -> None:
        self._line, self._membership, self._idle = line, membership, idle_seconds
        self._ids = dict(topic_ids)
        self._woken = woken

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """See the port."""
        return frozenset(self._membership.positions)

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See the port. Woken by NOTIFY; looks by itself every `IDLE_SECONDS`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            self._membership.check()
            self._woken.clear()
            records = await self._fetch(max_records)
            left = end - loop.time()
            if records or left <= 0:
                return records
            try:
                await asyncio.wait_for(self._woken.wait(), min(left, self._idle))
            except TimeoutError:
                continue

    async def _fetch(self, max_records: int) -> list[Record]:
        asked = dict(self._membership.positions)
        positions = self._membership.positions
        records: list[Record] = []
        for record in await _fetched(self._line, self._ids, asked, max_records):
            key = (record.topic, record.partition)
            if positions.get(key) not in (asked[key], record.offset):
                continue  # lost or sought while the rows were on their way
            records.append(record)
            positions[key] = record.offset + 1
        return records

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """See the port."""
        if partition in self._membership.positions:
            self._membership.positions[partition] = offset
            self._woken.set()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port."""
        await self._membership.stands(offsets)

    async def close(self) -> None:
        """See the port."""
        await self._membership.leave()
        await self._line.close()


class PostgresBus:
    """See `shared.bus.port.Bus`. `url` is the worker role's in the bus's database."""

    def __init__(
        self, url: str, *, lease_seconds: float = LEASE_SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._url, self._lease, self._idle = url, lease_seconds, idle_seconds
        self._line = Line(url, "clinicbus-bus-append")
        self._reader = Line(url, "clinicbus-bus-read")
        self._member = str(new_id())

    async def bus_id(self) -> str:
        """See the port."""
        return f"postgres:{await self._line.run(_id_of)}"

    async def create_topics(self, topics: Sequence[str]) -> None:
        """See the port."""
        await self._line.run(lambda c: c.execute("SELECT bus_create_topics($1)", list(topics)))

    def ready(self, messages: Sequence[Message]) -> Sequence[Message]:
        """See the port: they are in the form that the database takes."""
        return messages

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        """See the port. A batch is one transaction: all of it is appended or nothing."""
        check_sizes(messages)
        columns: list[Any] = [
            [m.topic for m in messages],
            [m.partition for m in messages],
            [m.key for m in messages],
            [_flat(m.headers) for m in messages],
            [m.value for m in messages],
        ]
        text = "SELECT bus_append($1, $2, $3, $4, $5, $6, $7)"
        offsets: list[int] = await self._line.run(
            lambda c: c.fetchval(text, producer.name, producer.epoch, *columns)
        )
        return offsets

    async def subscribe(
        self, group: str, topics: Sequence[str], *, on_assigned: Assigned, on_revoked: Revoked
    ) -> PostgresSubscription:
        """See the port."""
        woken = asyncio.Event()
        known: dict[str, int] = {}

        def told(_c: object, _pid: int, channel: str, payload: object) -> None:
            if channel == "bus_group":
                if payload == group:
                    membership.hurry()
            elif not {str(n) for n in known.values()}.isdisjoint(str(payload).split(",")):
                woken.set()

        joined: list[str] = []

        async def listen(connection: asyncpg.Connection) -> None:
            joined.append(await _id_of(connection))
            if joined[0] != joined[-1]:  # its topics and offsets mean nothing there
                raise BusUnavailable("another bus is in its place")
            await connection.add_listener("bus", told)
            await connection.add_listener("bus_group", told)

        line = Line(self._url, f"clinicbus-bus-{group}", listen)
        membership = Membership(
            line.run, group, self._member, tuple(topics), known, self._lease, woken.set,
            on_assigned, on_revoked,
        )  # fmt: skip
        try:
            known.update(await _topic_ids(line, topics))
            await membership.join()
        except BaseException:
            membership.stop()
            line.drop()
            raise
        return PostgresSubscription(line, membership, known, self._idle, woken)

    async def log_starts(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """See the port."""
        return {key: start for key, (start, _) in (await self._bounds(topics)).items()}

    async def log_ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """See the port."""
        return {key: end for key, (_, end) in (await self._bounds(topics)).items()}

    async def _bounds(self, topics: Sequence[str]) -> dict[TopicPartition, tuple[int, int]]:
        rows = await self._line.run(lambda c: c.fetch(_BOUNDS, list(topics)))
        found = {(name, number): (start, end) for name, number, start, end in rows}
        _all_known(topics, {topic for topic, _ in found})
        return found

    async def read(
        self, positions: Mapping[TopicPartition, int], max_records: int, timeout: float
    ) -> list[Record]:
        """See the port."""
        ids = await _topic_ids(self._reader, sorted({topic for topic, _ in positions}))
        end = asyncio.get_running_loop().time() + timeout
        while True:
            records = await _fetched(self._reader, ids, positions, max_records)
            left = end - asyncio.get_running_loop().time()
            if records or left <= 0:
                return records
            await asyncio.sleep(min(left, LOOK_SECONDS))

    async def close(self) -> None:
        """See the port."""
        await self._line.close()
        await self._reader.close()


def _flat(headers: Sequence[tuple[str, str]]) -> str:
    if isinstance(headers, Packed):
        return headers.flat
    return orjson.dumps(list(chain.from_iterable(headers))).decode()


async def _topic_ids(line: Line, topics: Sequence[str]) -> dict[str, int]:
    text = "SELECT name, id FROM topic WHERE name = ANY ($1)"
    rows = await line.run(lambda c: c.fetch(text, list(topics)))
    found = {row["name"]: row["id"] for row in rows}
    _all_known(topics, found)
    return found


async def _fetched(
    line: Line, ids: Mapping[str, int], asked: Mapping[TopicPartition, int], max_records: int
) -> list[Record]:
    """Records at and after offsets. Raises OffsetOutOfRange."""
    if not asked:
        return []
    names = {number: name for name, number in ids.items()}
    columns = [ids[topic] for topic, _ in asked], [number for _, number in asked]
    offsets = list(asked.values())
    rows = await line.run(lambda c: c.fetch(_FETCH, *columns, offsets, max_records))
    records: list[Record] = []
    for topic_id, number, at, start, following, offset, key, headers, value, appended in rows:
        if not start <= at <= following or offset is None:  # what should be there is gone
            raise OffsetOutOfRange(names[topic_id], number, at)
        flat = orjson.loads(headers)
        pairs = tuple(zip(flat[::2], flat[1::2], strict=True))
        records.append(Record(names[topic_id], number, offset, key, pairs, value, appended))
    return records


async def _id_of(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval("SELECT bus_id FROM bus_identity"))


def _all_known(topics: Sequence[str], known: Collection[str]) -> None:
    missing = sorted(set(topics) - set(known))
    if missing:
        raise UnknownTopic(", ".join(missing))
