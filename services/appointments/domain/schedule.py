"""Hours on weekdays in wall time, what differs on some days, and the instants they stand for.

09:00 stays 09:00 on both sides of a clock change. On the day of the change itself: a time that the
clocks skip stands for the instant of the change, and one that they show twice for the first of the
two. So an opening is never negative; one that lies wholly in a gap falls away that day; one that
spans a change is an hour shorter or longer, as the clinic's staff will find it; and no stretch of
time is open twice. (A booking is stricter: its own time in a gap or a fold is refused.)
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.clinic_hours import ClinicHours, check_wall, opening_between
from shared.values.errors import Invalid
from shared.values.interval import Interval, intersected, normalised

DAYS_MAX = 600
"""The longest range that is expanded at once: 18 months and some days around."""

LAST = -1
"""As `nth`: the last such weekday of a month, be it the fourth or the fifth."""

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


class Rhythm(StrEnum):
    """Which of the weekdays are meant."""

    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class WeeklySchedule:
    """A provider is in at a clinic on a weekday from `opens` until `closes`, wall time.

    weekday: 1 is Monday, 7 is Sunday (ISO 8601). closes: 00:00 means the end of the day.
    effective_from, effective_until: local days, both included; None is open.
    rhythm: every week; every second, counted both ways from the day `anchor`; or the `nth` such
    weekday of each month (1 to 5, -1 is the last; a month without a fifth has none).
    """

    provider_id: UUID
    clinic_id: UUID
    zone: ZoneInfo
    weekday: int
    opens: time
    closes: time
    effective_from: date | None = None
    effective_until: date | None = None
    rhythm: Rhythm = Rhythm.WEEKLY
    anchor: date | None = None
    nth: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.weekday <= 7:
            raise Invalid("schedule.weekday", "A weekday is 1 (Monday) to 7 (Sunday).")
        check_wall(self.opens, self.closes)
        if (self.effective_until or date.max) < (self.effective_from or date.min):
            raise Invalid("schedule.effective", "The last day must not precede the first.")
        if (self.rhythm is Rhythm.BIWEEKLY) != (self.anchor is not None):
            raise Invalid(
                "schedule.anchor", "Every second week, and no other rhythm, has an anchor."
            )
        if self.anchor is not None and self.anchor.isoweekday() != self.weekday:
            raise Invalid("schedule.anchor", "The anchor is not on the weekday.")
        if (self.rhythm is Rhythm.MONTHLY) != (self.nth is not None):
            raise Invalid(
                "schedule.nth", "A weekday of the month, and no other rhythm, has a number."
            )
        if self.nth is not None and self.nth not in (1, 2, 3, 4, 5, LAST):
            raise Invalid("schedule.nth", "The number is 1 to 5, or -1 for the last.")

    def applies_on(self, day: date) -> bool:
        """Whether this is one of its days."""
        if day.isoweekday() != self.weekday or not self._in_turn(day):
            return False
        begun = self.effective_from is None or self.effective_from <= day
        return begun and (self.effective_until is None or day <= self.effective_until)

    def _in_turn(self, day: date) -> bool:
        if self.anchor is not None:
            return (day - self.anchor).days % 14 == 0
        if self.nth == LAST:
            return (day + _WEEK).month != day.month
        return self.nth is None or (day.day + 6) // 7 == self.nth

    def opening_on(self, day: date) -> Interval | None:
        """The instants of one local day, or None where a gap of the clocks swallows it whole."""
        return opening_between(day, self.opens, self.closes, self.zone)


@dataclass(frozen=True, slots=True)
class ScheduleException:
    """On the local days `first_day` to `last_day` a provider's hours are not what they else are.

    Closed where `opens` is None. Otherwise in from `opens` until `closes` at `clinic_id` and, but
    for what further exceptions of the day say, nowhere else. Being closed wins over all of them.
    """

    provider_id: UUID
    first_day: date
    last_day: date
    clinic_id: UUID | None = None
    zone: ZoneInfo | None = None
    opens: time | None = None
    closes: time | None = None

    def __post_init__(self) -> None:
        if not 0 <= (self.last_day - self.first_day).days < DAYS_MAX:
            raise Invalid("exception.days", "The days are reversed or too many.")
        given = [x is not None for x in (self.clinic_id, self.zone, self.opens, self.closes)]
        if any(given) != all(given):
            title = (
                "Other hours have a clinic, an opening and a closing time; being closed has none."
            )
            raise Invalid("exception.hours", title)
        if self.opens is not None and self.closes is not None:
            check_wall(self.opens, self.closes)

    def days(self, first: date, last: date) -> Iterator[date]:
        """Its days among those from `first` to `last`."""
        day = max(first, self.first_day)
        while day <= min(last, self.last_day):
            yield day
            day += _DAY


@dataclass(frozen=True, slots=True)
class Opening:
    """A provider is in at a clinic for an interval."""

    provider_id: UUID
    clinic_id: UUID
    interval: Interval


def openings(
    schedules: Iterable[WeeklySchedule],
    first: date,
    last: date,
    exceptions: Iterable[ScheduleException] = (),
    clinics: Mapping[UUID, ClinicHours] | None = None,
) -> list[Opening]:
    """The schedules over the local days `first` to `last`, both included.

    exceptions: days that differ. clinics: hours and holidays of those that have any, outside of
    which nobody is in. In time order; touching and overlapping openings of one provider at one
    clinic are joined.
    Raises Invalid ``schedule.range`` for a reversed range or one of more than 600 days.
    """
    if not 0 <= (last - first).days < DAYS_MAX:
        raise Invalid("schedule.range", "The range of days is reversed or too long.")
    found: defaultdict[tuple[UUID, UUID], list[Interval]] = defaultdict(list)
    differing = _of_exceptions(list(exceptions), first, last, found)
    for schedule in schedules:
        day = first + timedelta(days=(schedule.weekday - first.isoweekday()) % 7)
        while day <= last:
            applies = schedule.applies_on(day) and (schedule.provider_id, day) not in differing
            opening = schedule.opening_on(day) if applies else None
            if opening is not None:
                found[schedule.provider_id, schedule.clinic_id].append(opening)
            day += _WEEK
    open_times = {c: hours.open_times(first, last) for c, hours in (clinics or {}).items()}
    joined = [
        Opening(provider_id, clinic_id, interval)
        for (provider_id, clinic_id), intervals in found.items()
        for interval in (
            intersected(intervals, open_times[clinic_id])
            if clinic_id in open_times
            else normalised(intervals)
        )
    ]
    return sorted(joined, key=lambda opening: (opening.interval, opening.provider_id))


def _of_exceptions(
    exceptions: list[ScheduleException],
    first: date,
    last: date,
    found: defaultdict[tuple[UUID, UUID], list[Interval]],
) -> set[tuple[UUID, date]]:
    """Add the other hours of exceptions to `found`; the days of which the schedules say nothing."""
    closed = {
        (e.provider_id, d) for e in exceptions if e.opens is None for d in e.days(first, last)
    }
    differing = set(closed)
    for other in exceptions:
        for day in other.days(first, last):
            differing.add((other.provider_id, day))
            if (other.provider_id, day) in closed:
                continue
            if other.clinic_id and other.zone and other.opens is not None:
                opening = opening_between(day, other.opens, other.closes or other.opens, other.zone)
                if opening is not None:
                    found[other.provider_id, other.clinic_id].append(opening)
    return differing


def local_days(interval: Interval, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last local day whose openings can touch an interval.

    The day before is among them: an opening that ends at midnight touches the next day.
    """
    first = interval.start.astimezone(zone).date() - _DAY
    return first, interval.end.astimezone(zone).date()
