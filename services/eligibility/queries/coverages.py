"""Reading payers and coverages."""

from typing import cast
from uuid import UUID

from services.eligibility.domain.coverage import Coverage as CoverageRule
from services.eligibility.domain.coverage import Order
from services.eligibility.tables import Coverage, KnownPatient, Payer, SelfPayMark
from shared.db.work import Work
from shared.values.errors import NotFound, NotYetHeard

LIMIT = 500
COVERAGES_OF = """patient_id = $2
ORDER BY array_position('{primary,secondary,tertiary}'::text[], place), effective_from, id"""
"""From the first to pay to the last, those that ended too."""
MARKS_OF = "patient_id = $2 ORDER BY marked_at, id"
"""What a patient said of paying themselves; the last word stands."""


async def payers(work: Work) -> list[Payer]:
    """The payers of the network, by name."""
    return await work.load_where(Payer, f"true ORDER BY name, id LIMIT {LIMIT}")


async def payer(work: Work, payer_id: UUID) -> Payer:
    """A payer of the network. Raises NotFound."""
    row = await work.load(Payer, payer_id)
    if row is None:
        raise NotFound("payer.not_found", "There is no such payer.")
    return row


async def coverage(work: Work, coverage_id: UUID) -> Coverage:
    """A coverage of the network. Raises NotFound."""
    row = await work.load(Coverage, coverage_id)
    if row is None:
        raise NotFound("coverage.not_found", "There is no such coverage.")
    return row


async def coverages_of(work: Work, patient_id: UUID) -> list[Coverage]:
    """The coverages of a patient, those that ended too, from the first to pay to the last."""
    return await work.load_where(Coverage, COVERAGES_OF, patient_id)


def rule_of(row: Coverage) -> CoverageRule:
    """A coverage as the rules know it."""
    return CoverageRule(row.id, cast("Order", row.place), row.effective_from, row.effective_to)


async def known_patient(work: Work, patient_id: UUID) -> KnownPatient:
    """A patient whom this service has heard of. Raises NotYetHeard."""
    rows = await work.load_where(KnownPatient, "patient_id = $2", patient_id)
    if not rows:
        raise NotYetHeard("patient.not_found", "There is no such patient.")
    return rows[0]


async def self_pay_marks(work: Work, patient_id: UUID) -> dict[UUID | None, bool]:
    """What the patient said last of paying themselves: for each visit, and for all (None)."""
    marks = await work.load_where(SelfPayMark, MARKS_OF, patient_id)
    return {mark.appointment_id: mark.self_pay for mark in marks}
