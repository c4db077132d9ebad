"""Wall time in an IANA zone and the instants it stands for.

A wall time in the gap of a spring change does not exist; one in the fold of an autumn change exists
twice. Both are refused with the two instants that the caller may have meant. All arithmetic is in
UTC: Python compares and subtracts two times of one zone by their wall clocks (PEP 495).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.values.errors import Invalid

YEAR_MIN, YEAR_MAX = 1900, 2200


def zone(name: str, *, pointer: str = "/time_zone") -> ZoneInfo:
    """The zone of an IANA name with a region, e.g. ``America/Denver``.

    Raises Invalid for an unknown name, for an abbreviation such as ``EST``, which has no summer
    time and is hardly ever what was meant, and for the trees ``posix/`` and ``right/`` that some
    machines have and others have not (``right/`` counts leap seconds: 27 s off by now).
    """
    if name != "UTC" and ("/" not in name or name.startswith(("posix/", "right/"))):
        raise _unknown(pointer)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _unknown(pointer) from error


def _unknown(pointer: str) -> Invalid:
    title = "The time zone is not an IANA region name."
    return Invalid("time.zone_unknown", title, pointer=pointer)


@lru_cache(maxsize=4096)
def instants_of(wall: datetime, in_zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants (UTC) at which the clocks of a zone show `wall`: none, one or two, in order.

    Remembered: the opening hours of a week are asked for again and again.
    """
    found: list[datetime] = []
    for fold in (0, 1):
        instant = wall.replace(tzinfo=in_zone, fold=fold).astimezone(UTC)
        shown = instant.astimezone(in_zone).replace(tzinfo=None, fold=0)
        if shown == wall.replace(fold=0) and instant not in found:
            found.append(instant)
    return tuple(sorted(found))


def resolved(wall: datetime, in_zone: ZoneInfo) -> datetime:
    """The one instant (UTC) of a naive wall time.

    Raises Invalid ``time.nonexistent`` or ``time.ambiguous`` with ``proposals``: two instants with
    the zone's offset. For a gap: the wall time read with the offset before and after the change.
    ``time.range`` outside the years kept here.
    """
    in_range(wall)
    found = instants_of(wall, in_zone)
    if len(found) == 1:
        return found[0]
    code = "time.ambiguous" if found else "time.nonexistent"
    title = (
        "The clocks of this zone show this time twice; give the offset."
        if found
        else "The clocks of this zone skip this time."
    )
    both = found or sorted(
        wall.replace(tzinfo=in_zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    proposals = [instant.astimezone(in_zone).isoformat() for instant in both]
    raise Invalid(code, title, facts={"proposals": proposals})


def instant_in(moment: datetime, in_zone: ZoneInfo) -> datetime:
    """The instant (UTC) of an aware moment whose offset must be one that the zone has then.

    Raises Invalid: ``time.naive`` without an offset, or ``time.nonexistent`` and
    ``time.ambiguous`` where that naive time is in a gap or a fold (each with proposals);
    ``time.offset`` where the offset contradicts the zone; ``time.range`` outside the years kept
    here. A moment in UTC needs no such check: it names an instant.
    """
    in_range(moment)
    if moment.tzinfo is None:
        meant = resolved(moment, in_zone).astimezone(in_zone).isoformat()
        raise Invalid("time.naive", "A time needs an offset.", facts={"proposals": [meant]})
    instant = moment.astimezone(UTC)
    if moment.utcoffset() == UTC.utcoffset(None):
        return instant
    wall = moment.replace(tzinfo=None)
    if instant.astimezone(in_zone).utcoffset() == moment.utcoffset():
        return instant
    if not instants_of(wall, in_zone):
        return resolved(wall, in_zone)
    raise Invalid("time.offset", "The offset is not one that the clinic's zone has then.")


def first_at(wall: datetime, in_zone: ZoneInfo) -> datetime:
    """The instant (UTC) that a recurring wall time stands for; it always has one.

    The first of the two in a fold; the instant of the change itself in a gap. So a later wall time
    of a zone never stands for an earlier instant, and what lies between two is never counted twice.
    """
    found = instants_of(wall, in_zone)
    if found:
        return found[0]
    # In a gap the later offset gives an instant before the change, the earlier one an instant after
    # it (PEP 495). Changes fall on whole seconds; this finds the first with the new offset.
    before, after = sorted(
        wall.replace(tzinfo=in_zone, fold=fold, microsecond=0).astimezone(UTC) for fold in (0, 1)
    )
    offset = after.astimezone(in_zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(in_zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def day_bounds(day: date, in_zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First instant (UTC) of a local day and of the next; 23, 24 or 25 hours apart.

    Equal on a day that the zone left out (Apia, 2011-12-30).
    """
    start = first_at(datetime.combine(day, time(0)), in_zone)
    end = first_at(datetime.combine(date.fromordinal(day.toordinal() + 1), time(0)), in_zone)
    return start, end


def in_range(moment: datetime) -> None:
    """Raise Invalid ``time.range`` for years at whose edge arithmetic overflows.

    They are far beyond any visit or birth.
    """
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise Invalid("time.range", "The year is out of range.")
