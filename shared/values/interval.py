"""Half-open intervals of instants, [start, end), all in UTC."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.values.errors import Invalid

DAY_MAX = timedelta(hours=24)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """[start, end) with start < end. Both are stored in UTC, so lengths are true elapsed time."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise Invalid("time.naive", "A time needs an offset.")
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            try:
                object.__setattr__(self, "start", self.start.astimezone(UTC))
                object.__setattr__(self, "end", self.end.astimezone(UTC))
            except OverflowError as error:
                raise Invalid("time.range", "The year is out of range.") from error
        if self.end <= self.start:
            raise Invalid("interval.reversed", "The end must come after the start.")

    @property
    def length(self) -> timedelta:
        """True elapsed time."""
        return self.end - self.start

    def overlaps(self, other: "Interval") -> bool:
        """Whether they share an instant; back to back they do not."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: "Interval") -> bool:
        """Whether the other lies within this one."""
        return self.start <= other.start and other.end <= self.end

    def widened(self, before: timedelta, after: timedelta) -> "Interval":
        """This interval with a buffer on either side."""
        return Interval(self.start - before, self.end + after)


def at_most_a_day(interval: Interval) -> Interval:
    """The interval itself. Raises Invalid where it is longer than 24 hours."""
    if interval.length > DAY_MAX:
        raise Invalid("interval.too_long", "An interval lasts 24 hours at most.")
    return interval


def normalised(intervals: Iterable[Interval]) -> list[Interval]:
    """Sorted, with touching and overlapping ones joined."""
    joined: list[Interval] = []
    for interval in sorted(intervals):
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return joined


def subtracted(free: Iterable[Interval], busy: Iterable[Interval]) -> list[Interval]:
    """What is left of `free` once `busy` is taken out; sorted and joined."""
    left: list[Interval] = []
    taken = normalised(busy)
    for interval in normalised(free):
        start = interval.start
        for block in taken:
            if block.end <= start or block.start >= interval.end:
                continue
            if block.start > start:
                left.append(Interval(start, block.start))
            start = max(start, block.end)
        if start < interval.end:
            left.append(Interval(start, interval.end))
    return left


def intersected(these: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """What lies in both; sorted and joined."""
    both = normalised(these)
    return subtracted(both, subtracted(both, others))
