"""How many free times are filled: the waitlist's rule beside a list that somebody calls through.

A simulation, seeded and without a database: it asks the rule that decides in production
(`services.appointments.domain.waitlist`). What it assumes is in `bench.waitlist_parameters`.
The manual list is a good one: whoever calls sees the wishes and asks only whom the time suits.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from statistics import fmean
from uuid import UUID
from zoneinfo import ZoneInfo

from bench import waitlist_parameters as p
from bench.report import Figure, at_least
from services.appointments.domain.waitlist import (
    Entry,
    Priority,
    Slot,
    Wishes,
    best_match,
    may_be_offered,
    offer_ttl,
)
from shared.values.interval import Interval

ZONE = ZoneInfo("UTC")
FIRST = datetime(2027, 3, 1, tzinfo=UTC)
"""A Monday."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CLINIC, TYPE = UUID(int=1), UUID(int=2)


@dataclass(frozen=True, slots=True)
class Released:
    """A time that becomes free at an instant."""

    at: datetime
    slot: Slot


@dataclass(frozen=True, slots=True)
class Case:
    """One clinic: what becomes free, who waits or will come to wait, and the seed of answers."""

    released: tuple[Released, ...]
    entries: tuple[Entry, ...]
    seed: str


def clinic(seed: str) -> Case:
    """A clinic by its seed."""
    random = Random(f"clinic/{seed}")
    providers = [UUID(int=random.getrandbits(128)) for _ in range(p.PROVIDERS)]
    released = []
    for day in range(p.DAYS):
        for _ in range(p.RELEASES_A_DAY):
            at = FIRST + day * DAY + _hour_of_release(random) * HOUR
            ahead = random.lognormvariate(0, p.AHEAD_HOURS_SIGMA) * p.AHEAD_HOURS_MEDIAN
            starts = _in_opening_hours(at + max(1.0, ahead) * HOUR, random)
            slot = Slot(CLINIC, random.choice(providers), Interval(starts, starts + HOUR / 2), ZONE)
            released.append(Released(at, slot))
    entries = [
        _entry(random, FIRST - random.uniform(0, 20) * DAY, providers)
        for _ in range(p.WAITING_AT_FIRST)
    ]
    for day in range(p.DAYS):
        for _ in range(p.NEW_A_DAY):
            since = FIRST + (day + random.uniform(p.OPENS, p.CLOSES) / 24) * DAY
            entries.append(_entry(random, since, providers))
    return Case(tuple(sorted(released, key=lambda each: each.at)), tuple(entries), seed)


def _hour_of_release(random: Random) -> float:
    if random.random() < p.RELEASED_IN_OPENING_HOURS:
        return random.uniform(p.OPENS, p.CLOSES)
    return random.choice((random.uniform(p.WAKES, p.OPENS), random.uniform(p.CLOSES, p.SLEEPS)))


def _in_opening_hours(at: datetime, random: Random) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if at.hour >= p.CLOSES:
        day += DAY
    while day.isoweekday() > 5:
        day += DAY
    half_hours = range(2 * p.OPENS, 2 * p.CLOSES)
    later = [day + n * HOUR / 2 for n in half_hours if day + n * HOUR / 2 >= at]
    return (
        later[0]
        if later and later[0].date() == at.date()
        else day + random.choice(half_hours) * HOUR / 2
    )


def _entry(random: Random, since: datetime, providers: list[UUID]) -> Entry:
    number = random.getrandbits(128)
    some = frozenset({random.choice(providers)})
    days = frozenset(random.sample(range(1, 6), 3))
    half = random.choice(((time(0), time(12)), (time(12), time(0))))
    opens, closes = half if random.random() < p.HALF_A_DAY else (time(0), time(0))
    wishes = Wishes(
        provider_ids=some if random.random() < p.ONE_PROVIDER else frozenset(),
        weekdays=days if random.random() < p.SOME_WEEKDAYS else frozenset(),
        opens=opens,
        closes=closes,
        notice=random.choice(p.NOTICE_HOURS) * HOUR,
    )
    return Entry(
        id=UUID(int=number),
        patient_id=UUID(int=number),
        type_id=TYPE,
        length=HOUR / 2,
        since=since,
        wishes=wishes,
        priority=random.choice((Priority.LOW, Priority.NORMAL, Priority.NORMAL, Priority.HIGH)),
    )


def _accepts(case: Case, entry: Entry, number: int) -> bool:
    """Whether a patient takes a time once asked; the same on both sides."""
    return Random(f"accepts/{case.seed}/{entry.id}/{number}").random() < p.ACCEPTS


def called_through(case: Case) -> int:
    """How many times the manual list fills: one caller, oldest entry first, soonest time first."""
    waiting = {entry.id: entry for entry in case.entries}
    called: set[tuple[int, UUID]] = set()
    filled: set[int] = set()
    now = FIRST + p.OPENS * HOUR
    while now < FIRST + (p.DAYS + 30) * DAY:
        if now.isoweekday() > 5 or now.hour >= p.CLOSES:
            now = now.replace(hour=p.OPENS, minute=0) + DAY
            continue
        found = _next_call(case, waiting, called, filled, now)
        if found is not None:
            number, entry = found
            called.add((number, entry.id))
            chance = Random(f"reached/{case.seed}/{entry.id}/{number}").random()
            if chance < p.REACHED and _accepts(case, entry, number):
                filled.add(number)
                del waiting[entry.id]
        now += p.MINUTES_A_CALL * MINUTE
    return len(filled)


