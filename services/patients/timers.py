"""What patients does by the clock."""

from collections.abc import Sequence

from services.patients.commands import proxies
from services.patients.commands.people import patient_lock
from shared.db.locks import LockKey
from shared.db.timers import DueTimer, Timers
from shared.db.work import Work


async def on_lapse(work: Work, due: DueTimer) -> None:
    """Somebody's time to act for a patient is over."""
    await proxies.lapse(work, due.subject_id)


def locks(due: DueTimer) -> Sequence[LockKey]:
    """What the functions above change."""
    return patient_lock(due.subject_id)


TIMERS = Timers({proxies.LAPSE: on_lapse}, locks)
