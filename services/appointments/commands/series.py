"""Visits that repeat: book a series, move or call off some of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments import events
from services.appointments.commands.booking import (
    Destination,
    move,
    write_booking,
)
from services.appointments.commands.cancelling import Cancelling, call_off
from services.appointments.commands.places import Request, facts_of, free_held, wish_of
from services.appointments.domain import series as rules
from services.appointments.domain.booking import decide_booking
from services.appointments.domain.explain import naming_rules
from services.appointments.domain.reasons import Reason
from services.appointments.domain.series import Member, Occurrence, OnConflict, Scope
from services.appointments.queries import series as read
from services.appointments.queries import visits
from services.appointments.tables import Appointment, Series
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict, DomainError, Invalid
from shared.values.zones import instant_in, zone


@dataclass(frozen=True, slots=True)
class Plan:
    """How a series repeats, and what becomes of an occurrence that cannot be had."""

    rrule: str
    on_conflict: OnConflict = OnConflict.FAIL
    tolerance: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one occurrence. why: what stood in the way of the time that was asked for."""

    occurrence: Occurrence
    visit: Appointment | None
    why: DomainError | None = None


@dataclass(slots=True)
class Done:
    """A series after a change, with the outcome of each occurrence that it was about."""

    series: Series
    zone: ZoneInfo
    outcomes: list[Outcome] = field(default_factory=list)


async def book_series(work: Work, request: Request, plan: Plan) -> Done:
    """Book a visit for each occurrence of a rule, in one transaction. Under `book_locks`.

    The locks are those of one booking, for all have the same provider, patient and clinic.
    Raises Invalid: what `read_rule`, `occurrences` and `tolerance_of` raise; with the policy `fail`
    what the first occurrence raises that cannot be had, with its number and local time; Conflict
    ``series.nothing_free`` where no occurrence is left.
    """
    recurrence = rules.read_rule(plan.rrule)
    tolerance = rules.tolerance_of(plan.on_conflict, plan.tolerance)
    in_zone = zone(await visits.named_zone(work, request.clinic_id))
    first = instant_in(request.starts_at, in_zone).astimezone(in_zone).replace(tzinfo=None)
    wanted = rules.occurrences(recurrence, first, in_zone)
    row = work.create(
        Series,
        id=work.new_id("series"),
        network_id=work.network_id,
        patient_id=request.patient_id,
        clinic_id=request.clinic_id,
        provider_id=request.provider_id,
        appointment_type_id=request.appointment_type_id,
        rrule=plan.rrule,
        first_start=first,
        time_zone=in_zone.key,
        on_conflict=plan.on_conflict.value,
        occurrences=len(wanted),
        made_at=work.now,
    )
    done = Done(row, in_zone)
    for each in wanted:
        done.outcomes.append(await _book_one(work, request, each, done, plan, tolerance))
        await work.flush()
    left = [outcome for outcome in done.outcomes if outcome.visit is None]
    if len(left) == len(wanted):
        raise Conflict("series.nothing_free", "No visit of the series can be booked.")
    row.left_out = [_left_out(outcome) for outcome in left] or None
    work.save(row)
    booked = len(wanted) - len(left)
    work.say(events.series_changed(row, "booked", Scope.ALL.value, booked, len(left)), of=row)
    return done


async def _book_one(
    work: Work,
    request: Request,
    wanted: Occurrence,
    done: Done,
    plan: Plan,
    tolerance: timedelta,
) -> Outcome:
    """Book one occurrence, at its time or as near as the policy lets it be."""
    why = wanted.problem
    times = [] if wanted.at is None else [wanted.at]
    times += rules.candidates(wanted, done.zone, tolerance) if tolerance else []
    if not times and why is not None:
        return _refused(wanted, why, plan)
    around = replace(request, starts_at=min(times), ends_at=max(times) + timedelta(days=1))
    known = await facts_of(work, around, may_overbook=False)
    wish = replace(wish_of(work, around, known), ends_at=None)
    for at in times:
        try:
            with naming_rules():
                booking = decide_booking(replace(wish, starts_at=at), known.facts, work.now)
        except DomainError as error:
            why = why or error
            continue
        await free_held(work, known.expired)
        of_series = {"series_id": done.series.id, "occurrence": wanted.number}
        return Outcome(wanted, write_booking(work, request, known, booking, **of_series), why)
    return _refused(wanted, why or Conflict("slot.taken", "This time is taken."), plan)


