"""When a provider's time is open, from what was entered: the same for booking and for availability.

SQL and parsing stand side by side: each text below gives a JSON array whose members are read here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from services.appointments.domain.bounds import Bound
from services.appointments.domain.clinic_hours import ClinicHours, Holiday, OpenHours
from services.appointments.domain.empty import Empty
from services.appointments.domain.schedule import (
    Rhythm,
    ScheduleException,
    WeeklySchedule,
    openings,
)
from services.appointments.tables import Clinic
from shared.db.work import Work
from shared.values.interval import Interval, normalised
from shared.values.zones import day_bounds


def clinic_columns(first: str, last: str) -> str:
    """A clinic's zone, currency, hours, its holidays between two days, and whether it asks."""
    return f"""json_build_array(time_zone, currency, hours,
    (SELECT json_agg(h) FROM jsonb_array_elements(holidays) h
     WHERE h->>'day' >= ({first})::text AND h->>'day' <= ({last})::text),
    credential_kind IS NOT NULL)"""


def provider_members(provider: str, clinic: str, first: str, last: str) -> str:
    """Templates, exceptions between two days and credentials of a provider at a clinic."""
    return f"""
 (SELECT json_agg(json_build_array(weekday, opens, closes, effective_from, effective_until,
    rhythm, anchor, nth))
  FROM weekly_schedules WHERE network_id = $1 AND provider_id = {provider}
   AND clinic_id = {clinic} AND called_off_at IS NULL),
 (SELECT json_agg(json_build_array(first_day, last_day, clinic_id, opens, closes))
  FROM schedule_exceptions WHERE network_id = $1 AND provider_id = {provider}
   AND withdrawn_at IS NULL AND last_day >= {first} AND first_day <= {last}),
 (SELECT json_agg(json_build_array(c.effective_from, c.effective_until))
  FROM provider_credentials c JOIN clinics k ON k.network_id = $1 AND k.id = {clinic}
   AND k.credential_kind = c.kind AND k.credential_region = c.region
  WHERE c.network_id = $1 AND c.provider_id = {provider})"""


class Entered(NamedTuple):
    """What was entered of a provider and a clinic, as read. credentials: None asks for none."""

    templates: tuple[tuple[Any, ...], ...]
    exceptions: tuple[tuple[Any, ...], ...]
    hours: tuple[tuple[Any, ...], ...]
    holidays: tuple[tuple[Any, ...], ...]
    credentials: tuple[tuple[Any, ...], ...] | None


def entered(clinic: list[Any], templates: Any, exceptions: Any, credentials: Any) -> Entered:
    """It from the members that the texts above give."""
    _, _, hours, holidays, asks = clinic
    return Entered(
        _tuples(templates),
        _tuples(exceptions),
        tuple((h["weekday"], h["opens"], h["closes"]) for h in hours),
        tuple((h["day"], h["name"], h["opens"], h["closes"]) for h in holidays or ()),
        _tuples(credentials) if asks else None,
    )


_ENTERED = f"""
SELECT p.provider_id, p.clinic_id, json_build_array(
 {provider_members("p.provider_id", "p.clinic_id", "$4::date", "$5::date")})::text
FROM provider_clinics p
WHERE p.network_id = $1 AND p.clinic_id = ANY ($2) AND p.provider_id = ANY ($3)
"""


async def entered_of(
    work: Work, clinics: Sequence[Clinic], provider_ids: Sequence[UUID], first: date, last: date
) -> dict[tuple[UUID, UUID], Entered]:
    """What was entered of providers at clinics, by both; exceptions and holidays between days."""
    of = {}
    for row in clinics:
        holidays = [h for h in row.holidays if first.isoformat() <= h["day"] <= last.isoformat()]
        asks = row.credential_kind is not None
        of[row.id] = [row.time_zone, row.currency, row.hours, holidays, asks]
    rows = await work.raw.fetch(
        _ENTERED, work.network_id, list(of), list(provider_ids), first, last
    )
    return {
        (provider_id, clinic_id): entered(of[clinic_id], *orjson.loads(told))
        for provider_id, clinic_id, told in rows
    }


@dataclass(frozen=True, slots=True)
class Openness:
    """When a provider is in at a clinic, and what else their visits there must lie within."""

    open_times: tuple[Interval, ...]
    bounds: tuple[Bound, ...]


@lru_cache(maxsize=2048)
def openness(
    provider_id: UUID,
    clinic_id: UUID,
    in_zone: ZoneInfo,
    given: Entered,
    first: date,
    last: date,
) -> Openness:
    """Over the local days from `first` to `last`. Remembered: a day is booked again and again."""
    schedules = [
        WeeklySchedule(
            provider_id, clinic_id, in_zone, weekday, time.fromisoformat(opens),
            time.fromisoformat(closes), _day(since), _day(until), Rhythm(rhythm), _day(anchor), nth,
        )
        for weekday, opens, closes, since, until, rhythm, anchor, nth in given.templates
    ]  # fmt: skip
    exceptions = [
        ScheduleException(
            provider_id, date.fromisoformat(since), date.fromisoformat(until),
            None if place is None else UUID(place), None if place is None else in_zone,
            _time(opens), _time(closes),
        )
        for since, until, place, opens, closes in given.exceptions
    ]  # fmt: skip
    # Hours elsewhere are in that clinic's zone, and of no interest here but for not being here.
    template = [
        o.interval for o in openings(schedules, first, last, exceptions) if o.clinic_id == clinic_id
    ]
    bounds = []
    if given.hours or given.holidays:
        times = clinic_hours(in_zone, given).open_times(first, last)
        bounds.append(Bound(Empty.CLINIC_CLOSED, tuple(times)))
    if given.credentials is not None:
        days = normalised(_entitled(given.credentials, in_zone, first, last))
        bounds.append(Bound(Empty.NO_CREDENTIAL, tuple(days)))
    return Openness(tuple(template), tuple(bounds))


def clinic_hours(in_zone: ZoneInfo, given: Entered) -> ClinicHours:
    """A clinic's hours as rule values."""
    return ClinicHours(
        in_zone,
        tuple(
            OpenHours(weekday, time.fromisoformat(opens), time.fromisoformat(closes))
            for weekday, opens, closes in given.hours
        ),
        tuple(
            Holiday(date.fromisoformat(day), name, _time(opens), _time(closes))
            for day, name, opens, closes in given.holidays
        ),
    )


def _entitled(
    credentials: Iterable[tuple[Any, ...]], in_zone: ZoneInfo, first: date, last: date
) -> list[Interval]:
    """The days, as instants, on which one of the credentials lives; the first and last included."""
    found = []
    for since, until in credentials:
        begins = max(first, date.fromisoformat(since))
        ends = min(last, _day(until) or last)
        if begins <= ends:
            start, end = day_bounds(begins, in_zone)[0], day_bounds(ends, in_zone)[1]
            if start < end:
                found.append(Interval(start, end))
    return found


def _tuples(rows: Any) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in rows or ())


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)
