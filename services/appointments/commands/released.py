"""What happens as time becomes free: it is said, and the waitlist is asked."""

from typing import Literal
from uuid import UUID

from services.appointments import events
from services.appointments.queries.fences import fenced
from services.appointments.tables import Appointment, Hold, ReleasedSlot
from shared.db.work import Work
from shared.values.interval import Interval

OFFER_SLOT = "offer_slot"


async def release_slot(
    work: Work,
    row: Appointment,
    interval: Interval,
    cause: Literal["cancelled", "rescheduled", "no_show"],
) -> None:
    """Say that the time a visit leaves is free, and have it offered; `row` names its provider.

    Where a block has it, it is free for nobody.
    """
    if await fenced(work, row.provider_id, interval):
        return
    work.say(events.slot_released(row, interval, cause), of=row)
    slot_id = work.new_id(f"slot/{row.id}/{row.event_seq}")
    _have_offered(work, slot_id, row.clinic_id, row.provider_id, interval)


def release_seat(work: Work, row: Appointment) -> None:
    """Have the seat offered that a visit leaves; the provider's time stays the session's."""
    slot_id = work.new_id(f"slot/{row.id}/{row.event_seq}")
    interval = Interval(row.starts_at, row.ends_at)
    _have_offered(work, slot_id, row.clinic_id, row.provider_id, interval, row.session_id)


async def release_held(work: Work, row: Hold) -> None:
    """Have the time offered of a hold that ended without a visit, unless a block has it.

    That of an offer is not: whoever ends the offer passes its time on.
    """
    interval = Interval(row.starts_at, row.ends_at)
    if row.purpose == "booking" and not await fenced(work, row.provider_id, interval):
        slot_id = work.new_id(f"slot/{row.id}")
        _have_offered(work, slot_id, row.clinic_id, row.provider_id, interval)


def _have_offered(
    work: Work,
    slot_id: UUID,
    clinic_id: UUID,
    provider_id: UUID,
    interval: Interval,
    session_id: UUID | None = None,
) -> None:
    # The timer is due at once and set in the transaction that frees the time: no crash can come
    # between the two. A time that has begun is offered to nobody.
    if interval.start <= work.now:
        return
    slot = work.create(
        ReleasedSlot,
        id=slot_id,
        network_id=work.network_id,
        clinic_id=clinic_id,
        provider_id=provider_id,
        starts_at=interval.start,
        ends_at=interval.end,
        session_id=session_id,
        released_at=work.now,
    )
    work.timer(OFFER_SLOT, slot.id, work.now)
