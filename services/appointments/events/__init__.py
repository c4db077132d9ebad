"""What appointments says: from rows and facts to contract events, pure."""

from services.appointments.events.blocks import block_created, block_lifted
from services.appointments.events.setup import clinic_opened, template_changed, type_published
from services.appointments.events.visits import (
    booked,
    cancelled,
    checked_in,
    checked_out,
    confirmed,
    no_show,
    rescheduled,
    slot_released,
)

__all__ = [
    "block_created",
    "block_lifted",
    "booked",
    "cancelled",
    "checked_in",
    "checked_out",
    "clinic_opened",
    "confirmed",
    "no_show",
    "rescheduled",
    "slot_released",
    "template_changed",
    "type_published",
]
