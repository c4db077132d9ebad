"""Who gets a time that has become free: the waitlist's rule.

Whoever fits is ordered by, in this order:

1. whoever let an offer of this very slot run out comes after those who did not, and then whoever
   let any offer run out today, by the clinic's calendar: they may be away for the day;
2. priority, raised by one level for every 14 days waited and without an end, so that nobody is
   overtaken for ever by whoever comes later;
3. whoever was passed over: waited longest of their priority, fitted, and saw another chosen;
4. fewest offers so far;
5. the longest wait; then the id, so that the answer never depends on the order of the list.

Who declined a slot is not asked for it again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.values.errors import Invalid
from shared.values.interval import Interval

LEVEL_EVERY = timedelta(days=14)
"""How long somebody waits for one level of priority more."""
OFFERS_OF_A_SLOT = 2
"""How often one slot is offered to the same entry at the most."""
TTL = timedelta(minutes=30)
TTL_NEAR = timedelta(minutes=10)
NEAR = timedelta(hours=4)
"""An offer of a time that begins sooner lasts `TTL_NEAR`, so that more than one may be asked."""

_MIDNIGHT = time(0)


class Priority(IntEnum):
    """How urgent an entry is. High needs a reason."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What would suit. An empty set, or None, stands for any.

    weekdays: 1 is Monday (ISO 8601). opens, closes: the clinic's wall time between which the visit
    begins and ends; closes 00:00 means the end of the day. earliest, latest: local days, both
    included. notice: how long before the start somebody must know. before: the start of the visit
    that it would replace; only an earlier time suits.
    """

    clinic_ids: frozenset[UUID] = frozenset()
    provider_ids: frozenset[UUID] = frozenset()
    weekdays: frozenset[int] = frozenset()
    opens: time = _MIDNIGHT
    closes: time = _MIDNIGHT
    earliest: date | None = None
    latest: date | None = None
    notice: timedelta = timedelta(0)
    before: datetime | None = None

    def __post_init__(self) -> None:
        if any(not 1 <= day <= 7 for day in self.weekdays):
            raise Invalid("waitlist.weekday", "A weekday is 1 (Monday) to 7 (Sunday).")
        if self.closes != _MIDNIGHT and self.closes <= self.opens:
            raise Invalid("waitlist.hours_reversed", "The hours must end after they begin.")
        if (self.latest or date.max) < (self.earliest or date.min):
            raise Invalid("waitlist.days_reversed", "The last day must not precede the first.")
        if self.notice < timedelta(0):
            raise Invalid("waitlist.notice", "The notice is not negative.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Somebody who waits.

    length: how long the visit takes. offers: how many were made. passed_over: see the module; an
    offer ends it. busy: the patient's visits, without the one that would be replaced. has_offer:
    whether any offer to the patient is open. expired_here: how many offers of this slot ran out.
    expired_today: whether any offer to the patient ran out on this day.
    """

    id: UUID
    patient_id: UUID
    type_id: UUID
    length: timedelta
    since: datetime
    wishes: Wishes = Wishes()
    priority: Priority = Priority.NORMAL
    offers: int = 0
    passed_over: bool = False
    busy: tuple[Interval, ...] = ()
    has_offer: bool = False
    expired_here: int = 0
    expired_today: bool = False
    declined_here: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """A time that has become free. zone: the clinic's. seat_of: for a seat of a group session, the
    type of visit that the session is: nothing else fits there, and that takes all of its time."""

    clinic_id: UUID
    provider_id: UUID
    interval: Interval
    zone: ZoneInfo
    seat_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Who gets the offer. passed_over: the entry that waits longer and is first the next time."""

    entry: Entry
    passed_over: UUID | None


def require_reason(priority: Priority, reason: str | None) -> None:
    """Raise Invalid ``waitlist.reason_needed`` for a high priority without a reason."""
    if priority is Priority.HIGH and not reason:
        title = "A high priority needs a reason."
        raise Invalid("waitlist.reason_needed", title, pointer="/priority_reason")


def level(entry: Entry, now: datetime) -> int:
    """The priority with what the wait has added to it."""
    return entry.priority + max(timedelta(0), now - entry.since) // LEVEL_EVERY


def visit_in(slot: Slot, entry: Entry) -> Interval:
    """The time that the entry's visit would take: from the slot's start on, or all of a seat's."""
    if slot.seat_of is not None:
        return slot.interval
    return Interval(slot.interval.start, slot.interval.start + entry.length)


