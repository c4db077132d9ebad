"""iCalendar (RFC 5545) of visits that tells of nobody: the kind of a visit, its place, its time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.values.interval import Interval

LINE_OCTETS = 75
_STEP = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One visit. sequence: goes up with every move and with being called off; at: its last news."""

    id: UUID
    interval: Interval
    zone: ZoneInfo
    summary: str
    location: str
    sequence: int
    at: datetime
    cancelled: bool = False


def calendar_text(name: str, entries: Sequence[Entry]) -> bytes:
    """The calendar, with a VTIMEZONE for each zone that its entries are in."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//ClinicBus//appointments//EN",
        "CALSCALE:GREGORIAN",
        f"X-WR-CALNAME:{escaped(name)}",
    ]
    for key in sorted({entry.zone.key for entry in entries}):
        times = [entry.interval for entry in entries if entry.zone.key == key]
        zone = ZoneInfo(key)
        lines += _time_zone(zone, min(t.start for t in times), max(t.end for t in times))
    for entry in sorted(entries, key=lambda entry: (entry.interval, entry.id)):
        lines += _event(entry)
    lines.append("END:VCALENDAR")
    return b"".join(folded(line) for line in lines)


def escaped(text: str) -> str:
    """A TEXT value (RFC 5545, section 3.3.11)."""
    for sign in ("\\", ";", ","):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")


def folded(line: str) -> bytes:
    """A content line in pieces of 75 octets at most, no character cut (RFC 5545, section 3.1)."""
    pieces, piece = [], b""
    for sign in line:
        octets = sign.encode()
        if len(piece) + len(octets) > LINE_OCTETS:
            pieces.append(piece)
            piece = b" "
        piece += octets
    return b"\r\n".join([*pieces, piece]) + b"\r\n"


def _event(entry: Entry) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{entry.id}@clinicbus",
        f"DTSTAMP:{_utc(entry.at)}",
        f"LAST-MODIFIED:{_utc(entry.at)}",
        f"SEQUENCE:{entry.sequence}",
        f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}",
        f"DTSTART{_local(entry.interval.start, entry.zone)}",
        f"DTEND{_local(entry.interval.end, entry.zone)}",
        f"SUMMARY:{escaped(entry.summary)}",
        f"LOCATION:{escaped(entry.location)}",
        f"TRANSP:{'TRANSPARENT' if entry.cancelled else 'OPAQUE'}",
        "END:VEVENT",
    ]


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S}Z"


def _local(at: datetime, zone: ZoneInfo) -> str:
    """Wall time of a zone; the second of a time that is shown twice can only be said in UTC."""
    wall = at.astimezone(zone)
    if wall.fold:
        return f":{_utc(at)}"
    return f";TZID={zone.key}:{wall:%Y%m%dT%H%M%S}"


def _time_zone(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[str]:
    """The zone as it is from a day before `first` until a day after `last`, change by change."""
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{zone.key}"
    begin = first - _STEP
    yield from _observance(begin, begin, zone)
    for at in _changes(zone, begin, last + _STEP):
        yield from _observance(at - _SECOND, at, zone)
    yield "END:VTIMEZONE"


def _observance(before: datetime, at: datetime, zone: ZoneInfo) -> Iterator[str]:
    offset, kept = _offset(before, zone), at.astimezone(zone)
    kind = "DAYLIGHT" if kept.dst() else "STANDARD"
    onset = at.astimezone(UTC).replace(tzinfo=None) + offset
    yield f"BEGIN:{kind}"
    yield f"DTSTART:{onset:%Y%m%dT%H%M%S}"
    yield f"TZOFFSETFROM:{_sign(offset)}"
    yield f"TZOFFSETTO:{_sign(_offset(at, zone))}"
    yield f"TZNAME:{escaped(kept.tzname() or zone.key)}"
    yield f"END:{kind}"


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterable[datetime]:
    """The instants between two at which the offset of a zone changes, to the second."""
    at = begin
    while at < end:
        low, high = at, at + _STEP
        if _offset(low, zone) != _offset(high, zone):
            while high - low > _SECOND:
                middle = low + _SECOND * ((high - low) // _SECOND // 2)
                same = _offset(middle, zone) == _offset(at, zone)
                low, high = (middle, high) if same else (low, middle)
            yield high
        at += _STEP


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or _NOTHING


def _sign(offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    hours, rest = divmod(abs(seconds), 3600)
    minutes, left = divmod(rest, 60)
    tail = f"{left:02d}" if left else ""
    return f"{'-' if seconds < 0 else '+'}{hours:02d}{minutes:02d}{tail}"
