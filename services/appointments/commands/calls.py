"""The staff's call list: a call for those whom no message can reach, or whose answer needs one."""

from collections.abc import Sequence
from uuid import UUID

from services.appointments.domain.calls import (
    CallOutcome,
    CallState,
    decide_take,
    require_taken_by,
)
from services.appointments.queries.reminders import call_of_visit, call_task
from services.appointments.tables import Appointment, CallTask
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work


def call_lock(call_id: UUID) -> Sequence[LockKey]:
    """What taking or ending a call changes."""
    return (lock_key("call", call_id),)


async def open_call(work: Work, visit: Appointment, *reasons: str) -> None:
    """Somebody has to call about a visit, which has one call whatever the reasons are. One that is
    known already changes nothing; a new one opens a call again that was made.

    Once in a work: a call that it has opened is not seen by a second question.
    """
    row = await call_of_visit(work, visit.id)
    if row is None:
        work.create(
            CallTask,
            id=work.new_id(f"call/{visit.id}"),
            network_id=work.network_id,
            appointment_id=visit.id,
            patient_id=visit.patient_id,
            clinic_id=visit.clinic_id,
            reasons=list(reasons),
            due_by=visit.starts_at,
            opened_at=work.now,
        )
        return
    row.due_by, row.clinic_id = visit.starts_at, visit.clinic_id
    further = [why for why in reasons if why not in row.reasons]
    if further:
        row.reasons = [*row.reasons, *further]
        if row.state == CallState.DONE:
            row.opened_at = work.now
            _back(row)
    work.save(row)


async def call_not_needed(work: Work, appointment_id: UUID) -> None:
    """A visit is off or over: a call about it that nobody has begun is not to be made."""
    row = await call_of_visit(work, appointment_id)
    if row is not None and row.state == CallState.OPEN:
        _end(work, row, CallOutcome.NOT_NEEDED)


async def take(work: Work, call_id: UUID) -> CallTask:
    """Take a call: from now on it is nobody else's. Taking one's own changes nothing."""
    row = await call_task(work, call_id)
    by = str(work.actor)
    if decide_take(CallState(row.state), row.taken_by, by):
        row.state, row.taken_by, row.taken_at = CallState.TAKEN.value, by, work.now
        work.save(row)
    return row


async def give_back(work: Work, call_id: UUID) -> CallTask:
    """Let somebody else take it."""
    row = await call_task(work, call_id)
    require_taken_by(CallState(row.state), row.taken_by, str(work.actor))
    _back(row)
    work.save(row)
    return row


async def finish(work: Work, call_id: UUID, outcome: CallOutcome) -> CallTask:
    """Say what came of a call. What the patient said of coming is confirmed or declined by itself.

    Saying the same once more changes nothing.
    """
    row = await call_task(work, call_id)
    same = (row.state, row.outcome, row.taken_by) == ("done", outcome.value, str(work.actor))
    if not same:
        require_taken_by(CallState(row.state), row.taken_by, str(work.actor))
        _end(work, row, outcome)
    return row


def _back(row: CallTask) -> None:
    row.state, row.outcome, row.ended_at = CallState.OPEN.value, None, None
    row.taken_by, row.taken_at = None, None


def _end(work: Work, row: CallTask, outcome: CallOutcome) -> None:
    row.state, row.outcome, row.ended_at = CallState.DONE.value, outcome.value, work.now
    work.save(row)
