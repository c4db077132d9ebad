"""Reading who broke the glass."""

from datetime import datetime
from uuid import UUID

from services.patients.tables import EmergencyAccess
from shared.db.work import Work
from shared.values.errors import NotFound

Position = tuple[datetime, UUID]


async def access(work: Work, access_id: UUID) -> EmergencyAccess:
    """One emergency access. Raises NotFound."""
    row = await work.load(EmergencyAccess, access_id)
    if row is None:
        raise NotFound("emergency_access.not_found", "There is no such emergency access.")
    return row


async def accesses(
    work: Work, reviewed: bool | None, after: Position | None, limit: int
) -> list[EmergencyAccess]:
    """Those that were reviewed or were not, or all, the oldest first, after a position."""
    where, arguments = ["true"], list[object]()
    if reviewed is not None:
        where.append(f"reviewed_at IS {'NOT ' if reviewed else ''}NULL")
    if after is not None:
        where.append("(opened_at, id) > ($2, $3)")
        arguments.extend(after)
    condition = f"{' AND '.join(where)} ORDER BY opened_at, id LIMIT {int(limit)}"
    return await work.load_where(EmergencyAccess, condition, *arguments)
