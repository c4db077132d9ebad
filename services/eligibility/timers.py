"""What eligibility does by the clock: nothing waits for a time, but for a lock."""

from collections.abc import Sequence

from services.eligibility.commands.asking import patient_lock
from services.eligibility.commands.reckoning import RECKON, reckon
from shared.db.locks import LockKey
from shared.db.timers import DueTimer, Timers
from shared.db.work import Work


async def on_reckon(work: Work, due: DueTimer) -> None:
    """News about a clinic, a kind of visit or a price touched this patient's visits."""
    await reckon(work, due.subject_id)


def locks(due: DueTimer) -> Sequence[LockKey]:
    """What the function above changes."""
    return patient_lock(due.subject_id)


TIMERS = Timers({RECKON: on_reckon}, locks)