def _next_call(
    case: Case,
    waiting: dict[UUID, Entry],
    called: set[tuple[int, UUID]],
    filled: set[int],
    now: datetime,
) -> tuple[int, Entry] | None:
    free = [
        (each.slot.interval.start, number)
        for number, each in enumerate(case.released)
        if each.at <= now < each.slot.interval.start and number not in filled
    ]
    for _, number in sorted(free):
        slot = case.released[number].slot
        suited = [
            entry
            for entry in waiting.values()
            if entry.since <= now
            and (number, entry.id) not in called
            and may_be_offered(slot, entry, now)
        ]
        if suited:
            return number, min(suited, key=lambda entry: (entry.since, entry.id))
    return None


class Offering:
    """The waitlist that fills itself, for one clinic."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.waiting = {entry.id: entry for entry in case.entries}
        self.declined: set[tuple[int, UUID]] = set()
        self.expired: dict[tuple[int, UUID], int] = {}
        self.expired_on: dict[UUID, date] = {}
        self.filled: set[int] = set()
        self.due: list[tuple[datetime, int, int, UUID | None, str]] = []
        self.made = 0

    def run(self) -> int:
        """How many times are filled."""
        for number, each in enumerate(self.case.released):
            heapq.heappush(self.due, (each.at, 0, number, None, "offer"))
        while self.due:
            now, _, number, entry_id, what = heapq.heappop(self.due)
            if entry_id is not None:
                self._answered(number, entry_id, what, now)
            if number not in self.filled:
                self._offer(number, now)
        return len(self.filled)

    def _offer(self, number: int, now: datetime) -> None:
        slot = self.case.released[number].slot
        lasts = offer_ttl(slot.interval.start, now)
        entries = [
            replace(
                entry,
                expired_here=self.expired.get((number, entry.id), 0),
                expired_today=self.expired_on.get(entry.id) == now.date(),
                declined_here=(number, entry.id) in self.declined,
            )
            for entry in self.waiting.values()
            if entry.since <= now
        ]
        match = best_match(slot, entries, now) if lasts else None
        if match is None or lasts is None:
            return
        if match.passed_over is not None:
            over = self.waiting[match.passed_over]
            self.waiting[over.id] = replace(over, passed_over=True)
        chosen = self.waiting[match.entry.id]
        self.waiting[chosen.id] = replace(
            chosen, offers=chosen.offers + 1, passed_over=False, has_offer=True
        )
        self.made += 1
        at, what = self._answer(number, chosen, now, now + lasts)
        heapq.heappush(self.due, (at, self.made, number, chosen.id, what))

    def _answer(
        self, number: int, entry: Entry, now: datetime, until: datetime
    ) -> tuple[datetime, str]:
        key = f"answer/{self.case.seed}/{entry.id}/{number}/{entry.offers}"
        random = Random(key)
        if random.random() >= p.ANSWERS:
            return until, "expired"
        read = now
        if now.hour >= p.SLEEPS or now.hour < p.WAKES:
            read = now.replace(hour=p.WAKES, minute=0) + (DAY if now.hour >= p.SLEEPS else 0 * DAY)
        minutes = random.lognormvariate(0, p.ANSWER_MINUTES_SIGMA) * p.ANSWER_MINUTES_MEDIAN
        at = read + minutes * MINUTE
        if at >= until:
            return until, "expired"
        return at, "accepted" if _accepts(self.case, entry, number) else "declined"

    def _answered(self, number: int, entry_id: UUID, what: str, now: datetime) -> None:
        if what == "accepted":
            self.filled.add(number)
            del self.waiting[entry_id]
            return
        self.waiting[entry_id] = replace(self.waiting[entry_id], has_offer=False)
        key = (number, entry_id)
        if what == "declined":
            self.declined.add(key)
        else:
            self.expired[key] = self.expired.get(key, 0) + 1
            self.expired_on[entry_id] = now.date()


@dataclass(frozen=True, slots=True)
class Refilled:
    """Shares of the free times of one seed that were filled."""

    ours: float
    manual: float


def refilled(seed: int, clinics: int = p.CLINICS) -> Refilled:
    """Both sides over so many clinics of one seed."""
    cases = [clinic(f"{seed}/{number}") for number in range(clinics)]
    free = sum(len(case.released) for case in cases)
    ours = sum(Offering(case).run() for case in cases)
    return Refilled(ours / free, sum(map(called_through, cases)) / free)


def waitlist(seeds: int = p.SEEDS, clinics: int = p.CLINICS) -> Iterator[Figure]:
    """The refill rate, and its distance to the manual list on the seed where it is smallest."""
    found = [refilled(seed, clinics) for seed in range(seeds)]
    by_seed = [(round(each.ours, 4), round(each.manual, 4)) for each in found]
    ours, manual = fmean(e.ours for e in found), fmean(e.manual for e in found)
    against = f"a manual list: {manual:.3f}"
    yield Figure("waitlist: refill rate", round(ours, 4), "of free times", None, True, against)
    yield at_least(
        "waitlist: refill rate, ours / manual, worst seed",
        min(each.ours / each.manual for each in found),
        1.0001,
        "ratio",
        f"a manual list, {seeds} seeds of {clinics} clinics",
        ours_and_manual_by_seed=by_seed,
    )
