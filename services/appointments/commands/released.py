"""What happens as time becomes free: it is said, and the waitlist is asked."""

from typing import Literal

from services.appointments import events
from services.appointments.tables import Appointment, ReleasedSlot
from shared.db.work import Work
from shared.values.interval import Interval

OFFER_SLOT = "offer_slot"


def release_slot(
    work: Work,
    row: Appointment,
    interval: Interval,
    cause: Literal["cancelled", "rescheduled", "no_show"],
) -> None:
    """Say that a visit's time is free, and have it offered; `row` still names its provider.

    The timer that offers it is due at once and set in the transaction that frees the time: no
    crash can come between the two. A time that has begun is offered to nobody.
    """
    work.say(events.slot_released(row, interval, cause), of=row)
    if interval.start <= work.now:
        return
    slot = work.create(
        ReleasedSlot,
        id=work.new_id(f"slot/{row.id}/{row.event_seq}"),
        network_id=work.network_id,
        clinic_id=row.clinic_id,
        provider_id=row.provider_id,
        starts_at=interval.start,
        ends_at=interval.end,
        released_at=work.now,
    )
    work.timer(OFFER_SLOT, slot.id, work.now)
