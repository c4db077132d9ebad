"""What becomes of what was booked when the rules of a time zone change.

A visit is agreed upon in wall time: "ten o'clock at the clinic". Its instant was worked out with
the rules that were known then, and the offset of that hour is kept with it. So the wall time can be
told whatever the rules are now, and where they changed, the instant follows the wall time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from shared.values.zones import instants_of


@dataclass(frozen=True, slots=True)
class Unclear:
    """A wall time that the new rules skip or show twice: a person decides.

    why: `time.nonexistent` or `time.ambiguous`.
    """

    wall: datetime
    why: str


def offset_minutes(at: datetime, in_zone: ZoneInfo) -> int:
    """The offset from UTC that a zone has at an instant, in whole minutes, east of it above 0."""
    return (at.astimezone(in_zone).utcoffset() or timedelta()) // timedelta(minutes=1)


def wall_time(at: datetime, offset: int) -> datetime:
    """The naive wall time of an instant (UTC), by the offset in minutes that is kept with it."""
    return (at + timedelta(minutes=offset)).replace(tzinfo=None)


def instant_now(at: datetime, offset: int, in_zone: ZoneInfo) -> datetime | Unclear:
    """The instant (UTC) of what was booked at `at` when its offset was that, by today's rules.

    It is `at` itself wherever the clocks still show the wall time then, were it the second time.
    """
    wall = wall_time(at, offset)
    found = instants_of(wall, in_zone)
    if at in found:
        return at
    if len(found) == 1:
        return found[0]
    return Unclear(wall, "time.ambiguous" if found else "time.nonexistent")


class Moving(Protocol):
    """Something that moves from one instant to another."""

    @property
    def at(self) -> datetime:
        """Where it is."""
        ...

    @property
    def to(self) -> datetime:
        """Where it goes."""
        ...


M = TypeVar("M", bound=Moving)


def in_order(moving: Iterable[M]) -> list[M]:
    """In an order in which neighbours that move alike never get in each other's way.

    What goes later goes first if it is last; what goes earlier, if it is first.
    """
    every = list(moving)
    later = sorted((each for each in every if each.to > each.at), key=lambda one: one.at)
    earlier = sorted((each for each in every if each.to < each.at), key=lambda one: one.at)
    return later[::-1] + earlier
