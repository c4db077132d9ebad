"""What appointments says: from rows and facts to contract events, pure."""

from services.appointments.events.holds import held, hold_expired, hold_released
from services.appointments.events.series import series_changed
from services.appointments.events.sessions import (
    session_cancelled,
    session_moved,
    session_opened,
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
from services.appointments.events.waitlist import (
    offer_accepted,
    offer_declined,
    offer_expired,
    offer_made,
    waitlist_entered,
)

__all__ = [
    "booked",
    "cancelled",
    "checked_in",
    "checked_out",
    "clinic_opened",
    "confirmed",
    "declined",
    "held",
    "hold_expired",
    "hold_released",
    "no_show",
    "offer_accepted",
    "offer_declined",
    "offer_expired",
    "offer_made",
    "rescheduled",
    "series_changed",
    "session_cancelled",
    "session_moved",
    "session_opened",
    "slot_released",
    "type_published",
    "waitlist_entered",
]
