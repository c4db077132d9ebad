"""Reading visits, the verdicts on their cover, and their estimates."""

from uuid import UUID

from services.eligibility.tables import Estimate, EstimateRevision, KnownVisit, VisitCover
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotYetHeard


async def visit(work: Work, appointment_id: UUID) -> KnownVisit:
    """A visit of the network and of the caller's clinics. Raises NotYetHeard."""
    rows = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    if not rows or not at_clinic(work.actor, rows[0].clinic_id):
        raise NotYetHeard("visit.not_found", "There is no such visit.")
    return rows[0]


async def cover_of(work: Work, appointment_id: UUID) -> VisitCover | None:
    """The verdict on a visit's cover, None before there is one."""
    rows = await work.load_where(VisitCover, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None


async def estimate_of(work: Work, appointment_id: UUID) -> tuple[Estimate, EstimateRevision] | None:
    """The estimate of a visit and the revision that counts, None before there is one."""
    rows = await work.load_where(Estimate, "appointment_id = $2", appointment_id)
    if not rows:
        return None
    where = "appointment_id = $2 AND revision = $3"
    found = await work.load_where(EstimateRevision, where, appointment_id, rows[0].revision)
    return rows[0], found[0]
