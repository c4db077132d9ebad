"""What comes of reminders, as events."""

from datetime import datetime
from typing import Any

from services.appointments.tables import Appointment, Reminder
from shared.contracts.appointments import (
    MessagesStopped,
    ReminderDue,
    ReminderFailed,
    ReminderSent,
    ReminderSuppressed,
)


def _which(row: Reminder) -> dict[str, Any]:
    return {
        "appointment_id": row.appointment_id,
        "patient_id": row.patient_id,
        "clinic_id": row.clinic_id,
        "reminder_id": row.id,
        "channel": row.channel,
        "lead_minutes": row.lead_minutes,
    }


def reminder_due(row: Reminder) -> ReminderDue:
    """It is to be sent."""
    return ReminderDue(**_which(row), due_at=row.due_at)


def reminder_sent(row: Reminder, at: datetime) -> ReminderSent:
    """A messenger took it over."""
    return ReminderSent(**_which(row), sent_at=at)


def reminder_failed(row: Reminder, at: datetime) -> ReminderFailed:
    """It did not leave, or nobody knows."""
    return ReminderFailed(**_which(row), reason=row.reason or "unknown", failed_at=at)


def reminder_suppressed(row: Reminder, at: datetime) -> ReminderSuppressed:
    """It was due and is not sent."""
    return ReminderSuppressed(**_which(row), reason=row.reason or "unknown", suppressed_at=at)


def messages_stopped(visit: Appointment, row: Reminder, at: datetime) -> MessagesStopped:
    """No more messages by the channel of a reminder."""
    return MessagesStopped.model_validate(
        {
            "appointment_id": visit.id,
            "patient_id": visit.patient_id,
            "clinic_id": visit.clinic_id,
            "channel": row.channel,
            "stopped_at": at,
        }
    )
