"""Visits that repeat: recurrence rules of RFC 5545 in wall time, and which occurrences change.

09:00 stays 09:00: a rule is expanded on the wall clock of the clinic and each occurrence is then
looked up in its zone. One that the clocks skip or show twice is named, and never moved silently.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from shared.values.errors import DomainError, Invalid
from shared.values.zones import resolved

OCCURRENCES_MAX = 104
"""Two years of weeks. A series is booked in one transaction, and what that locks is bounded."""
YEARS_MOST = 6
"""How far a rule is followed at most, so that one that never comes true ends."""
TOLERANCE_MAX = timedelta(hours=4)
STEP = timedelta(minutes=15)

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}
)
_POINTER = "/rrule"


class OnConflict(StrEnum):
    """What becomes of an occurrence that cannot be booked."""

    FAIL = "fail"
    """Nothing of the series is done."""
    SKIP = "skip"
    """It is left out."""
    NEAREST = "nearest"
    """It takes the nearest time within a tolerance, or is left out."""


class Scope(StrEnum):
    """Which occurrences an edit is about."""

    THIS = "this"
    FOLLOWING = "following"
    """This one and all after it."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule that was read. text: its parts without COUNT and UNTIL; one of these two is given."""

    text: str
    count: int | None
    until: datetime | date | None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a rule. number: from 1. at: the instant (UTC), None where `problem` says why."""

    number: int
    wall: datetime
    at: datetime | None
    problem: DomainError | None = None


def read_rule(text: str) -> Recurrence:
    """The recurrence of an RRULE's value (RFC 5545, section 3.3.10), with or without its name.

    Raises Invalid: ``series.rule`` for what cannot be read or is finer than a day,
    ``series.endless`` without COUNT and UNTIL, ``series.too_many`` for a COUNT above 104.
    """
    given = text.strip().removeprefix("RRULE:")
    pairs = [part.partition("=") for part in given.split(";")]
    parts = {name.upper(): value.upper() for name, _, value in pairs}
    if len(parts) < len(pairs) or not parts.keys() <= _PARTS:
        raise _bad_rule()
    if parts.get("FREQ") not in _FREQUENCIES or {"COUNT", "UNTIL"} <= parts.keys():
        raise _bad_rule()
    _whole_number(parts.get("INTERVAL", "1"), most=366)
    count = until = None
    if "COUNT" in parts:
        count = _whole_number(parts.pop("COUNT"), most=10**9)
        if count > OCCURRENCES_MAX:
            raise _too_many()
    elif "UNTIL" in parts:
        until = _end(parts.pop("UNTIL"))
    else:
        title = "A series ends: give COUNT or UNTIL."
        raise Invalid("series.endless", title, pointer=_POINTER)
    kept = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        rrulestr(kept, dtstart=datetime(2026, 1, 1))  # noqa: DTZ001 - a wall time
    except (ValueError, TypeError, IndexError, AttributeError):
        raise _bad_rule() from None
    return Recurrence(kept, count, until)


def occurrences(rule: Recurrence, first: datetime, zone: ZoneInfo) -> list[Occurrence]:
    """The occurrences of a rule that begins at a wall time, in order.

    Raises Invalid ``series.start`` where the first time is none of the rule's (RFC 5545 leaves
    undefined what that would be), ``series.too_many`` for more than 104.
    """
    walls = list(islice(_walls(rule, first, zone), OCCURRENCES_MAX + 1))
    if not walls or walls[0] != first:
        title = "The first visit is not at a time of the rule."
        raise Invalid("series.start", title, pointer="/starts_at")
    if rule.count is not None:
        walls = walls[: rule.count]
    if len(walls) > OCCURRENCES_MAX:
        raise _too_many()
    return [occurrence_at(number, wall, zone) for number, wall in enumerate(walls, 1)]


def occurrence_at(number: int, wall: datetime, zone: ZoneInfo) -> Occurrence:
    """An occurrence at a wall time; in a gap or a fold of the clocks it has a problem instead."""
    try:
        return Occurrence(number, wall, resolved(wall, zone))
    except Invalid as problem:
        return Occurrence(number, wall, None, problem)


def candidates(wanted: Occurrence, zone: ZoneInfo, tolerance: timedelta) -> list[datetime]:
    """The instants to try instead of one that cannot be had: nearest first, the earlier of two.

    Every quarter of an hour within the tolerance. Around a time that does not exist they count from
    the instant that its wall time stands for with the offset before the change.
    """
    middle = wanted.at or wanted.wall.replace(tzinfo=zone).astimezone(UTC)
    found = [] if wanted.at is not None else [middle]
    for steps in range(1, tolerance // STEP + 1):
        found += [middle - steps * STEP, middle + steps * STEP]
    return found


def tolerance_of(policy: OnConflict, tolerance: timedelta) -> timedelta:
    """How far an occurrence may go; nowhere, but for `nearest`.

    Raises Invalid ``series.tolerance`` unless `nearest` has one of 15 minutes to 4 hours.
    """
    if policy is not OnConflict.NEAREST:
        return timedelta(0)
    if not STEP <= tolerance <= TOLERANCE_MAX:
        title = "The tolerance is 15 minutes at least and 4 hours at most."
        raise Invalid("series.tolerance", title, pointer="/tolerance_minutes")
    return tolerance


@dataclass(frozen=True, slots=True)
class Member:
    """An occurrence that is a visit. waiting: it is booked, and nobody has been checked in."""

    number: int
    appointment_id: UUID
    wall: datetime
    waiting: bool


def chosen(members: Sequence[Member], pivot: int, scope: Scope) -> list[Member]:
    """The visits that an edit is about, in order: those that wait to happen.

    Raises Invalid ``series.occurrence`` where the one that is named is no visit that waits.
    """
    waiting = [each for each in sorted(members, key=lambda m: m.number) if each.waiting]
    if pivot not in {each.number for each in waiting}:
        title = "This occurrence is no visit that waits to happen."
        raise Invalid("series.occurrence", title, pointer="/occurrence")
    if scope is Scope.ALL:
        return waiting
    return [
        each
        for each in waiting
        if each.number == pivot or (scope is Scope.FOLLOWING and each.number > pivot)
    ]


def shifted(
    members: Sequence[Member], pivot: int, to: datetime, zone: ZoneInfo
) -> list[tuple[Member, Occurrence]]:
    """Where each visit goes when the pivot goes to a wall time: as far, on the wall clock.

    In the order in which they make way for each other: the last first where they move later.
    """
    (was,) = [each.wall for each in members if each.number == pivot]
    by = to - was
    order = sorted(members, key=lambda each: each.wall, reverse=by > timedelta(0))
    return [(each, occurrence_at(each.number, each.wall + by, zone)) for each in order]


def _walls(rule: Recurrence, first: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    last = first + timedelta(days=366 * YEARS_MOST)
    for wall in rrulestr(rule.text, dtstart=first):
        if wall > last or _is_after(wall, rule.until, zone):
            return
        yield wall


def _is_after(wall: datetime, until: datetime | date | None, zone: ZoneInfo) -> bool:
    if until is None:
        return False
    if isinstance(until, datetime):
        return wall.replace(tzinfo=zone).astimezone(UTC) > until
    return wall.date() > until


def _end(text: str) -> datetime | date:
    """An UNTIL: an instant in UTC, or a local day that is included."""
    try:
        if len(text) == 16:
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if len(text) == 8 and text.isascii() and text.isdigit():
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        pass
    raise _bad_rule()


def _whole_number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        raise _bad_rule()
    return int(text[:12])


def _bad_rule() -> Invalid:
    title = "This is no recurrence rule of days, weeks, months or years."
    return Invalid("series.rule", title, pointer=_POINTER)


def _too_many() -> Invalid:
    title = "A series has too many visits."
    limit = {"limit": OCCURRENCES_MAX}
    return Invalid("series.too_many", title, pointer=_POINTER, facts=limit)
