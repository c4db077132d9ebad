"""What must hold of the visits ahead, by the clocks of their clinics."""

import json
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from ops.day.ahead import SATURDAY, SUNDAY
from ops.day.check import Check
from ops.day.databases import opened
from ops.day.story import OPENS

_VISITS = """
SELECT a.id, a.provider_id, a.starts_at, a.ends_at, a.utc_offset_minutes, c.id AS clinic_id,
  c.time_zone, c.holidays::text AS holidays
FROM appointments a JOIN clinics c ON c.id = a.clinic_id AND c.network_id = a.network_id
WHERE a.lifecycle <> 'cancelled' ORDER BY a.starts_at
"""
HOUR = timedelta(hours=1)


async def wall_times_kept(superuser_url: str) -> Check:
    """Of each provider, the visit before the clocks change and the one after it begin as the
    clinic opens, by its clocks; an hour less lies between them than the clocks show."""
    by_provider: defaultdict[Any, list[asyncpg.Record]] = defaultdict(list)
    for row in await _visits(superuser_url):
        if _wall(row).date() >= SATURDAY:
            by_provider[row["provider_id"]].append(row)
    problems = []
    for provider, rows in by_provider.items():
        if len(rows) != 2:
            problems.append(f"provider {provider}: {len(rows)} visits")
            continue
        walls = [_wall(row) for row in rows]
        days = [SATURDAY, _opens_again(rows[1])]
        if walls != [datetime.combine(day, time(OPENS)) for day in days]:
            problems.append(f"provider {provider}: at {walls[0]} and {walls[1]}")
        between = rows[1]["starts_at"] - rows[0]["starts_at"]
        if walls[1] - walls[0] - between != HOUR:
            problems.append(f"provider {provider}: {between} lie between them")
        for row in rows:
            offset = row["starts_at"].astimezone(ZoneInfo(row["time_zone"])).utcoffset()
            if timedelta(minutes=row["utc_offset_minutes"]) != offset:
                problems.append(f"visit {row['id']}: kept with {row['utc_offset_minutes']} minutes")
    return Check("wall times hold when clocks change", len(by_provider), "providers", problems)


async def nobody_on_holidays(superuser_url: str) -> Check:
    """No visit lies on a day on which its clinic is closed, nor outside of a day's short hours."""
    problems, asked = [], set[tuple[Any, str]]()
    for row in await _visits(superuser_url):
        zone = ZoneInfo(row["time_zone"])
        begins, ends = _wall(row), row["ends_at"].astimezone(zone).replace(tzinfo=None)
        for day, opens, closes in _holidays(row):
            asked.add((row["clinic_id"], day.isoformat()))
            short = opens and closes and opens <= begins.time() and ends.time() <= closes
            if begins.date() == day and not short:
                problems.append(f"visit {row['id']} at {begins}")
    return Check("nobody comes on a holiday", len(asked), "holidays", problems)


async def _visits(superuser_url: str) -> list[asyncpg.Record]:
    async with opened(superuser_url, "appointments") as connection:
        rows: list[asyncpg.Record] = await connection.fetch(_VISITS)
        return rows


def _wall(row: asyncpg.Record) -> datetime:
    found: datetime = row["starts_at"].astimezone(ZoneInfo(row["time_zone"]))
    return found.replace(tzinfo=None)


def _holidays(row: asyncpg.Record) -> list[tuple[date, time | None, time | None]]:
    """Days with the hours of those that are only shorter."""
    return [
        (
            date.fromisoformat(each["day"]),
            time.fromisoformat(each["opens"]) if each.get("opens") else None,
            time.fromisoformat(each["closes"]) if each.get("closes") else None,
        )
        for each in json.loads(row["holidays"])
    ]


def _opens_again(row: asyncpg.Record) -> date:
    """The first day after the Sunday of the change on which the clinic is open."""
    closed = {day for day, opens, _ in _holidays(row) if opens is None}
    day = SUNDAY + timedelta(days=1)
    while day in closed:
        day += timedelta(days=1)
    return day
