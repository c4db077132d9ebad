"""The marks of the wall clock at which visits begin."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.values.interval import Interval

GRIDS = frozenset(timedelta(minutes=minutes) for minutes in (5, 10, 15, 20, 30, 60))
"""Grids divide the hour, so that every hour has the same marks."""

_DAY_START = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}


def grid_starts(open_time: Interval, grid: timedelta, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants (UTC) within [start, end) at which the wall clock of a zone is on the grid.

    The wall clock is asked at every step, so a change by an hour or by half of one keeps the marks.
    """
    at = open_time.start
    while at < open_time.end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        beyond = (wall - wall.replace(**_DAY_START)) % grid  # type: ignore[arg-type]
        if beyond:
            at += grid - beyond
        else:
            yield at
            at += grid


@lru_cache(maxsize=4096)
def marks(open_time: Interval, grid: timedelta, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The same, remembered: providers of a clinic are in at the same hours, day after day."""
    return tuple(grid_starts(open_time, grid, zone))


def starts_within(
    times: Iterable[Interval],
    window: Interval,
    length: timedelta,
    grid: timedelta,
    zone: ZoneInfo,
) -> Iterator[Interval]:
    """What lasts `length`, begins on a mark within the window and lies within one of the times."""
    for time in times:
        begin, end = max(time.start, window.start), min(time.end, window.end)
        if begin < end:
            for at in marks(Interval(begin, end), grid, zone):
                if at + length <= time.end:
                    yield Interval(at, at + length)
