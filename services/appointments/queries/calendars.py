"""When a provider's time is open, from what was entered: the same for booking and for availability.

SQL and parsing stand side by side: each text below gives a JSON array whose members are read here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.clinic_hours import ClinicHours, Holiday, OpenHours
from services.appointments.domain.schedule import (
    Rhythm,
    ScheduleException,
    WeeklySchedule,
    openings,
)
from services.appointments.domain.slots import Empty
from shared.values.interval import Interval, intersected
from shared.values.zones import day_bounds


def clinic_columns(first: str, last: str) -> str:
    """A clinic's zone, currency, hours, its holidays between two days, and whether it asks."""
    return f"""json_build_array(time_zone, currency, hours,
    (SELECT json_agg(h) FROM jsonb_array_elements(holidays) h
     WHERE h->>'day' >= ({first})::text AND h->>'day' <= ({last})::text),
    credential_kind IS NOT NULL)"""


def provider_members(provider: str, first: str, last: str) -> str:
    """Templates, exceptions between two days and credentials of a provider at clinic $2."""
    return f"""
 (SELECT json_agg(json_build_array(weekday, opens, closes, effective_from, effective_until,
    rhythm, anchor, nth))
  FROM weekly_schedules WHERE network_id = $1 AND provider_id = {provider} AND clinic_id = $2
   AND called_off_at IS NULL),
 (SELECT json_agg(json_build_array(first_day, last_day, clinic_id, opens, closes))
  FROM schedule_exceptions WHERE network_id = $1 AND provider_id = {provider}
   AND withdrawn_at IS NULL AND last_day >= {first} AND first_day <= {last}),
 (SELECT json_agg(json_build_array(c.effective_from, c.effective_until))
  FROM provider_credentials c JOIN clinics k ON k.network_id = $1 AND k.id = $2
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


@dataclass(frozen=True, slots=True)
class Openness:
    """When a provider can be had at a clinic; `shut` as in an offer."""

    open_times: tuple[Interval, ...]
    shut: tuple[tuple[Empty, tuple[Interval, ...]], ...]


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
    shut: list[tuple[Empty, tuple[Interval, ...]]] = []
    left = template
    if given.hours or given.holidays:
        left = intersected(left, clinic_hours(in_zone, given).open_times(first, last))
        shut.insert(0, (Empty.CLINIC_CLOSED, tuple(template)))
    if given.credentials is not None:
        shut.insert(0, (Empty.NO_CREDENTIAL, tuple(left)))
        left = intersected(left, _entitled(given.credentials, in_zone, first, last))
    return Openness(tuple(left), tuple(shut))


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
