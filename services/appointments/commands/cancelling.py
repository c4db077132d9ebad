"""Call a visit off, and what becomes of its time."""

from dataclasses import dataclass
from uuid import UUID

from services.appointments import events
from services.appointments.commands.booking import NO_SHOW
from services.appointments.commands.places import free
from services.appointments.commands.released import release_seat, release_slot
from services.appointments.commands.reminders import plan_anew
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.commands.waiting import leave_the_day
from services.appointments.domain.cancel import decide_cancel
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.reasons import Reason
from services.appointments.domain.status import Move
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment
from shared.db.work import Work, match_version
from shared.values.interval import Interval


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Why a visit is called off. frees_slot: None goes by the reason. with_session: the session is
    called off, and so nobody gets the seat."""

    reason: Reason
    frees_slot: bool | None = None
    with_session: bool = False


async def cancel(
    work: Work, appointment_id: UUID, why: Cancelling, version: int | None
) -> Appointment:
    """Call a visit off. Its time is free again, or stays closed where nobody can have it.

    Asking again for a cancelled one changes nothing. Raises what `decide_cancel` raises.
    """
    row = await visit(work, appointment_id)
    if statuses_of(row).already(Move.CANCEL):
        return row
    match_version(version, row.version)
    await call_off(work, row, why)
    return row


async def call_off(work: Work, row: Appointment, why: Cancelling) -> None:
    """Call off a visit that was read, under its lock. Raises what `decide_cancel` raises."""
    interval = Interval(row.starts_at, row.ends_at)
    decided = decide_cancel(
        statuses_of(row),
        interval,
        why.reason,
        work.now,
        frees_slot=why.frees_slot,
        by_patient=work.actor.patient_ids is not None,
    )
    await leave_the_day(work, row, moved=False)
    set_statuses(row, decided.statuses)
    row.cancelled_at, row.cancel_reason = work.now, why.reason.value
    row.late_cancel, row.cancelled_by = decided.notice.late, decided.by.value
    # A seat keeps no time of a provider: that is the session's.
    keeps_time = decided.keeps_time and row.session_id is None
    row.cancel_notice_minutes, row.keeps_time = decided.notice.minutes, keeps_time
    await free(work, row.id, but=ResourceKind.PROVIDER if keeps_time else None)
    work.save(row)
    work.say(events.cancelled(row, decided.notice.minutes, work.now), of=row)
    if row.session_id is None:
        if decided.notice.frees_slot:
            await release_slot(work, row, interval, "cancelled")
    elif not why.with_session:
        release_seat(work, row)
    work.cancel_timer(NO_SHOW, row.id)
    plan_anew(work, row.id)


async def free_slot(work: Work, appointment_id: UUID) -> Appointment:
    """Open the time that a cancelled visit keeps closed. Where it keeps none, nothing changes."""
    row = await visit(work, appointment_id)
    if not row.keeps_time:
        return row
    row.keeps_time = False
    await free(work, row.id)
    work.save(row)
    if work.now < row.ends_at:
        await release_slot(work, row, Interval(row.starts_at, row.ends_at), "cancelled")
    return row
