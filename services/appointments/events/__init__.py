"""What appointments says: from rows and facts to contract events, pure."""

from services.appointments.events.day import (
    arrived,
    entered_in_error,
    stage_reached,
    step_undone,
    waiting_too_long,
)
from services.appointments.events.setup import clinic_opened, type_published
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
    "arrived",
    "booked",
    "cancelled",
    "checked_in",
    "checked_out",
    "clinic_opened",
    "confirmed",
    "entered_in_error",
    "no_show",
    "rescheduled",
    "slot_released",
    "stage_reached",
    "step_undone",
    "type_published",
    "waiting_too_long",
]
