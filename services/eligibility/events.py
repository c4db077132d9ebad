"""What eligibility says: from rows and facts to contract events, pure."""

from typing import Any, cast
from uuid import UUID

from services.eligibility.tables import Coverage, EstimateRevision, VisitCover
from shared.contracts.eligibility import (
    CoverageAdded,
    CoverageChanged,
    EligibilityFailed,
    EligibilityVerified,
    EstimateCreated,
)


def coverage_added(row: Coverage) -> CoverageAdded:
    """A coverage was entered."""
    return CoverageAdded(**_coverage(row))


def coverage_changed(row: Coverage) -> CoverageChanged:
    """A coverage changed or ended."""
    return CoverageChanged(**_coverage(row))


def _coverage(row: Coverage) -> dict[str, Any]:
    return {
        "coverage_id": row.id,
        "patient_id": row.patient_id,
        "payer_id": row.payer_id,
        "order": row.place,
        "effective_from": row.effective_from,
        "effective_to": row.effective_to,
    }


def cover_decided(row: VisitCover) -> EligibilityVerified | EligibilityFailed:
    """The verdict on a visit's cover."""
    facts: dict[str, Any] = {
        "appointment_id": row.appointment_id,
        "patient_id": row.patient_id,
        "reason": row.reason,
        "coverage_id": row.coverage_id,
        "check_id": row.check_id,
        "decided_at": row.decided_at,
    }
    if row.verdict == "unverified":
        return EligibilityFailed(**facts)
    return EligibilityVerified(verdict=cast("Any", row.verdict), **facts)


def estimate_created(patient_id: UUID, row: EstimateRevision) -> EstimateCreated:
    """What a visit will likely cost the patient."""
    return EstimateCreated(
        estimate_id=row.id,
        appointment_id=row.appointment_id,
        patient_id=patient_id,
        fee_cents=row.fee_cents,
        patient_cents=row.patient_cents,
        copay_cents=row.copay_cents,
        currency=row.currency,
        certain=row.low_cents == row.high_cents,
        created_at=row.created_at,
    )