def _refused(wanted: Occurrence, why: DomainError, plan: Plan) -> Outcome:
    if plan.on_conflict is OnConflict.FAIL:
        raise named(why, wanted)
    return Outcome(wanted, None, why)


def named(error: DomainError, wanted: Occurrence) -> DomainError:
    """The refusal of an occurrence, which says which one it is."""
    error.facts |= {"occurrence": wanted.number, "local_start": wanted.wall.isoformat()}
    return error


async def some_locks(
    work: Work, series_id: UUID, provider_id: UUID | None = None
) -> Sequence[LockKey]:
    """What an edit of a series changes: its visits, and the time that they leave and take."""
    row = await read.one_series(work, series_id)
    keys = [lock_key("series", series_id), lock_key("patient", row.patient_id)]
    providers = {row.provider_id, provider_id or row.provider_id}
    for visit in await read.visits_of(work, series_id):
        keys += (lock_key("appointment", visit.id), lock_key("rooms", visit.clinic_id))
        providers |= {visit.provider_id, *(visit.further_provider_ids or ())}
    return [*dict.fromkeys(keys), *(lock_key("provider", each) for each in sorted(providers))]


async def move_some(
    work: Work,
    series_id: UUID,
    pivot: int,
    scope: Scope,
    to: Destination,
    reason: Reason,
    policy: OnConflict,
) -> Done:
    """Move an occurrence to a time, and those in scope as far on the wall clock.

    Under `some_locks`. A visit that cannot be moved stays where it is, unless the policy is `fail`:
    then nothing moves. Raises what `chosen` and a move raise; Invalid ``series.tolerance`` for the
    policy `nearest`, which is for booking.
    """
    if policy is OnConflict.NEAREST:
        title = "What is moved goes where it is told, or stays."
        raise Invalid("series.tolerance", title, pointer="/on_conflict")
    row, rows, members, in_zone = await _chosen(work, series_id, pivot, scope)
    wall = instant_in(to.starts_at, in_zone).astimezone(in_zone).replace(tzinfo=None)
    done = Done(row, in_zone)
    for member, wanted in rules.shifted(members, pivot, wall, in_zone):
        visit = rows[member.appointment_id]
        why = await _move_one(work, visit, wanted, to, reason)
        if why is not None and policy is OnConflict.FAIL:
            raise named(why, wanted)
        done.outcomes.append(Outcome(wanted, None if why else visit, why))
        await work.flush()
    _changed(work, done, "rescheduled", scope)
    return done


async def _move_one(
    work: Work, visit: Appointment, wanted: Occurrence, to: Destination, reason: Reason
) -> DomainError | None:
    """Move one visit; what stands in its way, in which case nothing was written."""
    if wanted.at is None:
        return wanted.problem
    length = visit.ends_at - visit.starts_at
    there: datetime = wanted.at
    own = replace(to, starts_at=there, ends_at=there + length)
    try:
        await move(work, visit, own, reason)
    except DomainError as error:
        return error
    return None


async def call_some_off(
    work: Work, series_id: UUID, pivot: int, scope: Scope, why: Cancelling
) -> Done:
    """Call an occurrence off, and those in scope. Under `some_locks`. Raises what `chosen` does."""
    row, rows, members, in_zone = await _chosen(work, series_id, pivot, scope)
    done = Done(row, in_zone)
    for member in members:
        visit = rows[member.appointment_id]
        await call_off(work, visit, why)
        wanted = rules.occurrence_at(member.number, member.wall, in_zone)
        done.outcomes.append(Outcome(wanted, visit))
    _changed(work, done, "cancelled", scope)
    return done


async def _chosen(
    work: Work, series_id: UUID, pivot: int, scope: Scope
) -> tuple[Series, dict[UUID, Appointment], list[Member], ZoneInfo]:
    row = await read.one_series(work, series_id)
    in_zone = zone(row.time_zone)
    rows = {visit.id: visit for visit in await read.visits_of(work, series_id)}
    found = [read.member_of(visit, in_zone) for visit in rows.values()]
    return row, rows, rules.chosen(found, pivot, scope), in_zone


def _changed(work: Work, done: Done, change: str, scope: Scope) -> None:
    left = sum(outcome.visit is None for outcome in done.outcomes)
    changed = len(done.outcomes) - left
    work.say(events.series_changed(done.series, change, scope.value, changed, left), of=done.series)
    work.save(done.series)


def _left_out(outcome: Outcome) -> dict[str, Any]:
    wanted, code = outcome.occurrence, outcome.why.code if outcome.why else None
    return {"occurrence": wanted.number, "local_start": wanted.wall.isoformat(), "code": code}
