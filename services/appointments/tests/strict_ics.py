"""A strict reader of RFC 5545, for tests: it takes nothing that the standard does not say.

It shares nothing with the writer. Zones are made of VTIMEZONE alone.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

LINE = re.compile(rb"([A-Z0-9-]+)((?:;[A-Z0-9-]+=[^:;\"\x00-\x1f]+)*):([^\x00-\x08\x0a-\x1f\x7f]*)")
STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z?")


@dataclass
class Component:
    """BEGIN to END: each property's values with their parameters, and what is within."""

    name: str
    properties: dict[str, list[tuple[dict[str, str], str]]] = field(default_factory=dict)
    parts: list["Component"] = field(default_factory=list)

    def one(self, name: str) -> str:
        """The value of a property that is there once."""
        ((_, value),) = self.properties[name]
        return value

    def text(self, name: str) -> str:
        """A TEXT value, its escapes undone."""
        value = self.one(name)
        assert not re.search(r"(?<!\\)(?:\\\\)*\\[^\\;,nN]", value), value
        assert not re.search(r"(?<!\\)(?:\\\\)*[;,]", value), value
        return re.sub(r"\\(.)", lambda m: "\n" if m[1] in "nN" else m[1], value)

    def of(self, name: str) -> list["Component"]:
        """The parts of a name."""
        return [part for part in self.parts if part.name == name]


def read(raw: bytes) -> Component:
    """The one VCALENDAR of a stream. Raises AssertionError for what the standard does not take."""
    assert raw.endswith(b"\r\n")
    physical = raw[:-2].split(b"\r\n")
    assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in physical)
    for line in physical:
        line.decode()  # no character is cut
    root = Component("")
    stack = [root]
    for line in raw[:-2].replace(b"\r\n ", b"").split(b"\r\n"):
        found = LINE.fullmatch(line)
        assert found, line
        name, value = found[1].decode(), found[3].decode()
        parameters = dict(p.split("=", 1) for p in found[2].decode().split(";") if p)
        if name == "BEGIN":
            part = Component(value)
            stack[-1].parts.append(part)
            stack.append(part)
        elif name == "END":
            assert stack.pop().name == value
        else:
            stack[-1].properties.setdefault(name, []).append((parameters, value))
    assert stack == [root]
    (calendar,) = root.parts
    assert calendar.name == "VCALENDAR"
    assert calendar.one("VERSION") == "2.0"
    assert calendar.one("PRODID")
    for event in calendar.of("VEVENT"):
        assert event.one("UID")
        assert STAMP.fullmatch(event.one("DTSTAMP"))
    uids = [event.one("UID") for event in calendar.of("VEVENT")]
    assert len(set(uids)) == len(uids)
    return calendar


def instant(calendar: Component, event: Component, name: str) -> datetime:
    """The instant (UTC) of DTSTART or DTEND, by the calendar's own VTIMEZONE."""
    ((parameters, value),) = event.properties[name]
    assert STAMP.fullmatch(value)
    if value.endswith("Z"):
        assert not parameters
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    wall = datetime.strptime(value, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - wall time
    (zone,) = [z for z in calendar.of("VTIMEZONE") if z.one("TZID") == parameters["TZID"]]
    onsets = sorted(
        (
            datetime.strptime(part.one("DTSTART"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
            - _offset(part.one("TZOFFSETFROM")),
            _offset(part.one("TZOFFSETFROM")),
            _offset(part.one("TZOFFSETTO")),
        )
        for part in zone.parts
    )
    candidates = []
    for n, (onset, before, after) in enumerate(onsets):
        until = onsets[n + 1][0] if n + 1 < len(onsets) else wall + timedelta(days=9999)
        assert n == 0 or before == onsets[n - 1][2], "the offsets do not follow each other"
        if onset <= wall - after < until:
            candidates.append(wall - after)
    # A time that is shown twice is the first of the two (RFC 5545, section 3.3.5).
    return min(candidates).replace(tzinfo=UTC)


def _offset(text: str) -> timedelta:
    assert re.fullmatch(r"[+-][0-9]{4}([0-9]{2})?", text)
    sign = -1 if text[0] == "-" else 1
    hours, minutes, seconds = int(text[1:3]), int(text[3:5]), int(text[5:7] or 0)
    return sign * timedelta(hours=hours, minutes=minutes, seconds=seconds)
