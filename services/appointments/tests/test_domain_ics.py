"""Calendars are read back as they were written, by a strict reader and by a library."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.ics import LINE_OCTETS, Entry, calendar_text, escaped, folded
from services.appointments.tests import strict_ics
from shared.values.interval import Interval

ZONES = [
    "America/Denver", "America/St_Johns", "America/Phoenix", "Europe/Dublin", "Africa/Casablanca",
    "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "UTC",
]  # fmt: skip
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200)


def entry(
    number: int, start: datetime, zone: str = "America/Denver", summary: str = "Office visit"
) -> Entry:
    interval = Interval(start, start + timedelta(minutes=20))
    return Entry(UUID(int=number), interval, ZoneInfo(zone), summary, "Northside, Room 1", 0, AT)


def around_changes(zone: str) -> list[datetime]:
    """Every half hour of the days on which a zone's clocks change in 2026 and 2027."""
    info, found = ZoneInfo(zone), []
    for n in range(730):
        noon = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=n)
        later = noon + timedelta(days=1)
        if noon.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
            found += [noon + timedelta(minutes=30 * step) for step in range(48)]
    return found or [datetime(2026, 6, 1, 12, tzinfo=UTC)]


@pytest.mark.parametrize("zone", ZONES)
def test_every_instant_is_read_back_over_every_change(zone: str) -> None:
    starts = around_changes(zone)
    entries = [entry(n, start, zone) for n, start in enumerate(starts)]
    calendar = strict_ics.read(calendar_text("Northside", entries))
    for one, event in zip(entries, calendar.of("VEVENT"), strict=True):
        assert event.one("UID") == f"{one.id}@clinicbus"
        assert strict_ics.instant(calendar, event, "DTSTART") == one.interval.start
        assert strict_ics.instant(calendar, event, "DTEND") == one.interval.end


@pytest.mark.parametrize("zone", ZONES)
def test_icalendar_reads_the_same(zone: str, icalendar: Any) -> None:
    entries = [entry(n, start, zone) for n, start in enumerate(around_changes(zone))]
    calendar = icalendar.Calendar.from_ical(calendar_text("Northside", entries))
    found = {str(e["UID"]): e for e in calendar.walk("VEVENT")}
    assert len(found) == len(entries)
    for one in entries:
        event = found[f"{one.id}@clinicbus"]
        assert event["DTSTART"].dt.astimezone(UTC) == one.interval.start
        assert event["DTEND"].dt.astimezone(UTC) == one.interval.end
        assert str(event["LOCATION"]) == one.location


@given(TEXTS)
def test_any_text_is_read_back(text: str) -> None:
    start = datetime(2026, 6, 1, 12, tzinfo=UTC)
    calendar = strict_ics.read(calendar_text(text, [entry(1, start, summary=text)]))
    (event,) = calendar.of("VEVENT")
    assert event.text("SUMMARY") == text
    assert event.text("LOCATION") == "Northside, Room 1"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=400))
def test_a_line_is_folded_within_75_octets_and_no_character_cut(text: str) -> None:
    raw = folded(text)
    pieces = raw[:-2].split(b"\r\n")
    assert all(len(piece) <= LINE_OCTETS for piece in pieces)
    assert all(piece.startswith(b" ") for piece in pieces[1:])
    assert b"".join([pieces[0], *(piece[1:] for piece in pieces[1:])]).decode() == text


def test_a_text_cannot_begin_a_line_of_its_own() -> None:
    assert escaped("a\r\nEND:VEVENT\nb\rc;d,e\\f") == r"a\nEND:VEVENT\nb\nc\;d\,e\\f"


def test_two_zones_have_a_definition_each() -> None:
    start = datetime(2026, 10, 31, 18, tzinfo=UTC)
    entries = [entry(1, start), entry(2, start, "Europe/Berlin"), entry(3, start)]
    calendar = strict_ics.read(calendar_text("Both", entries))
    assert [zone.one("TZID") for zone in calendar.of("VTIMEZONE")] == [
        "America/Denver",
        "Europe/Berlin",
    ]
    assert strict_ics.read(calendar_text("None", [])).of("VTIMEZONE") == []
