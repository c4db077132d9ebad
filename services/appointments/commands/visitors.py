"""Who is in the building and is no patient: 45 CFR 164.310(a)(2)(iii)."""

from dataclasses import dataclass
from uuid import UUID

from services.appointments.commands.setup import clinic
from services.appointments.tables import Visitor
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Arrival:
    """A visitor at the door."""

    name: str
    purpose: str
    visits: str
    badge: str
    company: str | None = None


async def let_in(work: Work, clinic_id: UUID, arrival: Arrival) -> Visitor:
    """Give a visitor a badge. Raises NotFound; Conflict ``visitor.badge_taken``."""
    await clinic(work, clinic_id)
    where = "clinic_id = $2 AND badge = $3 AND left_at IS NULL"
    if await work.load_where(Visitor, where, clinic_id, arrival.badge):
        raise badge_taken()
    row = Visitor(
        id=work.new_id("visitor"),
        network_id=work.network_id,
        clinic_id=clinic_id,
        name=arrival.name,
        company=arrival.company,
        purpose=arrival.purpose,
        visits=arrival.visits,
        badge=arrival.badge,
        came_at=work.now,
        let_in_by=str(work.actor),
    )
    work.add(row)
    return row


async def let_out(work: Work, visitor_id: UUID) -> Visitor:
    """Take the badge back. Doing so twice changes nothing. Raises NotFound."""
    row = await work.load(Visitor, visitor_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("visitor.not_found", "There is no such visitor.")
    if row.left_at is None:
        row.left_at, row.let_out_by = work.now, str(work.actor)
        work.save(row)
    return row


def badge_taken() -> Conflict:
    """The refusal of a badge that somebody wears; also for a violated constraint."""
    return Conflict("visitor.badge_taken", "Somebody wears this badge.")
