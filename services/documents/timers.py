"""What documents does by the clock."""

from collections.abc import Sequence

from services.documents.commands.packets import CHART_PACKET, assemble_if_due, visit_lock
from shared.db.locks import LockKey
from shared.db.timers import DueTimer, Timers
from shared.db.work import Work


async def on_chart_packet(work: Work, due: DueTimer) -> None:
    """The packet of a visit is due."""
    await assemble_if_due(work, due.subject_id)


def locks(due: DueTimer) -> Sequence[LockKey]:
    """What the function above changes."""
    return visit_lock(due.subject_id)


TIMERS = Timers({CHART_PACKET: on_chart_packet}, locks)
