"""What the relay does next. No I/O, no clock: facts and times come in, actions go out.

One relay of a service holds the lease. It reads the outbox in commit order, appends to the bus,
then moves its cursor; after a crash in between it appends some rows again, which subscribers know
by their numbers. One that was paused past its lease asks for it before anything else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeAlias

from shared.bus.port import Message

LEASE_SECONDS, RENEW_SECONDS, STANDBY_SECONDS = 2.0, 0.7, 0.4
"""A standby takes over within LEASE_SECONDS + STANDBY_SECONDS of the leader's last word."""
IDLE_FIRST_SECONDS, IDLE_LAST_SECONDS = 0.002, 1.0
TROUBLE_FIRST_SECONDS, TROUBLE_LAST_SECONDS = 0.05, 1.0
FULL_SECONDS = 3600.0
BATCH_ROWS, BATCH_BYTES = 4_000, 8 * 1024 * 1024
"""A batch ends with the row that reaches it, as three are in memory at a time."""


class Cursor(NamedTuple):
    """A place in the outbox: rows are in the order of (transaction id, id)."""

    xid: int
    id: int


class OutboxRow(NamedTuple):
    """A row of the outbox as it goes on the bus."""

    cursor: Cursor
    message: Message


def is_full(rows: Sequence[OutboxRow], limit: int) -> bool:
    """Whether a read that gave these rows may have left some behind."""
    return len(rows) >= limit or sum(len(row.message.value) for row in rows) >= BATCH_BYTES


# ── actions ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MakeDays:
    """Make the outbox's partitions of the coming days."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take the lease if it is free. Answered by Granted or Refused."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Keep the lease. Answered by Renewed or Lost."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Tell the bus the new epoch before the first batch. Answered by Done or Stale."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Read:
    """Read rows after the cursor, from the day before `since` to tomorrow, or all. What was written
    before `since` has ended and was read. It ends at `limit`, or with the row that reaches
    BATCH_BYTES. Answered by Rows."""

    after: Cursor
    since: date | None
    today: date
    limit: int = BATCH_ROWS


@dataclass(frozen=True, slots=True)
class Append:
    """Append rows to the bus. Answered by Done or Stale."""

    epoch: int
    rows: tuple[OutboxRow, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """Move the cursor, which renews the lease as well. Answered by Renewed or Lost."""

    epoch: int
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do for some seconds, or, if `wakeable`, until somebody commits. Answered by Done,
    or by Woken."""

    seconds: float
    wakeable: bool


Action: TypeAlias = MakeDays | Acquire | Renew | Fence | Read | Append | Save | Wait


