"""Weekly schedules in wall time, and the instants they stand for.

09:00 stays 09:00 on both sides of a clock change. On the day of the change itself: a time that the
clocks skip stands for the instant of the change, and one that they show twice for the first of the
two. So an opening is never negative; one that lies wholly in a gap falls away that day; one that
spans a change is an hour shorter or longer, as the clinic's staff will find it; and no stretch of
time is open twice. (A booking is stricter: its own time in a gap or a fold is refused.)
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.values.errors import Invalid
from shared.values.interval import Interval, normalised
from shared.values.zones import first_at

DAYS_MAX = 600
"""The longest range that is expanded at once: 18 months and some days around."""

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)


@dataclass(frozen=True, slots=True)
class WeeklySchedule:
    """A provider is in at a clinic on a weekday from `opens` until `closes`, wall time.

    weekday: 1 is Monday, 7 is Sunday (ISO 8601). closes: 00:00 means the end of the day.
    effective_from, effective_until: local days, both included; None is open.
    """

    provider_id: UUID
    clinic_id: UUID
    zone: ZoneInfo
    weekday: int
    opens: time
    closes: time
    effective_from: date | None = None
    effective_until: date | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.weekday <= 7:
            raise Invalid("schedule.weekday", "A weekday is 1 (Monday) to 7 (Sunday).")
        for wall in (self.opens, self.closes):
            if wall.tzinfo is not None or wall.second or wall.microsecond:
                raise Invalid("schedule.time", "A schedule has wall times in whole minutes.")
        if self.closes != _MIDNIGHT and self.closes <= self.opens:
            raise Invalid("schedule.reversed", "A schedule must close after it opens.")
        if (self.effective_until or date.max) < (self.effective_from or date.min):
            raise Invalid("schedule.effective", "The last day must not precede the first.")

    def applies_on(self, day: date) -> bool:
        """Whether this is one of its days."""
        if day.isoweekday() != self.weekday:
            return False
        begun = self.effective_from is None or self.effective_from <= day
        return begun and (self.effective_until is None or day <= self.effective_until)

    def opening_on(self, day: date) -> Interval | None:
        """The instants of one local day, or None where a gap of the clocks swallows it whole."""
        last = day + _DAY if self.closes == _MIDNIGHT else day
        start = first_at(datetime.combine(day, self.opens), self.zone)
        end = first_at(datetime.combine(last, self.closes), self.zone)
        return Interval(start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class Opening:
    """A provider is in at a clinic for an interval."""

    provider_id: UUID
    clinic_id: UUID
    interval: Interval


def openings(schedules: Iterable[WeeklySchedule], first: date, last: date) -> list[Opening]:
    """The schedules over the local days `first` to `last`, both included.

    In time order; touching and overlapping openings of one provider at one clinic are joined.
    Raises Invalid ``schedule.range`` for a reversed range or one of more than 600 days.
    """
    if not 0 <= (last - first).days < DAYS_MAX:
        raise Invalid("schedule.range", "The range of days is reversed or too long.")
    found: defaultdict[tuple[UUID, UUID], list[Interval]] = defaultdict(list)
    for schedule in schedules:
        day = first + timedelta(days=(schedule.weekday - first.isoweekday()) % 7)
        while day <= last:
            opening = schedule.opening_on(day) if schedule.applies_on(day) else None
            if opening is not None:
                found[schedule.provider_id, schedule.clinic_id].append(opening)
            day += timedelta(days=7)
    joined = [
        Opening(provider_id, clinic_id, interval)
        for (provider_id, clinic_id), intervals in found.items()
        for interval in normalised(intervals)
    ]
    return sorted(joined, key=lambda opening: (opening.interval, opening.provider_id))


def local_days(interval: Interval, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last local day whose openings can touch an interval.

    The day before is among them: an opening that ends at midnight touches the next day.
    """
    first = interval.start.astimezone(zone).date() - _DAY
    return first, interval.end.astimezone(zone).date()
