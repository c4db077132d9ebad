"""Sending one reminder: judged once more, kept as `sending` before the call, and settled after it.

What was kept as `sending` and never settled is of unknown outcome, whoever finds it: it is not sent
again, by no channel, and somebody calls.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.appointments import events
from services.appointments.commands.calls import open_call
from services.appointments.commands.reminders import REMIND, plan_anew, step, tell
from services.appointments.commands.statuses import statuses_of
from services.appointments.domain.messages import (
    Lost,
    Message,
    NotSent,
    Outcome,
    Refused,
    Taken,
    code_digest,
    compose,
)
from services.appointments.domain.reminder_states import State, Step
from services.appointments.domain.reminders import Plan, plan
from services.appointments.domain.replies import after_message
from services.appointments.domain.status import Move
from services.appointments.queries.reminders import ReminderFacts, reminder_facts
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment, Reminder
from shared.contracts.envelope import Event
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.zones import zone

SKEW = timedelta(minutes=5)
"""What the clocks of two workers may differ by: one that is behind does not put off what another
found due."""
TRY_AGAIN_AFTER = timedelta(minutes=15)


def sending_locks(appointment_id: UUID, patient_id: UUID) -> Sequence[LockKey]:
    """The visit and what its patient lets in: nothing of either changes while it is judged."""
    return (lock_key("appointment", appointment_id), lock_key("patient", patient_id))


async def begin(work: Work, reminder_id: UUID, code: str) -> Message | Lost | None:
    """The message of a reminder that is due, which is kept as `sending` from here on.

    code: a fresh one, which an answer names; a digest of it is kept.

    Lost where an earlier try came as far as this; None where it is not to be sent now.
    """
    row = await _reminder(work, reminder_id)
    if row.state == State.SENDING:
        return Lost()
    if row.state != State.DUE:
        return None
    visit_row = await visit(work, row.appointment_id)
    facts = await reminder_facts(work, visit_row)
    (row,) = [kept for kept in facts.rows if kept.id == reminder_id]
    held = facts.held(as_planned=row.id)
    made = plan(facts.policy, facts.visit, facts.recipient, held, work.now)
    if not _is_to_go(work, visit_row, row, made):
        return None
    step(work, row, Step.SEND)
    row.sending_at, row.code_digest, row.tries = work.now, code_digest(code), row.tries + 1
    return _message(row, visit_row, facts, code)


def _is_to_go(work: Work, visit_row: Appointment, row: Reminder, made: Plan) -> bool:
    """Whether the plan of this moment still has it now; if not, it is put off or suppressed."""
    minutes = timedelta(minutes=row.lead_minutes)
    mine = [i for i in made.send if (i.channel, i.lead) == (row.channel, minutes)]
    if mine and mine[0].due_at <= work.now + SKEW:
        row.move = visit_row.moves
        return True
    if mine:
        step(work, row, Step.PUT_OFF)
        row.due_at = mine[0].due_at
    else:
        gone = [i for i in made.drop if (i.channel, i.lead) == (row.channel, minutes)]
        step(work, row, Step.SUPPRESS, gone[0].why if gone else "replaced")
        row.settled_at = work.now
        tell(work, visit_row, [events.reminder_suppressed(row, work.now)])
        work.audit(
            "suppress_reminder", _where(row), patients=[row.patient_id], outcome=row.reason or ""
        )
    plan_anew(work, visit_row.id)
    return False


async def settle(work: Work, reminder_id: UUID, outcome: Outcome | None) -> None:
    """Keep what came of a reminder. One that was settled already stays as it is."""
    row = await _reminder(work, reminder_id)
    if outcome is None or row.state != State.SENDING:
        return
    visit_row = await visit(work, row.appointment_id)
    if isinstance(outcome, Taken):
        _settled(work, visit_row, row, Step.TAKE_OVER, None)
    elif isinstance(outcome, Lost):
        _settled(work, visit_row, row, Step.LOSE, outcome.reason)
        await open_call(work, visit_row, "unknown_outcome")
    else:
        await _not_sent(work, visit_row, row, outcome)


async def not_reached(work: Work, reminder_id: UUID, reason: str) -> None:
    """What was needed to send it could not be had, so that nothing was sent."""
    row = await _reminder(work, reminder_id)
    if row.state == State.DUE:
        row.tries += 1
        visit_row = await visit(work, row.appointment_id)
        await _not_sent(work, visit_row, row, NotSent(reason.partition(":")[0]))
    else:
        await settle(work, reminder_id, Lost())


async def _not_sent(
    work: Work, visit_row: Appointment, row: Reminder, outcome: Refused | NotSent
) -> None:
    """It is known that nothing left: again later, or by another channel, or somebody calls."""
    facts = await reminder_facts(work, visit_row)
    if isinstance(outcome, NotSent) and row.tries < facts.policy.tries:
        step(work, row, Step.PUT_OFF, outcome.reason)
        work.timer(REMIND, visit_row.id, work.now + TRY_AGAIN_AFTER)
        return
    _settled(work, visit_row, row, Step.REFUSE, outcome.reason)
    plan_anew(work, visit_row.id)


def _settled(
    work: Work, visit_row: Appointment, row: Reminder, what: Step, reason: str | None
) -> None:
    step(work, row, what, reason)
    row.settled_at = work.now
    sent = what is Step.TAKE_OVER
    event: Event = (
        events.reminder_sent(row, work.now) if sent else events.reminder_failed(row, work.now)
    )
    # One that told another time says nothing of the one that the visit has now.
    statuses = statuses_of(visit_row)
    if sent and row.move == visit_row.moves:
        statuses = after_message(statuses, Move.SEND)
    tell(work, visit_row, [event], statuses)
    outcome = "ok" if sent else reason or "failed"
    work.audit("send_reminder", _where(row), patients=[row.patient_id], outcome=outcome)


def _message(row: Reminder, visit_row: Appointment, facts: ReminderFacts, code: str) -> Message:
    return compose(
        row.id,
        code,
        visit_row.starts_at,
        facts.clinic.name,
        facts.clinic.phone,
        zone(facts.clinic.time_zone),
        facts.recipient.zone,
    )


async def _reminder(work: Work, reminder_id: UUID) -> Reminder:
    row = await work.load(Reminder, reminder_id)
    if row is None:
        raise NotFound("reminder.not_found", "There is no such reminder.")
    return row


def _where(row: Reminder) -> str:
    return f"/v1/appointments/{row.appointment_id}/reminders"
