"""Who comes through the door, and what turns out not to have been so."""

from uuid import UUID

from services.appointments import events
from services.appointments.commands import rooms, waiting
from services.appointments.commands.booking import NO_SHOW, book
from services.appointments.commands.places import Request
from services.appointments.commands.released import release_slot
from services.appointments.commands.reminders import plan_anew
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.commands.steps import step
from services.appointments.domain.arrival import require_its_day, require_same_day
from services.appointments.domain.no_show import due_at
from services.appointments.domain.requirements import readiness_move
from services.appointments.domain.status import Lifecycle, Move
from services.appointments.queries.requirements import open_items, policy_of_visit
from services.appointments.queries.visits import clinic_zone, one_known_patient, visit
from services.appointments.tables import Appointment, Occupancy
from shared.db.work import Work
from shared.values.interval import Interval
from shared.values.zones import zone


async def arrive(work: Work, appointment_id: UUID) -> Appointment:
    """Somebody is here, on the day of their visit, and waits. Arriving twice changes nothing."""
    row = await visit(work, appointment_id)
    if not statuses_of(row).already(Move.ARRIVE):
        await _arrived(work, row, Move.ARRIVE)
        work.cancel_timer(NO_SHOW, row.id)
    return row


async def come_late(work: Work, appointment_id: UUID) -> Appointment:
    """Somebody who was given up is here after all, on the same day of the clinic.

    Their time was released and may be another's by now: they are fitted in, and take none.
    """
    row = await visit(work, appointment_id)
    if statuses_of(row).already(Move.COME_LATE):
        return row
    require_same_day(row.starts_at, work.now, zone(await clinic_zone(work, row.clinic_id)))
    await _arrived(work, row, Move.COME_LATE)
    return row


async def walk_in(work: Work, request: Request, *, may_overbook: bool) -> tuple[Appointment, str]:
    """Book somebody who stands at the desk, for now or for later today, and let them wait.

    Also the clinic's zone. Raises what booking raises, and Conflict ``arrival.not_today``.
    """
    row, time_zone = await book(work, request, may_overbook=may_overbook)
    require_same_day(row.starts_at, work.now, zone(time_zone))
    await work.flush()
    await _arrived(work, row, Move.ARRIVE)
    work.cancel_timer(NO_SHOW, row.id)
    return row, time_zone


async def undo_arrival(work: Work, appointment_id: UUID, reason: str) -> Appointment:
    """It was not so: nobody has arrived. The visit is expected again, or given up by the clock."""
    row = await visit(work, appointment_id)
    step(work, row, Move.UNDO_ARRIVE, reason=reason)
    row.arrived_at = None
    await waiting.leave(work, row, called=False)
    work.timer(NO_SHOW, row.id, due_at(Interval(row.starts_at, row.ends_at)))
    plan_anew(work, row.id)
    work.say(events.step_undone(row, "arrived", work.now), of=row)
    return row


async def undo_check_in(work: Work, appointment_id: UUID, reason: str) -> Appointment:
    """Take a check-in back before anybody was called; the patient waits on."""
    row = await visit(work, appointment_id)
    step(work, row, Move.UNDO_CHECK_IN, reason=reason)
    row.arrived_at = row.arrived_at or row.checked_in_at
    row.checked_in_at, row.waivers = None, None
    work.say(events.step_undone(row, "checked_in", work.now), of=row)
    return row


async def enter_in_error(work: Work, appointment_id: UUID, reason: str) -> Appointment:
    """There never was such a visit: whatever it holds is free. Saying so twice changes nothing."""
    row = await visit(work, appointment_id)
    before = Lifecycle(row.lifecycle)
    if statuses_of(row).already(Move.ENTER_IN_ERROR):
        return row
    await rooms.leave(work, row)
    await waiting.leave(work, row, called=False)
    step(work, row, Move.ENTER_IN_ERROR, reason=reason)
    row.call_day = row.call_number = row.checked_out_at = row.cancelled_at = None
    for taken in await work.load_where(Occupancy, "appointment_id = $2 AND active", row.id):
        taken.active = False
        work.save(taken)
    work.cancel_timer(NO_SHOW, row.id)
    plan_anew(work, row.id)
    work.say(events.entered_in_error(row, work.now), of=row)
    if before is Lifecycle.FULFILLED:
        await _one_visit_less(work, row.patient_id)
    elif before in (Lifecycle.BOOKED, Lifecycle.ARRIVED) and work.now < row.ends_at:
        interval = Interval(row.starts_at, row.ends_at)
        await release_slot(work, row, interval, "cancelled")
    return row


async def _arrived(work: Work, row: Appointment, move: Move) -> None:
    require_its_day(
        Interval(row.starts_at, row.ends_at),
        work.now,
        zone(await clinic_zone(work, row.clinic_id)),
    )
    items = await open_items(work, row)
    step(work, row, move)
    set_statuses(row, statuses_of(row).moved(readiness_move(items)))
    row.arrived_at = work.now
    await waiting.join(work, row, (await policy_of_visit(work, row)).patience)
    late = move is Move.COME_LATE
    work.say(events.arrived(row, work.now, after_no_show=late), of=row)
    plan_anew(work, row.id)


async def _one_visit_less(work: Work, patient_id: UUID) -> None:
    """A visit that never was makes nobody a known patient."""
    patient = await one_known_patient(work, patient_id)
    if patient is not None and patient.visits > 0:
        patient.visits -= 1
        work.save(patient)
