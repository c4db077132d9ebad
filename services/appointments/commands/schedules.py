"""When providers and clinics are in: templates, exceptions, a clinic's hours and holidays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any, Literal
from uuid import UUID

from services.appointments import events
from services.appointments.commands.setup import clinic
from services.appointments.domain.clinic_hours import ClinicHours, Holiday, OpenHours
from services.appointments.domain.schedule import Rhythm
from services.appointments.domain.schedule import ScheduleException as ExceptionRule
from services.appointments.domain.schedule import WeeklySchedule as ScheduleRule
from services.appointments.tables import (
    Clinic,
    Provider,
    ProviderClinic,
    ScheduleException,
    WeeklySchedule,
)
from shared.db.actor import at_clinic
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Invalid, NotFound
from shared.values.zones import zone

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a provider is in at a clinic, in wall time."""

    clinic_id: UUID
    weekday: int
    opens: time
    closes: time
    effective_from: date | None = None
    effective_until: date | None = None
    rhythm: Rhythm = Rhythm.WEEKLY
    anchor: date | None = None
    nth: int | None = None


def provider_lock(provider_id: UUID) -> Sequence[LockKey]:
    """What a change of a provider's hours changes: a booking of that time waits for it."""
    return (lock_key("provider", provider_id),)


async def works_at(work: Work, provider_id: UUID, clinic_id: UUID) -> None:
    """Raise NotFound for a provider who does not work at the clinic, or one not the caller's."""
    where = "provider_id = $2 AND clinic_id = $3"
    works_there = await work.load_where(ProviderClinic, where, provider_id, clinic_id)
    if not works_there or not at_clinic(work.actor, clinic_id):
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")


async def provider(work: Work, provider_id: UUID) -> Provider:
    """A provider of the network who works at one of the caller's clinics. Raises NotFound."""
    row = await work.load(Provider, provider_id)
    links = await work.load_where(ProviderClinic, "provider_id = $2", provider_id)
    bound = work.actor.clinic_ids is not None
    if row is None or (bound and not any(at_clinic(work.actor, x.clinic_id) for x in links)):
        raise NotFound("provider.not_found", "There is no such provider.")
    return row


async def add_schedule(work: Work, provider_id: UUID, hours: Hours) -> WeeklySchedule:
    """Enter hours on a weekday. Raises NotFound for a provider who does not work at the clinic."""
    await works_at(work, provider_id, hours.clinic_id)
    place = await clinic(work, hours.clinic_id)
    members = {name: getattr(hours, name) for name in Hours.__slots__}
    ScheduleRule(provider_id=provider_id, zone=zone(place.time_zone), **members)
    members["rhythm"] = hours.rhythm.value
    row = WeeklySchedule(
        id=work.new_id("schedule"), network_id=work.network_id, provider_id=provider_id, **members
    )
    work.add(row)
    work.say(events.template_changed(row, "entered", work.now), of=row)
    return row


async def schedules_of(work: Work, provider_id: UUID) -> list[WeeklySchedule]:
    """A provider's templates at the caller's clinics, those that have ended among them."""
    await provider(work, provider_id)
    where = "provider_id = $2 AND called_off_at IS NULL ORDER BY weekday, opens, id"
    rows = await work.load_where(WeeklySchedule, where, provider_id)
    return [row for row in rows if at_clinic(work.actor, row.clinic_id)]


async def _schedule(work: Work, schedule_id: UUID) -> WeeklySchedule:
    row = await work.load(WeeklySchedule, schedule_id)
    if row is None or row.called_off_at is not None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("schedule.not_found", "There is no such schedule.")
    return row


async def schedule_locks(work: Work, schedule_id: UUID) -> Sequence[LockKey]:
    """What a change of a template changes."""
    return provider_lock((await _schedule(work, schedule_id)).provider_id)


