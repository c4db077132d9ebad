"""What appointments says: from rows and facts to contract events, pure."""

from services.appointments.events.blocks import block_created, block_lifted
from services.appointments.events.day import (
    arrived,
    entered_in_error,
    stage_reached,
    step_undone,
    waiting_too_long,
)
from services.appointments.events.holds import held, hold_expired, hold_released
from services.appointments.events.reminders import (
    messages_stopped,
    reminder_due,
    reminder_failed,
    reminder_sent,
    reminder_suppressed,
)
from services.appointments.events.requests import (
    request_accepted,
    request_declined,
    request_expired,
    request_made,
    request_withdrawn,
)
from services.appointments.events.series import series_changed
from services.appointments.events.sessions import (
    session_cancelled,
    session_moved,
    session_opened,
)
from services.appointments.events.setup import clinic_opened, template_changed, type_published
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
from services.appointments.events.waitlist import (
    offer_accepted,
    offer_declined,
    offer_expired,
    offer_made,
    waitlist_entered,
)

__all__ = [
    "arrived",
    "block_created",
    "block_lifted",
    "booked",
    "cancelled",
    "checked_in",
    "checked_out",
    "clinic_opened",
    "confirmed",
    "declined",
    "entered_in_error",
    "held",
    "hold_expired",
    "hold_released",
    "messages_stopped",
    "no_show",
    "offer_accepted",
    "offer_declined",
    "offer_expired",
    "offer_made",
    "reminder_due",
    "reminder_failed",
    "reminder_sent",
    "reminder_suppressed",
    "request_accepted",
    "request_declined",
    "request_expired",
    "request_made",
    "request_withdrawn",
    "rescheduled",
    "series_changed",
    "session_cancelled",
    "session_moved",
    "session_opened",
    "slot_released",
    "stage_reached",
    "step_undone",
    "template_changed",
    "type_published",
    "waiting_too_long",
    "waitlist_entered",
]
