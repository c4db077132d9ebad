"""The day of the visit: check in, check out, nobody came."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from services.appointments import events
from services.appointments.commands.booking import NO_SHOW
from services.appointments.commands.released import release_slot
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.domain.no_show import Due, decide_no_show, due_at, timer_finds
from services.appointments.domain.requirements import CheckIn, Waivers, decide_check_in
from services.appointments.domain.status import Move
from services.appointments.queries.visits import POLICY, check_in_facts, one_known_patient, visit
from services.appointments.tables import Appointment, Occupancy
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Forbidden, NotFound
from shared.values.interval import Interval


async def patient_locks(work: Work, appointment_id: UUID) -> Sequence[LockKey]:
    """The visit, and what is known of its patient."""
    row = await visit(work, appointment_id)
    return (lock_key("appointment", row.id), lock_key("patient", row.patient_id))


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
    facts = await check_in_facts(work, row)
    decided = decide_check_in(statuses_of(row), POLICY, facts, waivers, work.now)
    if decided.repeated:
        return row, decided
    set_statuses(row, decided.statuses)
    row.checked_in_at = work.now
    row.waivers = _kept(waivers, decided)
    work.save(row)
    work.say(events.checked_in(row, decided.waived, work.now), of=row)
    work.cancel_timer(NO_SHOW, row.id)
    return row, decided


async def check_out(work: Work, appointment_id: UUID) -> Appointment:
    """End a visit. From now on the patient is a known one. Checking out twice changes nothing."""
    row = await visit(work, appointment_id)
    if statuses_of(row).already(Move.CHECK_OUT):
        return row
    set_statuses(row, statuses_of(row).moved(Move.CHECK_OUT))
    row.checked_out_at = work.now
    patient = await one_known_patient(work, row.patient_id)
    if patient is None:
        raise NotFound("patient.not_found", "There is no such patient.")
    patient.visits += 1
    work.save(patient)
    work.save(row)
    work.say(events.checked_out(row, work.now), of=row)
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
    set_statuses(row, decided.statuses)
    for taken in await work.load_where(Occupancy, "appointment_id = $2 AND active", row.id):
        taken.active = False
        work.save(taken)
    work.save(row)
    work.say(events.no_show(row, cause, work.now), of=row)
    if decided.frees_slot and row.session_id is None:
        release_slot(work, row, interval, "no_show")
    work.cancel_timer(NO_SHOW, row.id)
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


def _kept(waivers: Waivers, decided: CheckIn) -> dict[str, str] | None:
    """The words that settled something, by the code of what they settled."""
    words = {
        "cover": waivers.cover_override_reason or "self_pay_acknowledged",
        "balance": "acknowledged",
    }
    return {code: words[code] for code in decided.waived if code in words} or None
