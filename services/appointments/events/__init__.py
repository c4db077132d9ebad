"""What appointments says: from rows and facts to contract events, pure."""

from services.appointments.events.reminders import (
    messages_stopped,
    reminder_due,
    reminder_failed,
    reminder_sent,
    reminder_suppressed,
)
from services.appointments.events.setup import clinic_opened, type_published
from services.appointments.events.visits import (
    booked,
    cancelled,
    checked_in,
    checked_out,
    confirmed,
    declined,
    no_show,
    rescheduled,
    slot_released,
)

__all__ = [
    "booked",
    "cancelled",
    "checked_in",
    "checked_out",
    "clinic_opened",
    "confirmed",
    "declined",
    "messages_stopped",
    "no_show",
    "reminder_due",
    "reminder_failed",
    "reminder_sent",
    "reminder_suppressed",
    "rescheduled",
    "slot_released",
    "type_published",
]
