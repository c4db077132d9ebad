"""Reading the log of visitors."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments.tables import Visitor
from shared.db.work import Work


async def list_visitors(
    work: Work,
    clinic_id: UUID,
    bounds: tuple[datetime, datetime] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Visitor]:
    """Visitors of a clinic in the order (came_at, id), at most `limit`, after a position."""
    texts, arguments = ["clinic_id = $2"], list[Any]([clinic_id])
    if bounds is not None:
        texts.append("came_at >= $3 AND came_at < $4")
        arguments += bounds
    if after is not None:
        at = len(arguments) + 2
        texts.append(f"(came_at, id) > (${at}, ${at + 1})")
        arguments += after
    where = f"{' AND '.join(texts)} ORDER BY came_at, id LIMIT ${len(arguments) + 2}"
    return await work.load_where(Visitor, where, *arguments, limit)
