"""The relay: carries the outbox to the bus. It does what `relay_machine` says and nothing else.

It holds one worker connection, on which no transaction is open while the bus is called. While the
bus takes a full batch the next one is read: rows behind the gate stay what they are, so an earlier
look at them is never wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import structlog

from shared.bus import tracing
from shared.bus.failures import BROKEN
from shared.bus.jitter import jitter
from shared.bus.metrics import RELAY_EVENTS, RELAY_TAKEOVERS
from shared.bus.port import Bus, BusError, Message, Packed, Producer, StaleProducer
from shared.bus.relay_machine import (
    LEASE_SECONDS,
    Acquire,
    Action,
    Append,
    Cursor,
    Done,
    Fact,
    Fence,
    Granted,
    Lost,
    MakeDays,
    OutboxRow,
    Read,
    Refused,
    RelayMachine,
    Renew,
    Renewed,
    Rows,
    Save,
    Stale,
    Trouble,
    Wait,
    Woken,
)
from shared.db.bus_tables import make_outbox_days
from shared.db.database import Database
from shared.db.failpoints import hit
from shared.values.ids import new_id

log = structlog.get_logger(__name__)

CHANNEL = "outbox"
"""NOTIFY on it, from a connection of its own after a commit, wakes a relay in another process."""

_TODAY = """(clock_timestamp() AT TIME ZONE 'UTC')::date AS today,
  pg_snapshot_xmin(pg_current_snapshot())::text AS gate,
  pg_current_xact_id()::text AS following"""
_UNTIL = f"clock_timestamp() + interval '{LEASE_SECONDS} seconds'"
_ACQUIRE = f"""
INSERT INTO relay_lease (producer, owner, epoch, expires_at) VALUES ($1, $2, 1, {_UNTIL})
ON CONFLICT (producer) DO UPDATE
  SET owner = excluded.owner, epoch = relay_lease.epoch + 1, expires_at = excluded.expires_at
  WHERE relay_lease.expires_at < clock_timestamp() OR relay_lease.owner = excluded.owner
