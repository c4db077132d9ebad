"""Alpha's database: writers' transactions, the outbox by day, the relay's lease."""

import random
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from shared.bus import relay_machine as r
from shared.bus.tests.company import ThingMoved, said
from shared.bus.tests.sim.clockwork import Clockwork, Turns
from shared.bus.tests.sim.plan import Plan
from shared.bus.tests.sim.server import Server, Transaction
from shared.bus.tests.sim.truth import Said, Subject, Truth

FIRST_DAY = date(2026, 11, 2)
POISON = 666
"""The value that fails until somebody mends the handler."""
DAYS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the outbox."""

    row: r.OutboxRow
    recorded_on: date
    event: Said


@dataclass(eq=False, slots=True)
class Writing(Transaction):
    """A transaction of a writer. It has an id from its first write on."""

    xid: int | None = None
    rows: list[Stored] = field(default_factory=list)


class NoSuchDay(Exception):
    """The outbox has no partition for the transaction's day."""


class Alpha(Server[Writing]):
    """See the module."""

    def __init__(
        self, clockwork: Clockwork, random: random.Random, plan: Plan, truth: Truth
    ) -> None:
        super().__init__(clockwork, random, plan)
        self.truth = truth
        self.outbox: list[Stored] = []
        self.sequences: dict[Subject, int] = {}
        self.days_until = FIRST_DAY
        self.owner, self.epoch, self.expires = "", 0, -1.0
        self.cursor = r.Cursor(0, 0)
        self._next_xid, self._next_id = 100, 1

    def today(self) -> date:
        """The database's day."""
        return FIRST_DAY + timedelta(days=int(self.now / self.plan.day_seconds))

    def keep(self, transaction: Writing) -> None:
        """See Server."""
        for stored in transaction.rows:
            insort(self.outbox, stored, key=lambda s: s.row.cursor)
            self.sequences[stored.event.subject] = stored.event.seq
        self.truth.committed([stored.event for stored in transaction.rows])

    def make_days(self) -> None:
        """Make the partitions of the coming days."""
        self.days_until = max(self.days_until, self.today() + timedelta(days=DAYS_AHEAD))

    # ── what writers do ──────────────────────────────────────────────────────────────────────

    def write(self, wanted: Subject, fails: list[str], heard: list[bool]) -> Turns[bool]:
        """One transaction that says events of a subject; whether to be told to the relay.

        Raises Broken, after which it may have committed, and NoSuchDay.
        """
        transaction = self.opened(Writing(self.now))
        try:
            yield from self.before_rows(transaction, wanted)
            first = self.sequences.get(wanted, 0) + 1
            for n, (how, listened) in enumerate(zip(fails, heard, strict=True)):
                if self.random.random() < 0.3:
                    yield from self.statement(transaction)
                self._insert(transaction, wanted, first + n, how, listened)
            if self.chance(self.plan.gives_up):
                return False
            yield from self.commit(transaction)
            return True
        finally:
            self.give_up(transaction)

    def before_rows(self, transaction: Writing, subject: Subject) -> Turns[None]:
        """All locks, then the first write, which takes the transaction's id."""
        yield from self.lock(transaction, [subject])
        yield from self.first_write(transaction)

    def first_write(self, transaction: Writing) -> Turns[None]:
        """The audit row, say."""
        yield from self.statement(transaction)
        transaction.xid, self._next_xid = self._next_xid, self._next_xid + 1

    def _insert(
        self, transaction: Writing, subject: Subject, seq: int, fails: str, heard: bool
    ) -> None:
        if self.today() > self.days_until:
            raise NoSuchDay
        assert transaction.xid is not None
        number, self._next_id = self._next_id, self._next_id + 1
        event_id = str(UUID(int=(transaction.xid << 64) + number))
        value = POISON if fails == "poison" else number % 100
        thing_id = UUID(subject[1].removeprefix("thing/"))
        headers = {"ce_correlationid": event_id}
        if fails == "unreadable":
            headers["ce_type"] = "clinicbus.alpha.thing.changed.v9"
        message = said(
            UUID(int=subject[0]),
            thing_id,
            seq,
            value,
            event_id=UUID(event_id),
            event=None if heard else ThingMoved(thing_id=thing_id),
            **headers,
        )
        row = r.OutboxRow(r.Cursor(transaction.xid, number), message)
        event = Said(subject, seq, event_id, value, heard, fails)
        transaction.rows.append(Stored(row, self.today(), event))

    # ── what the relay's statements do ───────────────────────────────────────────────────────

    def xmin(self) -> int:
        """The oldest transaction that has an id and is open."""
        self.reap()
        return min((t.xid for t in self.open if t.xid is not None), default=self._next_xid)

    def read(self, action: r.Read) -> tuple[r.OutboxRow, ...]:
        """Rows after the cursor in commit order, behind every open transaction."""
        xmin, found = self.xmin(), list[r.OutboxRow]()
        start = bisect_right(self.outbox, action.after, key=lambda s: s.row.cursor)
        for stored in self.outbox[start:]:
            if stored.row.cursor.xid >= xmin or len(found) == self.most(action):
                break
            if self.in_days(stored.recorded_on, action.since, action.today):
                found.append(stored.row)
        return tuple(found)

    def most(self, action: r.Read) -> int:
        """How many rows a read gives; the action's own limit is the unpatched one."""
        return min(action.limit, r.BATCH_ROWS)

    def in_days(self, day: date, since: date | None, today: date) -> bool:
        """Whether a read looks into a day's partition."""
        one = timedelta(days=1)
        return since is None or since - one <= day <= today + one

    def acquire(self, owner: str) -> r.Fact:
        """Take the lease if it is free."""
        if self.expires >= self.now and self.owner != owner:
            return r.Refused()
        self.owner, self.epoch = owner, self.epoch + 1
        self.expires = self.now + r.LEASE_SECONDS
        return r.Granted(self.epoch, self.cursor, self.today(), self.xmin(), self._next_xid)

    def renew(self, owner: str, epoch: int, cursor: r.Cursor | None) -> r.Fact:
        """Keep the lease, and move the cursor if there is one."""
        if not self.leads(owner, epoch):
            return r.Lost()
        self.expires = self.now + r.LEASE_SECONDS
        if cursor is not None:
            self.truth.saved(self.cursor, cursor)
            self.cursor = cursor
        return r.Renewed(self.today(), self.xmin(), self._next_xid)

    def leads(self, owner: str, epoch: int) -> bool:
        """Whether the lease is this one's."""
        return self.owner == owner and self.epoch == epoch

    def release(self, owner: str, epoch: int) -> None:
        """Give the lease back."""
        if self.leads(owner, epoch):
            self.expires = self.now - 1.0
