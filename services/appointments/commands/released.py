"""Tell that time is free again."""

from typing import Literal

from services.appointments import events
from services.appointments.queries.fences import fenced
from services.appointments.tables import Appointment
from shared.db.work import Work
from shared.values.interval import Interval


async def say_released(
    work: Work,
    row: Appointment,
    interval: Interval,
    cause: Literal["cancelled", "rescheduled", "no_show"],
) -> None:
    """Tell of the time that a visit leaves, unless a block has it: then it is free for nobody."""
    if not await fenced(work, row.provider_id, interval):
        work.say(events.slot_released(row, interval, cause), of=row)
