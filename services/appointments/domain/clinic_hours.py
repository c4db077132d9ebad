"""When a clinic is open: hours on weekdays and holidays, in wall time."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.values.errors import Invalid
from shared.values.interval import Interval, normalised
from shared.values.zones import day_bounds, first_at

HOLIDAYS_MAX = 200

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)


def check_wall(opens: time, closes: time) -> None:
    """Raise Invalid unless it is a stretch of wall time; 00:00 as `closes` is the day's end."""
    for wall in (opens, closes):
        if wall.tzinfo is not None or wall.second or wall.microsecond:
            raise Invalid("schedule.time", "A schedule has wall times in whole minutes.")
    if closes != _MIDNIGHT and closes <= opens:
        raise Invalid("schedule.reversed", "A schedule must close after it opens.")


def opening_between(day: date, opens: time, closes: time, zone: ZoneInfo) -> Interval | None:
    """The instants of a stretch of a local day; None where a gap of the clocks swallows it."""
    last = day + _DAY if closes == _MIDNIGHT else day
    start = first_at(datetime.combine(day, opens), zone)
    end = first_at(datetime.combine(last, closes), zone)
    return Interval(start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class OpenHours:
    """Open on a weekday (1 is Monday) from `opens` until `closes`; a day may have several."""

    weekday: int
    opens: time
    closes: time

    def __post_init__(self) -> None:
        if not 1 <= self.weekday <= 7:
            raise Invalid("schedule.weekday", "A weekday is 1 (Monday) to 7 (Sunday).")
        check_wall(self.opens, self.closes)


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day with a name: closed, or open from `opens` until `closes` alone."""

    day: date
    name: str
    opens: time | None = None
    closes: time | None = None

    def __post_init__(self) -> None:
        if (self.opens is None) != (self.closes is None):
            raise Invalid("holiday.hours", "Short hours have an opening and a closing time.")
        if self.opens is not None and self.closes is not None:
            check_wall(self.opens, self.closes)


@dataclass(frozen=True, slots=True)
class ClinicHours:
    """A clinic's hours. Without any on weekdays it is open whenever somebody is in."""

    zone: ZoneInfo
    weekly: tuple[OpenHours, ...] = ()
    holidays: tuple[Holiday, ...] = ()

    def __post_init__(self) -> None:
        if len({holiday.day for holiday in self.holidays}) < len(self.holidays):
            raise Invalid("holiday.twice", "A day is a holiday once.", pointer="/holidays")

    def open_times(self, first: date, last: date) -> list[Interval]:
        """When it is open on the local days `first` to `last`, both included; joined."""
        holidays = {holiday.day: holiday for holiday in self.holidays}
        found: list[Interval] = []
        day = first
        while day <= last:
            found += self._on(day, holidays.get(day))
            day += _DAY
        return normalised(found)

    def _on(self, day: date, holiday: Holiday | None) -> list[Interval]:
        if holiday is not None:
            if holiday.opens is None or holiday.closes is None:
                return []
            hours = [(holiday.opens, holiday.closes)]
        elif self.weekly:
            hours = [(h.opens, h.closes) for h in self.weekly if h.weekday == day.isoweekday()]
        else:
            start, end = day_bounds(day, self.zone)
            return [Interval(start, end)] if start < end else []
        times = [opening_between(day, opens, closes, self.zone) for opens, closes in hours]
        return [interval for interval in times if interval is not None]