RETURNING epoch, cursor_xid, cursor_id, {_TODAY}
"""
# No row can be of a transaction that has not begun, unless it was restored from another cluster.
_RESTORED = """
SELECT $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot())
  OR EXISTS (SELECT 1 FROM outbox WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
"""
_RENEW = f"""
UPDATE relay_lease SET expires_at = {_UNTIL} WHERE producer = $1 AND owner = $2 AND epoch = $3
RETURNING {_TODAY}
"""
# Nobody waits for the flush of a cursor: a server that loses it has an earlier one, from which rows
# are sent again. An epoch is always flushed.
_SAVE = f"""
UPDATE relay_lease SET expires_at = {_UNTIL}, cursor_xid = $4::text::xid8, cursor_id = $5
WHERE producer = $1 AND owner = $2 AND epoch = $3
RETURNING {_TODAY}, set_config('synchronous_commit', 'off', true)
"""
_RELEASE = """
UPDATE relay_lease SET expires_at = clock_timestamp() - interval '1 second'
WHERE producer = $1 AND owner = $2 AND epoch = $3
"""
# Days are literals: as a parameter the bound would lock every partition. Not `xid > a OR (xid = a
# AND id > b)`: that one sorts. Behind xmin, since rows of open transactions may come in between.
_READ = """
SELECT xid::text AS at_xid, id, topic, partition, key, array_to_json(headers)::text, value
FROM outbox
WHERE {days}(xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT $3
"""
_DAYS = "recorded_on BETWEEN date '{since}' - 1 AND date '{today}' + 1 AND "


class Relay:
    """The relay of one service in one process; others stand by."""

    def __init__(
        self, database: Database, bus: Bus, *, jitter: Callable[[], float] = jitter
    ) -> None:
        self._database, self._bus, self._name = database, bus, database.name
        self._owner = str(new_id())
        self._machine = RelayMachine(jitter)
        self._woken = database.signals["outbox"]
        self._stopping = False
        self._asked: Read | None = None
        self._ahead: tuple[Read, tuple[OutboxRow, ...]] | None = None
        self.problem: str | None = None
        self.days = ""
        """The days in which the unsent rows are, as SQL; nothing where all are looked through."""

    def state(self) -> dict[str, Any]:
        """For readiness and `clinicbus status`."""
        leads = self._machine.epoch is not None
        return {"leads": leads, "epoch": self._machine.epoch, "problem": self.problem}

    def stop(self) -> None:
        """Finish the batch in hand, give the lease back, and let `run` return."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Relay until `stop` or cancellation. The database and the bus may come and go."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            try:
                async with self._connected() as raw:
                    while not (self._stopping and self._idle()):
                        action = self._machine.decide(loop.time())
                        self._machine.heard(await self._perform(raw, action), loop.time())
                    await self._release(raw)
            except (*BROKEN, asyncpg.PostgresError) as error:
                self._say(f"database: {type(error).__name__}")
                self._machine.heard(Trouble(), loop.time())
                action = self._machine.decide(loop.time())
                if isinstance(action, Wait):
                    await asyncio.sleep(action.seconds)

    def _idle(self) -> bool:
        action = self._machine.decide(asyncio.get_running_loop().time())
        return not isinstance(action, Append | Save)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        def told(_connection: object, _pid: int, _channel: str, kinds: object) -> None:
            # Timers and errands of this process hear it here, too: one listener is enough.
            for kind in str(kinds).split(","):
                if kind in self._database.signals:
                    self._database.signals[kind].set()

        async with self._database.raw("worker") as raw:
            try:
                await raw.add_listener(CHANNEL, told)
                yield raw
                await raw.remove_listener(CHANNEL, told)
            except BROKEN as error:
                # As the error for which the pool throws a connection away.
                raise asyncpg.ConnectionDoesNotExistError(type(error).__name__) from error
            except BaseException:
                # It still listens: nobody else may get it.
                raw.terminate()
                raise

    async def _perform(self, raw: asyncpg.Connection, action: Action) -> Fact:
        match action:
            case Wait():
                return await self._wait(action)
            case Append():
                async with self._reading_ahead(raw, action):
                    return await self._append(action)
            case Fence():
                return await self._append(action)
            case Read():
                return await self._read(raw, action)
            case MakeDays():
                await make_outbox_days(raw)
                return Done()
            case Acquire():
                return await self._acquire(raw)
            case Renew():
                return _renewed(await raw.fetchrow(_RENEW, self._name, self._owner, action.epoch))
            case Save():
                await hit("relay.before_cursor")
                at = (str(action.cursor.xid), action.cursor.id)
                row = await raw.fetchrow(_SAVE, self._name, self._owner, action.epoch, *at)
                return _renewed(row)

    async def _acquire(self, raw: asyncpg.Connection) -> Fact:
        row = await raw.fetchrow(_ACQUIRE, self._name, self._owner)
        if row is not None and await raw.fetchval(_RESTORED, str(row["cursor_xid"])):
            changed = await raw.fetchval("SELECT outbox_rebase()")
            log.warning("relay.rebased", service=self._name, count=changed)
            row = await raw.fetchrow(_ACQUIRE, self._name, self._owner)
        if row is None:
            return Refused()
        log.info("relay.leads", service=self._name, epoch=row["epoch"])
        RELAY_TAKEOVERS.labels(self._name).inc()
        cursor = Cursor(int(row["cursor_xid"]), row["cursor_id"])
        return Granted(row["epoch"], cursor, row["today"], int(row["gate"]), int(row["following"]))

    async def _wait(self, action: Wait) -> Fact:
        if not action.wakeable:
            await asyncio.sleep(action.seconds)
            return Done()
        try:
            async with asyncio.timeout(action.seconds):
                await self._woken.wait()
        except TimeoutError:
            return Done()
        self._woken.clear()
        return Woken()

    async def _append(self, action: Append | Fence) -> Fact:
        rows = action.rows if isinstance(action, Append) else ()
        try:
            producer = Producer(self._name, action.epoch)
            await self._bus.append(producer, [row.message for row in rows])
        except StaleProducer:
            log.warning("relay.stale", service=self._name, epoch=action.epoch)
            return Stale()
        except BusError as error:
            self._say(f"bus: {type(error).__name__}")
            return Trouble()
        self.problem = None
        if rows:
            RELAY_EVENTS.labels(self._name).inc(len(rows))
            tracing.sent(self._name, (row.message for row in rows))
            await hit("relay.after_append")
        return Done()

    @asynccontextmanager
    async def _reading_ahead(self, raw: asyncpg.Connection, action: Append) -> AsyncIterator[None]:
        """While a full batch is appended, read what comes after it."""
        if self._asked is None or len(action.rows) < self._asked.limit:
            yield
            return
        ahead = replace(self._asked, after=action.rows[-1].cursor)
        reading = asyncio.create_task(self._fetched(raw, ahead))
        try:
            yield
            self._ahead = (ahead, await reading)
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])
            if not reading.cancelled():
                reading.exception()  # it was raised above, or something else was

    async def _fetched(self, raw: asyncpg.Connection, action: Read) -> tuple[OutboxRow, ...]:
        days = ""
        if action.since is not None:
            days = _DAYS.format(since=action.since, today=action.today)
        self.days = days
        after = (str(action.after.xid), action.after.id)
        return tuple(map(_row, await raw.fetch(_READ.format(days=days), *after, action.limit)))

    async def _read(self, raw: asyncpg.Connection, action: Read) -> Fact:
        ahead, self._ahead, self._asked = self._ahead, None, action
        rows = ahead[1] if ahead is not None and ahead[0] == action else ()
        if not rows:
            rows = await self._fetched(raw, action)
        if self.problem is not None and self.problem.startswith("database"):
            self.problem = None
        if rows:
            await hit("relay.after_read")
        return Rows(rows)

    async def _release(self, raw: asyncpg.Connection) -> None:
        if self._machine.epoch is not None:
            await raw.execute(_RELEASE, self._name, self._owner, self._machine.epoch)

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("relay.trouble", service=self._name, reason=problem)
        self.problem = problem


def _renewed(row: Any) -> Renewed | Lost:
    if row is None:
        return Lost()
    return Renewed(row["today"], int(row["gate"]), int(row["following"]))


def _row(record: Any) -> OutboxRow:
    xid, number, topic, partition, key, text, value = record
    message = Message(topic, key, partition, Packed(text), value)
    return OutboxRow(Cursor(int(xid), number), message)
