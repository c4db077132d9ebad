"""The relay: carries the outbox to the bus. It does what `relay_machine` says and nothing else.

It holds one worker connection, on which no transaction is open while the bus is called. While the
bus takes a full batch the next one is read: rows behind the gate stay what they are, so an earlier
look at them is never wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import asyncpg
import structlog

from shared.bus import tracing
from shared.bus.beside import beside
from shared.bus.failures import BROKEN
from shared.bus.jitter import jitter
from shared.bus.metrics import RELAY_EVENTS, RELAY_TAKEOVERS
from shared.bus.port import Bus, BusError, Message, Packed, Producer, StaleProducer
from shared.bus.relay_machine import (
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
    is_full,
)
from shared.bus.relay_statements import (
    ACQUIRE,
    DAYS,
    READ,
    RELEASE,
    RENEW,
    RESTORED,
    SAVE,
)
from shared.db.bus_tables import make_outbox_days
from shared.db.database import Database
from shared.db.failpoints import hit
from shared.values.ids import new_id

log = structlog.get_logger(__name__)
ON_THE_WAY_SECONDS = 0.001
"""Until what was asked of bus and database is written: a client does that in a task of its own,
some turns of the loop later. Making a batch ready takes the processor for longer than that."""

CHANNEL = "outbox"
"""NOTIFY on it, from a connection of its own after a commit, wakes a relay in another process."""


class _Ahead(NamedTuple):
    """Rows that were read before they were asked for, and their messages as the bus likes them,
    once they were made ready."""

    asked: Read
    rows: tuple[OutboxRow, ...]
    messages: Sequence[Message] | None = None


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
        self._ahead: list[_Ahead] = []
        self._ready: _Ahead | None = None
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
                return _renewed(await raw.fetchrow(RENEW, self._name, self._owner, action.epoch))
            case Save():
                await hit("relay.before_cursor")
                at = (str(action.cursor.xid), action.cursor.id)
                row = await raw.fetchrow(SAVE, self._name, self._owner, action.epoch, *at)
                return _renewed(row)

    async def _acquire(self, raw: asyncpg.Connection) -> Fact:
        row = await raw.fetchrow(ACQUIRE, self._name, self._owner)
        if row is not None and await raw.fetchval(RESTORED, str(row["cursor_xid"])):
            changed = await raw.fetchval("SELECT outbox_rebase()")
            log.warning("relay.rebased", service=self._name, count=changed)
            row = await raw.fetchrow(ACQUIRE, self._name, self._owner)
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
        ready, self._ready = self._ready, None
        messages: Sequence[Message] = [row.message for row in rows]
        if ready is not None and ready.rows is rows and ready.messages is not None:
            messages = ready.messages
        try:
            await self._bus.append(Producer(self._name, action.epoch), messages)
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
        """While a full batch is appended, make the next one ready and read the one after it."""
        if self._asked is None or not is_full(action.rows, self._asked.limit):
            yield
            return
        ahead = replace(self._asked, after=action.rows[-1].cursor)
        async with beside(self._read_on(raw, ahead)):
            yield

    async def _read_on(self, raw: asyncpg.Connection, action: Read) -> None:
        if not self._ahead or self._ahead[0].asked != action:
            self._ahead = [_Ahead(action, await self._fetched(raw, action))]
        first = self._ahead[0]
        if not is_full(first.rows, action.limit):
            self._make_ready(first)
            return
        beyond = replace(action, after=first.rows[-1].cursor)
        async with beside(self._fetched(raw, beyond)) as fetching:
            await asyncio.sleep(ON_THE_WAY_SECONDS)
            self._make_ready(first)
        self._ahead.append(_Ahead(beyond, fetching.result()))

    def _make_ready(self, first: "_Ahead") -> None:
        messages = self._bus.ready([row.message for row in first.rows])
        self._ahead = [first._replace(messages=messages)]

    async def _fetched(self, raw: asyncpg.Connection, action: Read) -> tuple[OutboxRow, ...]:
        days = ""
        if action.since is not None:
            days = DAYS.format(since=action.since, today=action.today)
        self.days = days
        after = (str(action.after.xid), action.after.id)
        return tuple(map(_row, await raw.fetch(READ.format(days=days), *after, action.limit)))

    async def _read(self, raw: asyncpg.Connection, action: Read) -> Fact:
        ahead, self._ahead, self._asked = self._ahead, [], action
        rows: tuple[OutboxRow, ...] = ()
        if ahead and ahead[0].asked == action:
            rows, self._ready, self._ahead = ahead[0].rows, ahead[0], ahead[1:]
        if not rows:
            rows = await self._fetched(raw, action)
        if self.problem is not None and self.problem.startswith("database"):
            self.problem = None
        if rows:
            await hit("relay.after_read")
        return Rows(rows)

    async def _release(self, raw: asyncpg.Connection) -> None:
        if self._machine.epoch is not None:
            await raw.execute(RELEASE, self._name, self._owner, self._machine.epoch)

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
