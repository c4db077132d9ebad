"""Keep the reminders of a visit as its plan says, and let those whose time has come go out.

One timer a visit does all of it. Whatever changes the plan sets that timer to now, in its own
transaction and with no question asked; the plans of all visits that changed within a second are
made together. So a plan is never older than what it depends on for longer than that, and what is
sent is judged once more in the moment of sending.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from services.appointments import events
from services.appointments.commands.calls import call_not_needed, open_call
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.domain.reminder_states import State, Step, next_state
from services.appointments.domain.reminders import Plan, Planned, plan
from services.appointments.domain.replies import after_message
from services.appointments.domain.status import Move, Statuses
from services.appointments.queries.reminders import ReminderFacts, all_reminder_facts, visits_ahead
from services.appointments.queries.visits import visits
from services.appointments.tables import Appointment, Reminder
from shared.contracts.envelope import Event
from shared.db.staged import Write
from shared.db.work import Work

REMIND = "remind"
SEND = "send_reminder"

_TOLD = (
    "UPDATE appointments SET event_seq = $3, confirmation = $5"
    " WHERE network_id = $1 AND id = $2 AND event_seq = $4 RETURNING 1"
)


def plan_anew(work: Work, appointment_id: UUID) -> None:
    """What the plan of a visit's reminders depends on has changed."""
    work.timer(REMIND, appointment_id, work.now, wake=False)


async def plan_anew_of(work: Work, patient_id: UUID) -> None:
    """What a patient lets in has changed: look at each of their visits to come."""
    for appointment_id in await visits_ahead(work, patient_id):
        plan_anew(work, appointment_id)


async def remind(work: Work, appointment_ids: Sequence[UUID]) -> None:
    """Make the plans of visits anew, write what changed, and send what is due."""
    rows = await visits(work, appointment_ids)
    for row, facts in zip(rows, await all_reminder_facts(work, rows), strict=True):
        await _remind(work, row, facts)


async def _remind(work: Work, row: Appointment, facts: ReminderFacts) -> None:
    made = plan(facts.policy, facts.visit, facts.recipient, facts.held(), work.now)
    said: list[Event] = _drop(work, facts, made)
    for item in made.send:
        reminder = _keep(work, row, facts, item)
        if item.due_at <= work.now:
            said.append(_come_due(work, reminder))
    statuses = statuses_of(row)
    reasons = list(dict.fromkeys(to_call.why for to_call in made.call if to_call.at <= work.now))
    if reasons:
        await open_call(work, row, *reasons)
    if "not_reached" in reasons:
        statuses = after_message(statuses, Move.FIND_UNREACHABLE)
    if facts.visit.off is not None:
        await call_not_needed(work, row.id)
    tell(work, row, said, statuses)
    times = [item.due_at for item in made.send] + [to_call.at for to_call in made.call]
    later = [at for at in times if at > work.now]
    if later:
        work.timer(REMIND, row.id, min(later))


def step(work: Work, row: Reminder, what: Step, reason: str | None = None) -> None:
    """Let a step happen to a reminder. Raises IllegalTransition."""
    row.state = next_state(State(row.state), what).value
    row.reason = reason
    work.save(row)


def tell(
    work: Work, row: Appointment, said: Iterable[Event], statuses: Statuses | None = None
) -> None:
    """State events of a visit of which they change the confirmation at the most.

    They count in its sequence and not in its version, and nor does what was sent: whoever has the
    visit open on a screen may change it still. `row` is not to be saved by the same work.
    """
    before, confirmation = row.event_seq, row.confirmation
    for event in said:
        work.say(event, of=row)
    if statuses is not None:
        set_statuses(row, statuses)
    if (row.event_seq, row.confirmation) != (before, confirmation):
        arguments = (work.network_id, row.id, row.event_seq, before, row.confirmation)
        work.stage(Write(_TOLD, arguments, 1, "Appointment"))


def _drop(work: Work, facts: ReminderFacts, made: Plan) -> list[Event]:
    """Write what is not to be sent; an event for what was due already."""
    rows, said = {(r.channel, r.lead_minutes): r for r in facts.rows}, []
    for gone in made.drop:
        row = rows[gone.channel.value, _minutes(gone.lead)]
        step(work, row, Step.SUPPRESS, gone.why)
        row.settled_at = work.now
        if row.due_at <= work.now:
            said.append(events.reminder_suppressed(row, work.now))
    return list[Event](said)


def _keep(work: Work, visit_row: Appointment, facts: ReminderFacts, item: Planned) -> Reminder:
    """The row of a planned reminder, made or changed where it has to be."""
    minutes = _minutes(item.lead)
    for row in facts.rows:
        if (row.channel, row.lead_minutes) == (item.channel.value, minutes):
            step(work, row, Step.PLAN)
            row.due_at, row.settled_at = item.due_at, None
            row.move, row.clinic_id = visit_row.moves, visit_row.clinic_id
            return row
    row = Reminder(
        id=work.new_id(f"reminder/{visit_row.id}/{item.channel}/{minutes}"),
        network_id=work.network_id,
        appointment_id=visit_row.id,
        patient_id=visit_row.patient_id,
        clinic_id=visit_row.clinic_id,
        channel=item.channel.value,
        lead_minutes=minutes,
        due_at=item.due_at,
        move=visit_row.moves,
    )
    work.add(row)
    return row


def _come_due(work: Work, row: Reminder) -> Event:
    step(work, row, Step.COME_DUE)
    ids = {"appointment_id": str(row.appointment_id), "patient_id": str(row.patient_id)}
    work.intent(SEND, row.id, {**ids, "channel": row.channel})
    return events.reminder_due(row)


def _minutes(lead: timedelta) -> int:
    return lead // timedelta(minutes=1)
