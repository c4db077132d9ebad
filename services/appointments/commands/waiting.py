"""The waiting room: who joins it, who leaves it, who is put first, who waits too long."""

from datetime import timedelta
from uuid import UUID

from services.appointments import events
from services.appointments.domain.status import Lifecycle
from services.appointments.domain.waiting import (
    Priority,
    alarm_due,
    checked_priority,
    next_number,
    turn_at,
    waited,
)
from services.appointments.queries.requirements import policy_of_visit
from services.appointments.queries.visits import clinic_zone, visit
from services.appointments.queries.waiting import (
    entry_of,
    expected,
    highest_number,
    waits_elsewhere,
)
from services.appointments.tables import Appointment, QueueEntry
from shared.db.work import Work
from shared.values.errors import Conflict
from shared.values.zones import zone

WAIT_ALARM = "waiting_too_long"


async def join(work: Work, row: Appointment, patience: timedelta | None) -> None:
    """Somebody sits down: they get a code to be called by and are told how long it takes.

    What was promised is kept. Nothing where the visit waits already. Raises Conflict
    ``queue.already_waiting`` where the patient waits for another visit at this clinic.
    """
    if await entry_of(work, row.id) is not None:
        return
    other = await waits_elsewhere(work, row)
    if other is not None:
        raise already_waiting()
    await _give_code(work, row)
    promised = await expected(work, row.clinic_id, row.provider_id)
    turn = turn_at(row.starts_at, work.now)
    work.add(
        QueueEntry(
            id=work.new_id(f"wait/{row.id}"),
            network_id=work.network_id,
            clinic_id=row.clinic_id,
            provider_id=row.provider_id,
            appointment_id=row.id,
            patient_id=row.patient_id,
            entered_at=work.now,
            turn_at=turn,
            promised_minutes=promised.median,
            promised_minutes_p90=promised.p90,
            promised_from=promised.basis.value,
        )
    )
    if patience is not None:
        work.timer(WAIT_ALARM, row.id, alarm_due(turn, patience))


def already_waiting() -> Conflict:
    """The refusal of a second wait; also for a violated constraint."""
    return Conflict("queue.already_waiting", "The patient waits here already.")


async def leave(work: Work, row: Appointment, *, called: bool) -> None:
    """A wait is over: somebody was called, or went. Nothing where there is none."""
    entry = await entry_of(work, row.id)
    if entry is None:
        return
    entry.ended_at, entry.ended_as = work.now, "called" if called else "left"
    entry.waited_seconds = waited(entry.turn_at, work.now) if called else None
    work.save(entry)
    work.cancel_timer(WAIT_ALARM, row.id)


async def set_priority(
    work: Work, appointment_id: UUID, priority: Priority, reason: str | None
) -> QueueEntry:
    """Put somebody before others, or back among them.

    Raises Invalid ``override.reason_required``, Conflict ``queue.not_waiting``.
    """
    row = await visit(work, appointment_id)
    entry = await entry_of(work, row.id)
    if entry is None:
        raise Conflict("queue.not_waiting", "The patient is not waiting.")
    entry.priority = checked_priority(priority, reason).value
    entry.priority_reason = reason
    work.save(entry)
    return entry


async def wait_alarm_due(work: Work, appointment_id: UUID) -> None:
    """What the alarm does: say once that somebody still waits."""
    row = await visit(work, appointment_id)
    entry = await entry_of(work, row.id)
    if entry is None or entry.alarmed_at is not None:
        return
    patience = (await policy_of_visit(work, row)).patience
    if patience is None:
        return
    due = alarm_due(entry.turn_at, patience)
    if work.now < due:
        work.timer(WAIT_ALARM, row.id, due)
        return
    entry.alarmed_at = work.now
    work.save(entry)
    work.save(row)
    work.say(events.waiting_too_long(row, entry, work.now), of=row)


async def leave_the_day(work: Work, row: Appointment, *, moved: bool) -> None:
    """A visit that is called off or moved no longer waits; one that moved has not arrived yet."""
    if row.lifecycle == Lifecycle.ARRIVED:
        await leave(work, row, called=False)
    if moved:
        row.arrived_at = row.call_day = row.call_number = None


async def _give_code(work: Work, row: Appointment) -> None:
    """The code of the visit's day; who comes back keeps theirs."""
    in_zone = zone(await clinic_zone(work, row.clinic_id))
    today = work.now.astimezone(in_zone).date()
    if row.call_day != today:
        highest = await highest_number(work, row.clinic_id, today)
        row.call_day, row.call_number = today, next_number(highest)