async def end_schedule(work: Work, schedule_id: UUID, last_day: date) -> WeeklySchedule:
    """End a template after `last_day`, the clinic's local yesterday at the earliest.

    What has been is not rewritten. One that has not begun by then is called off as a whole.
    Raises Invalid ``schedule.past``, or ``schedule.ended`` where it ends before that day anyway.
    """
    row = await _schedule(work, schedule_id)
    place = await clinic(work, row.clinic_id)
    today = work.now.astimezone(zone(place.time_zone)).date()
    if last_day < today - _DAY:
        title = "What has been is not rewritten."
        raise Invalid("schedule.past", title, pointer="/last_day")
    if row.effective_until is not None and row.effective_until < last_day:
        raise Invalid("schedule.ended", "It ends before that day.", pointer="/last_day")
    change: Literal["ended", "called_off"] = "ended"
    if row.effective_from is not None and last_day < row.effective_from:
        row.called_off_at, change = work.now, "called_off"
    else:
        row.effective_until = last_day
    work.save(row)
    work.say(events.template_changed(row, change, work.now), of=row)
    return row


async def change_schedule(
    work: Work, schedule_id: UUID, first_day: date, changed: dict[str, Any]
) -> WeeklySchedule:
    """Let a template be another from `first_day` on: the old one ends, the new one is returned."""
    row = await _schedule(work, schedule_id)
    until = row.effective_until
    if until is not None and until < first_day:
        raise Invalid("schedule.ended", "It ends before that day.", pointer="/first_day")
    hours = Hours(
        row.clinic_id, row.weekday, row.opens, row.closes, first_day, until,
        Rhythm(row.rhythm), row.anchor, row.nth,
    )  # fmt: skip
    await end_schedule(work, schedule_id, first_day - _DAY)
    return await add_schedule(work, row.provider_id, replace(hours, **changed))


async def add_exception(work: Work, provider_id: UUID, wish: dict[str, Any]) -> ScheduleException:
    """Enter days on which a provider's hours differ. Raises NotFound, or what the rule raises."""
    await provider(work, provider_id)
    in_zone = None
    if wish.get("clinic_id") is not None:
        await works_at(work, provider_id, wish["clinic_id"])
        in_zone = zone((await clinic(work, wish["clinic_id"])).time_zone)
    ExceptionRule(provider_id=provider_id, zone=in_zone, **wish)
    row = ScheduleException(
        id=work.new_id("exception"), network_id=work.network_id, provider_id=provider_id, **wish
    )
    work.add(row)
    return row


async def exceptions_of(work: Work, provider_id: UUID) -> list[ScheduleException]:
    """A provider's exceptions that were not withdrawn, by day."""
    await provider(work, provider_id)
    where = "provider_id = $2 AND withdrawn_at IS NULL ORDER BY first_day, id LIMIT 500"
    return await work.load_where(ScheduleException, where, provider_id)


async def _exception(work: Work, exception_id: UUID) -> ScheduleException:
    row = await work.load(ScheduleException, exception_id)
    if row is None:
        raise NotFound("exception.not_found", "There is no such exception.")
    await provider(work, row.provider_id)
    return row


async def exception_locks(work: Work, exception_id: UUID) -> Sequence[LockKey]:
    """What taking an exception back changes."""
    return provider_lock((await _exception(work, exception_id)).provider_id)


async def withdraw_exception(work: Work, exception_id: UUID) -> ScheduleException:
    """Take an exception back; the row stays. Doing so again changes nothing."""
    row = await _exception(work, exception_id)
    if row.withdrawn_at is None:
        row.withdrawn_at = work.now
        work.save(row)
    return row


async def set_clinic_hours(
    work: Work,
    clinic_id: UUID,
    hours: Sequence[OpenHours],
    holidays: Sequence[Holiday],
    version: int | None,
) -> Clinic:
    """Replace a clinic's hours and holidays. Raises what the rule raises; visits stay."""
    row = await clinic(work, clinic_id)
    match_version(version, row.version)
    given = ClinicHours(zone(row.time_zone), tuple(hours), tuple(holidays))
    row.hours = [
        {"weekday": h.weekday, "opens": h.opens.isoformat(), "closes": h.closes.isoformat()}
        for h in sorted(given.weekly, key=lambda h: (h.weekday, h.opens))
    ]
    row.holidays = [
        {
            "day": h.day.isoformat(),
            "name": h.name,
            "opens": h.opens and h.opens.isoformat(),
            "closes": h.closes and h.closes.isoformat(),
        }
        for h in sorted(given.holidays, key=lambda h: h.day)
    ]
    work.save(row)
    return row