# ── facts ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease is ours. `today`: the database's UTC date. `gate`: its oldest open transaction.
    `following`: a transaction later than all that have an id by now."""

    epoch: int
    cursor: Cursor
    today: date
    gate: int = 0
    following: int = 0


@dataclass(frozen=True, slots=True)
class Renewed:
    """The lease is still ours. Else as in Granted."""

    today: date
    gate: int = 0
    following: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read, in order."""

    rows: tuple[OutboxRow, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody else holds the lease."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lease went to somebody else."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The bus has heard a later epoch."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The database or the bus did not do it; it may have been done all the same."""


@dataclass(frozen=True, slots=True)
class Done:
    """It was done."""


@dataclass(frozen=True, slots=True)
class Woken:
    """Somebody committed an event."""


Fact: TypeAlias = Granted | Renewed | Rows | Refused | Lost | Stale | Trouble | Done | Woken


class RelayMachine:
    """`decide` names the next action, `heard` takes its outcome. Times are monotonic seconds."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """jitter: a number in [0, 1) for each pause after trouble."""
        self._jitter = jitter
        self.epoch: int | None = None
        self.cursor = Cursor(0, 0)
        self._today: date | None = None
        self._since: date | None = None
        self._mark: tuple[date, int] | None = None
        self._settled: date | None = None
        self._asked_at = 0.0
        self._renew_at = 0.0
        self._fenced = False
        self._batch: tuple[OutboxRow, ...] = ()
        self._appended = False
        self._pause_until = 0.0
        self._wakeable = False
        self._idle = IDLE_FIRST_SECONDS
        self._troubles = 0
        self._troubled_at: type[Action] | None = None
        self._days_at = self._full_at = 0.0
        self._last: Action | None = None

    def decide(self, now: float) -> Action:
        """What to do at this time."""
        self._last = action = self._next(now)
        self._asked_at = now
        return action

    def _next(self, now: float) -> Action:
        if now < self._pause_until:
            return Wait(self._pause_until - now, self._wakeable)
        if now >= self._days_at:
            return MakeDays()
        if self.epoch is None or self._today is None:
            return Acquire()
        if now >= self._renew_at:
            return Renew(self.epoch)
        if not self._fenced:
            return Fence(self.epoch)
        if self._batch and not self._appended:
            return Append(self.epoch, self._batch)
        if self._batch:
            return Save(self.epoch, self._batch[-1].cursor)
        if now >= self._full_at:
            self._since, self._full_at = None, now + FULL_SECONDS
        return Read(self.cursor, self._since, self._today, BATCH_ROWS)

    def heard(self, fact: Fact, now: float) -> None:
        """Take the outcome of the last action."""
        if not isinstance(fact, Trouble) and type(self._last) is self._troubled_at:
            self._troubles = 0  # the very thing that failed has succeeded
        match fact:
            case Granted():
                self.epoch, self.cursor, self._today = fact.epoch, fact.cursor, fact.today
                self._since, self._fenced = None, False
                self._mark = self._settled = None
                self._see_days(fact)
                self._batch, self._appended = (), False
                self._renew_at = self._asked_at + RENEW_SECONDS
            case Renewed():
                if fact.today != self._today:
                    self._days_at = 0.0  # the machine may have slept for days
                self._today, self._renew_at = fact.today, self._asked_at + RENEW_SECONDS
                self._see_days(fact)
                if isinstance(self._last, Save):
                    self.cursor = self._last.cursor
                    self._batch, self._appended = (), False
            case Rows():
                self._take(fact.rows, now)
            case Refused() | Lost() | Stale():
                self.epoch = None
                self._batch, self._appended = (), False
                self._pause(now, STANDBY_SECONDS, wakeable=False)
            case Trouble():
                self._troubled(now)
            case Woken():
                self._pause_until, self._idle = 0.0, IDLE_FIRST_SECONDS
            case Done():
                self._finished(now)

    def _see_days(self, fact: Granted | Renewed) -> None:
        # A row is of the day it was written on and may commit much later: a day is settled when all
        # that had written at its first sight has ended.
        if self._mark is None or self._mark[0] != fact.today:
            self._mark = (fact.today, fact.following)
        if fact.gate >= self._mark[1]:
            self._settled = self._mark[0]

    def _take(self, rows: tuple[OutboxRow, ...], now: float) -> None:
        self._batch, self._appended = rows, False
        if not is_full(rows, BATCH_ROWS):
            self._since = self._settled
        if rows:
            self._idle = IDLE_FIRST_SECONDS
            return
        # A committed row may wait behind an older transaction: the first looks after a wake follow
        # each other closely, and the wait never more than doubles.
        self._pause(now, self._idle, wakeable=True)
        self._idle = min(self._idle * 2, IDLE_LAST_SECONDS)

    def _finished(self, now: float) -> None:
        match self._last:
            case MakeDays():
                self._days_at = now + FULL_SECONDS
            case Fence():
                self._fenced = True
            case Append():
                self._appended = True

    def _troubled(self, now: float) -> None:
        # What was appended is not known: read again from the cursor. The lease may still be ours.
        self._batch, self._appended, self._since = (), False, None
        self._renew_at = 0.0
        self._troubles += 1
        self._troubled_at = type(self._last) if self._last is not None else None
        longest = TROUBLE_FIRST_SECONDS * 2 ** min(self._troubles, 10)
        seconds = min(longest, TROUBLE_LAST_SECONDS) * (0.5 + self._jitter() / 2)
        self._pause(now, seconds, wakeable=False)

    def _pause(self, now: float, seconds: float, *, wakeable: bool) -> None:
        # Never past the time at which the lease must be renewed.
        if wakeable:
            seconds = max(0.0, min(seconds, self._renew_at - now))
        self._pause_until, self._wakeable = now + seconds, wakeable
