"""The flow of a visit: check in, into a room, seen, out; nobody came."""

from typing import Literal
from uuid import UUID

from services.appointments import events
from services.appointments.commands import rooms, waiting
from services.appointments.commands.booking import NO_SHOW
from services.appointments.commands.checks import note_words
from services.appointments.commands.released import release_slot
from services.appointments.commands.reminders import plan_anew
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.commands.steps import step
from services.appointments.domain.no_show import Due, decide_no_show, due_at, timer_finds
from services.appointments.domain.requirements import CheckIn, Waivers, decide_check_in
from services.appointments.domain.status import Move
from services.appointments.queries.requirements import check_in_facts, policy_of_visit
from services.appointments.queries.rooms import stay_of
from services.appointments.queries.visits import one_known_patient, visit
from services.appointments.tables import Appointment, Occupancy
from shared.db.work import Work
from shared.values.errors import Forbidden, NotFound
from shared.values.interval import Interval


async def check_in(
    work: Work, appointment_id: UUID, waivers: Waivers
) -> tuple[Appointment, CheckIn]:
    """Check a patient in: every requirement met, or waived by a word that is kept.

    Checking in twice changes nothing. Raises Conflict with the codes that are open; Forbidden
    where a patient says what is for the desk to say.
    """
    row = await visit(work, appointment_id)
    if work.actor.patient_ids is not None and waivers.cover_override_reason is not None:
        raise Forbidden("checkin.for_the_desk", "To go on without cover is for the desk to say.")
    policy = await policy_of_visit(work, row)
    facts = await check_in_facts(work, row, policy.check_in)
    decided = decide_check_in(statuses_of(row), policy.check_in, facts, waivers, work.now)
    if decided.repeated:
        return row, decided
    step(work, row, Move.CHECK_IN)
    set_statuses(row, statuses_of(row).moved(Move.FIND_READY))
    row.checked_in_at = work.now
    row.waivers = note_words(work, row, decided.items, _words(waivers)) or None
    await waiting.join(work, row, policy.patience)
    work.say(events.checked_in(row, decided.waived, work.now), of=row)
    work.cancel_timer(NO_SHOW, row.id)
    plan_anew(work, row.id)
    return row, decided


async def room(work: Work, appointment_id: UUID, room_id: UUID) -> Appointment:
    """Take a patient to a room. The same room twice changes nothing; another is a change of room.

    Raises IllegalTransition; NotFound ``room.not_found``; Conflict ``room.occupied``,
    ``room.to_be_cleaned``.
    """
    row = await visit(work, appointment_id)
    stay = await stay_of(work, row.id)
    if statuses_of(row).already(Move.ROOM) and stay is not None and stay.room_id == room_id:
        return row
    step(work, row, Move.ROOM, room_id=room_id)
    await rooms.enter(work, row, room_id)
    await waiting.leave(work, row, called=True)
    work.say(events.stage_reached(row, room_id, work.now), of=row)
    return row


async def change_room(work: Work, appointment_id: UUID, room_id: UUID) -> Appointment:
    """Take a patient to another room; the first is to be cleaned. The same one changes nothing."""
    row = await visit(work, appointment_id)
    stay = await stay_of(work, row.id)
    if stay is not None and stay.room_id == room_id:
        return row
    statuses_of(row).moved(Move.CHANGE_ROOM)
    await rooms.leave(work, row)
    await rooms.enter(work, row, room_id)
    step(work, row, Move.CHANGE_ROOM, room_id=room_id)
    await waiting.leave(work, row, called=True)
    work.say(events.stage_reached(row, room_id, work.now), of=row)
    return row


Stage = Literal[Move.SEE_NURSE, Move.SEE_PROVIDER, Move.FINISH]


async def reach(work: Work, appointment_id: UUID, stage: Stage) -> Appointment:
    """Note that a nurse or a provider is with the patient, or that they are ready to leave.

    Noting it twice changes nothing.
    """
    row = await visit(work, appointment_id)
    if statuses_of(row).already(stage):
        return row
    stay = await stay_of(work, row.id)
    room_id = stay.room_id if stay else None
    step(work, row, stage, room_id=room_id)
    await waiting.leave(work, row, called=True)
    work.say(events.stage_reached(row, room_id, work.now), of=row)
    return row


async def check_out(work: Work, appointment_id: UUID) -> Appointment:
    """End a visit. From now on the patient is a known one. Checking out twice changes nothing."""
    row = await visit(work, appointment_id)
    if statuses_of(row).already(Move.CHECK_OUT):
        return row
    step(work, row, Move.CHECK_OUT)
    row.checked_out_at = work.now
    patient = await one_known_patient(work, row.patient_id)
    if patient is None:
        raise NotFound("patient.not_found", "There is no such patient.")
    patient.visits += 1
    work.save(patient)
    work.say(events.checked_out(row, work.now), of=row)
    await waiting.leave(work, row, called=True)
    await rooms.leave(work, row)
    return row


async def mark_no_show(
    work: Work, appointment_id: UUID, cause: Literal["timer", "staff"]
) -> Appointment:
    """Record that nobody came; what is left of the time is free. Twice changes nothing."""
    row = await visit(work, appointment_id)
    if statuses_of(row).already(Move.MARK_NO_SHOW):
        return row
    interval = Interval(row.starts_at, row.ends_at)
    decided = decide_no_show(statuses_of(row), interval, work.now)
    step(work, row, Move.MARK_NO_SHOW)
    for taken in await work.load_where(Occupancy, "appointment_id = $2 AND active", row.id):
        taken.active = False
        work.save(taken)
    work.say(events.no_show(row, cause, work.now), of=row)
    if decided.frees_slot and row.session_id is None:
        await release_slot(work, row, interval, "no_show")
    work.cancel_timer(NO_SHOW, row.id)
    plan_anew(work, row.id)
    return row


async def no_show_due(work: Work, appointment_id: UUID) -> None:
    """What the no-show timer does: record it, wait for the visit's new time, or let it be."""
    row = await visit(work, appointment_id)
    interval = Interval(row.starts_at, row.ends_at)
    found = timer_finds(statuses_of(row), interval, work.now)
    if found is Due.NOW:
        await mark_no_show(work, appointment_id, "timer")
    elif found is Due.LATER:
        work.timer(NO_SHOW, row.id, due_at(interval))


def _words(waivers: Waivers) -> dict[str, str]:
    """What was said at the desk, by the code of what it settles."""
    return {
        "cover": waivers.cover_override_reason or "self_pay_acknowledged",
        "balance": "acknowledged",
    }
