"""Enter and withdraw on-call shifts, and read who is on call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.appointments.commands.schedules import provider
from services.appointments.commands.setup import clinic
from services.appointments.domain.on_call import Rank, Shift, check_shift
from services.appointments.domain.zones import offset_minutes
from services.appointments.tables import OnCallShift
from shared.db.actor import at_clinic
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Invalid, NotFound
from shared.values.interval import Interval
from shared.values.zones import instant_in, resolved, zone


@dataclass(frozen=True, slots=True)
class Request:
    """A shift as asked for. Times without an offset are wall time of the zone: the clinic's, or
    the one that is named for the whole network."""

    role: str
    rank: Rank
    provider_id: UUID
    starts_at: datetime
    ends_at: datetime
    clinic_id: UUID | None = None
    time_zone: str | None = None


def role_lock(role: str) -> Sequence[LockKey]:
    """What a shift changes: who is on call for its role."""
    return (lock_key("on-call", role),)


async def add_shift(work: Work, request: Request) -> OnCallShift:
    """Enter a shift. Raises what the rule raises; Invalid ``on_call.zone`` without a zone."""
    await provider(work, request.provider_id)
    name = request.time_zone
    if request.clinic_id is not None:
        own = (await clinic(work, request.clinic_id)).time_zone
        if name not in (None, own):
            title = "A shift of a clinic is in the clinic's zone."
            raise Invalid("on_call.zone", title, pointer="/time_zone")
        name = own
    if name is None:
        title = "A shift of the network names its zone."
        raise Invalid("on_call.zone", title, pointer="/time_zone")
    in_zone = zone(name)
    start, end = (
        resolved(moment, in_zone) if moment.tzinfo is None else instant_in(moment, in_zone)
        for moment in (request.starts_at, request.ends_at)
    )
    shift = Shift(
        work.new_id("shift"),
        request.role,
        request.rank,
        request.provider_id,
        Interval(start, end),
        request.clinic_id,
    )
    check_shift(shift, [_shift(row) for row in await _rows(work, shift.interval, request.role)])
    row = OnCallShift(
        id=shift.id,
        network_id=work.network_id,
        clinic_id=shift.clinic_id,
        role=shift.role,
        rank=shift.rank.value,
        scope_id=shift.scope,
        provider_id=shift.provider_id,
        starts_at=start,
        ends_at=end,
        utc_offset_minutes=offset_minutes(start, in_zone),
        end_utc_offset_minutes=offset_minutes(end, in_zone),
        time_zone=name,
    )
    work.add(row)
    return row


async def shift_locks(work: Work, shift_id: UUID) -> Sequence[LockKey]:
    """What taking a shift back changes."""
    return role_lock((await _one(work, shift_id)).role)


async def withdraw_shift(work: Work, shift_id: UUID) -> OnCallShift:
    """Take a shift back; the row stays. Doing so again changes nothing."""
    row = await _one(work, shift_id)
    if row.withdrawn_at is None:
        row.withdrawn_at = work.now
        work.save(row)
    return row


async def shifts_in(
    work: Work, window: Interval, role: str | None, clinic_id: UUID | None
) -> list[OnCallShift]:
    """Shifts that touch a window: the network's, and a clinic's or those of the caller's clinics.

    Raises NotFound for a clinic that is not the caller's.
    """
    if clinic_id is not None:
        await clinic(work, clinic_id)
    rows = await _rows(work, window, role)
    return [
        row
        for row in rows
        if row.clinic_id is None
        or (at_clinic(work.actor, row.clinic_id) and clinic_id in (None, row.clinic_id))
    ]


def shifts_of(rows: Sequence[OnCallShift]) -> list[Shift]:
    """Rows as rule values."""
    return [_shift(row) for row in rows]


async def _one(work: Work, shift_id: UUID) -> OnCallShift:
    row = await work.load(OnCallShift, shift_id)
    if row is None or (row.clinic_id is not None and not at_clinic(work.actor, row.clinic_id)):
        raise NotFound("on_call.not_found", "There is no such shift.")
    return row


async def _rows(work: Work, window: Interval, role: str | None) -> list[OnCallShift]:
    where = (
        "withdrawn_at IS NULL AND starts_at < $2 AND ends_at > $3"
        " AND ($4::text IS NULL OR role = $4) ORDER BY starts_at, id LIMIT 1000"
    )
    return await work.load_where(OnCallShift, where, window.end, window.start, role)


def _shift(row: OnCallShift) -> Shift:
    interval = Interval(row.starts_at, row.ends_at)
    return Shift(row.id, row.role, Rank(row.rank), row.provider_id, interval, row.clinic_id)
