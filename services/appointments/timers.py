"""What appointments does by the clock."""

from collections.abc import Sequence

from services.appointments.commands.booking import NO_SHOW, visit_lock
from services.appointments.commands.flow import no_show_due
from services.appointments.commands.holds import HOLD_EXPIRY, hold_due, hold_lock
from services.appointments.commands.released import OFFER_SLOT
from services.appointments.commands.reminders import REMIND, remind
from services.appointments.commands.requests import REQUEST_EXPIRY, request_due, request_lock
from services.appointments.commands.waiting import WAIT_ALARM, wait_alarm_due
from services.appointments.commands.waitlist import (
    OFFER_EXPIRY,
    offer_due,
    offer_slot,
    waitlist_lock,
)
from shared.db.locks import LockKey
from shared.db.timers import DueTimer, Timers
from shared.db.work import Work


async def on_no_show_due(work: Work, due: DueTimer) -> None:
    """The grace period of a visit is over."""
    await no_show_due(work, due.subject_id)


async def on_hold_due(work: Work, due: DueTimer) -> None:
    """The time of a hold is over."""
    await hold_due(work, due.subject_id)


async def on_wait_alarm(work: Work, due: DueTimer) -> None:
    """Somebody may have waited too long."""
    await wait_alarm_due(work, due.subject_id)


async def on_remind(work: Work, due: Sequence[DueTimer]) -> None:
    """The plans of these visits' reminders may have changed, or one of them is due."""
    await remind(work, [one.subject_id for one in due])


async def on_slot_free(work: Work, due: DueTimer) -> None:
    """A time became free, or nobody took it who was offered it."""
    await offer_slot(work, due.subject_id)


async def on_offer_due(work: Work, due: DueTimer) -> None:
    """The time to answer an offer is over."""
    await offer_due(work, due.subject_id)


async def on_request_due(work: Work, due: DueTimer) -> None:
    """The last time that somebody asked for has passed."""
    await request_due(work, due.subject_id)


def locks(due: DueTimer) -> Sequence[LockKey]:
    """What the functions above change."""
    if due.kind == HOLD_EXPIRY:
        return hold_lock(due.subject_id)
    if due.kind == REQUEST_EXPIRY:
        return request_lock(due.subject_id)
    if due.kind in (OFFER_SLOT, OFFER_EXPIRY):
        return waitlist_lock()
    return visit_lock(due.subject_id)


TIMERS = Timers(
    {
        NO_SHOW: on_no_show_due,
        HOLD_EXPIRY: on_hold_due,
        WAIT_ALARM: on_wait_alarm,
        OFFER_SLOT: on_slot_free,
        OFFER_EXPIRY: on_offer_due,
        REQUEST_EXPIRY: on_request_due,
    },
    locks,
    {REMIND: on_remind},
)