def suits(slot: Slot, entry: Entry, now: datetime) -> bool:
    """Whether the slot is what the entry asks for and long enough."""
    wishes, visit = entry.wishes, visit_in(slot, entry)
    begins, ends = visit.start.astimezone(slot.zone), visit.end.astimezone(slot.zone)
    day = begins.date()
    closes = day + timedelta(days=1) if wishes.closes == _MIDNIGHT else day
    return (
        slot.interval.contains(visit)
        # A visit of one's own cannot move into a session.
        and (slot.seat_of is None or (slot.seat_of == entry.type_id and wishes.before is None))
        and now < visit.start
        and now + wishes.notice <= visit.start
        and (not wishes.clinic_ids or slot.clinic_id in wishes.clinic_ids)
        and (not wishes.provider_ids or slot.provider_id in wishes.provider_ids)
        and (not wishes.weekdays or day.isoweekday() in wishes.weekdays)
        and wishes.opens <= begins.time()
        and (ends.date(), ends.time()) <= (closes, wishes.closes)
        and (wishes.earliest or date.min) <= day <= (wishes.latest or date.max)
        and (wishes.before is None or visit.start < wishes.before)
    )


def may_be_offered(slot: Slot, entry: Entry, now: datetime) -> bool:
    """Whether the entry may get an offer of the slot now."""
    return (
        not entry.has_offer
        and not entry.declined_here
        and entry.expired_here < OFFERS_OF_A_SLOT
        and suits(slot, entry, now)
        and not any(taken.overlaps(visit_in(slot, entry)) for taken in entry.busy)
    )


def best_match(
    slot: Slot, entries: Iterable[Entry], now: datetime, but: Collection[UUID] = ()
) -> Match | None:
    """Who gets the offer of a slot, by the order above; None where nobody fits.

    but: entries for which the booking's own rules have refused the slot.
    """
    fit = [e for e in entries if e.id not in but and may_be_offered(slot, e, now)]
    if not fit:
        return None
    chosen = min(fit, key=lambda entry: _rank(entry, now))
    equals = [
        entry
        for entry in fit
        if level(entry, now) == level(chosen, now) and _behind(entry) == _behind(chosen)
    ]
    longest = min(equals, key=lambda entry: (entry.since, entry.id))
    return Match(chosen, None if longest.id == chosen.id else longest.id)


def _behind(entry: Entry) -> tuple[int, bool]:
    return (entry.expired_here, entry.expired_today)


def _rank(entry: Entry, now: datetime) -> tuple[tuple[int, bool], int, bool, int, datetime, UUID]:
    # Of those who were passed over the longest wait decides, not how many offers they had:
    # otherwise the first of them could be passed over again.
    offers = 0 if entry.passed_over else entry.offers
    by_level = -level(entry, now)
    return (_behind(entry), by_level, not entry.passed_over, offers, entry.since, entry.id)


def offer_ttl(starts_at: datetime, now: datetime) -> timedelta | None:
    """How long an offer lasts: 30 minutes, 10 where the time begins within 4 hours.

    Never beyond half of what is left before the start. None where that is less than a minute.
    """
    left = starts_at - now
    lasts = min(TTL if left > NEAR else TTL_NEAR, left / 2)
    return lasts if lasts >= timedelta(minutes=1) else None
