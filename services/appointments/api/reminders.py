"""Routes of reminders and of the answers to them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.appointments.api.routes import ROUTES
from services.appointments.commands import replies, setup
from services.appointments.commands.reminder_settings import set_reminders
from services.appointments.domain.reminders import ReminderPolicy
from services.appointments.queries import reminders, visits
from services.appointments.schemas.reminders import (
    AnswerReminder,
    AnswerView,
    ReminderList,
    RemindersView,
    ReminderView,
    SetReminders,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.web.calls import Call, Reply


@ROUTES.get("/v1/clinics/{clinic_id}/reminder-settings", may=May.CLINIC_READ, reply=RemindersView)
async def read_reminder_settings(work: Work, call: Call[None]) -> Reply:
    """When and by what a clinic reminds."""
    row = await setup.clinic(work, call.id("clinic_id"))
    return Reply(RemindersView.of(row.id, await reminders.policy_of(work, row.id)))


def _settings_lock(call: Call[Any]) -> Sequence[LockKey]:
    return (lock_key("reminder-settings", call.id("clinic_id")),)


@ROUTES.put(
    "/v1/clinics/{clinic_id}/reminder-settings",
    may=May.CLINIC_WRITE,
    body=SetReminders,
    reply=RemindersView,
    refuses=("reminders.repeated", "clinic.not_found"),
    locks=_settings_lock,
)
async def set_reminder_settings(work: Work, call: Call[SetReminders]) -> Reply:
    """Say when and by what a clinic reminds."""
    row, given = await setup.clinic(work, call.id("clinic_id")), call.given
    policy = ReminderPolicy(
        leads=tuple(timedelta(minutes=minutes) for minutes in given.lead_minutes),
        channels=tuple(given.channels),
        quiet_from=given.quiet_from,
        quiet_until=given.quiet_until,
    )
    await set_reminders(work, row.id, policy)
    return Reply(RemindersView.of(row.id, policy))


@ROUTES.get(
    "/v1/appointments/{appointment_id}/reminders", may=May.APPOINTMENT_READ, reply=ReminderList
)
async def list_reminders(work: Work, call: Call[None]) -> Reply:
    """What is planned to remind of a visit, and what came of what was sent."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    found = await reminders.reminders_of(work, row.id)
    return Reply(ReminderList(items=[ReminderView.of(item) for item in found]))


async def _answer_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await replies.answer_locks(work, call.given.code)


@ROUTES.post(
    "/v1/reminders/replies",
    may=May.REMINDER_REPLY,
    body=AnswerReminder,
    reply=AnswerView,
    refuses=("reminder.code_unknown",),
    locks_read=_answer_locks,
)
async def answer_reminder(work: Work, call: Call[AnswerReminder]) -> Reply:
    """Take what a patient answered: yes, no, stop; for anything else somebody calls.

    It changes the confirmation and nothing else of the visit, and whether messages are sent.
    """
    row, decided = await replies.answer(work, call.given.code, call.given.text)
    call.concerns(row.patient_id)
    call.detail["outcome"] = decided.outcome
    return Reply(AnswerView(outcome=decided.outcome))
