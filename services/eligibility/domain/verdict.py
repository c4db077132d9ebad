"""The verdict on a visit's cover.

    no coverage in force on the day, or the patient chose to pay ........ self_pay
    the payer says inactive, on the visit's day .......................... inactive
    the payer says active, and its dates hold the visit's day ............ active
    all else: silence, refusal, a bad answer, another day ................ unverified

Only a payer's own readable word about this person and this day makes a visit inactive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from services.eligibility.domain.answers import BadResponse, NoAnswer, Outcome, Rejected, Verified
from services.eligibility.domain.coverage import Coverage, applicable
from services.eligibility.domain.standing import Bounds

Status = Literal["active", "inactive", "unverified", "self_pay"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """status, why (a stable code), and the coverage that it is about, if any."""

    status: Status
    reason: str
    coverage_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A check of one coverage: which day it asked about, and what came of it (None: not yet)."""

    coverage_id: UUID
    asked_on: date
    outcome: Outcome | None


def visit_verdict(
    visit_on: date,
    coverages: Sequence[Coverage],
    check: Check | None,
    *,
    patient_pays: bool = False,
) -> Verdict:
    """The verdict on a visit.

    visit_on: the day of the visit where the clinic is. coverages: all of the patient.
    check: the latest one. patient_pays: the patient asked to leave the cover out.
    """
    if patient_pays:
        return Verdict("self_pay", "patient.pays")
    coverage = applicable(coverages, visit_on)
    if coverage is None:
        return Verdict("self_pay", "coverage.not_in_force" if coverages else "coverage.none")
    status, reason = _of_check(visit_on, coverage, check)
    return Verdict(status, reason, coverage.id)


def _of_check(visit_on: date, coverage: Coverage, check: Check | None) -> tuple[Status, str]:
    if check is None or check.outcome is None:
        return "unverified", "check.pending"
    if check.coverage_id != coverage.id:
        return "unverified", "check.other_coverage"
    if check.asked_on != visit_on:
        return "unverified", "check.other_date"
    return _of_outcome(visit_on, check.outcome)


def _of_outcome(visit_on: date, outcome: Outcome) -> tuple[Status, str]:
    match outcome:
        case NoAnswer(reason=reason):
            return "unverified", f"payer.{reason}"
        case BadResponse():
            return "unverified", "payer.bad_response"
        case Rejected(reason=reason):
            return "unverified", reason
        case Verified(status="inactive"):
            return "inactive", "payer.inactive"
        case Verified():
            if Bounds(outcome.starts_on, outcome.ends_on).hold(visit_on):
                return "active", "payer.active"
            # The payer calls it active and names other days: it contradicts itself.
            return "unverified", "plan.not_in_force"
