"""The estimate of a visit: a new revision where it comes out different."""

from dataclasses import asdict
from typing import Any, cast

from services.eligibility import events
from services.eligibility.domain.estimate import Estimate as EstimateRule
from services.eligibility.domain.estimate import Service, estimate
from services.eligibility.domain.verdict import Verdict
from services.eligibility.queries.checks import benefits_of
from services.eligibility.queries.standing import Facts, OpenVisit
from services.eligibility.tables import Estimate, EstimateRevision, KnownFee, VisitCover
from shared.db.work import Work


def estimate_visit(work: Work, facts: Facts, visit: OpenVisit, cover: VisitCover) -> None:
    """Estimate a visit by the verdict that stands, where its price is known. Past ones keep theirs
    unless the verdict changed."""
    fee = facts.fee(visit)
    now = facts.revisions.get(visit.row.appointment_id)
    if fee is None:
        return
    verdict = Verdict(cast("Any", cover.verdict), cover.reason, cover.coverage_id)
    if visit.past and now is not None and _rests_on(now, cover):
        return
    answer = next((check for check in facts.checks if check.id == cover.check_id), None)
    benefits = benefits_of(answer) if cover.verdict == "active" and answer is not None else None
    service = Service(fee.service_code, str(fee.fee_id), fee.amount_cents)
    found = estimate(verdict, [service], benefits, on=visit.on)
    made = _revision(work, facts, cover, fee, found)
    if now is None or _figures(now) != _figures(made):
        _say(work, facts, made, cover)


def _rests_on(revision: EstimateRevision, cover: VisitCover) -> bool:
    return (revision.verdict, revision.verdict_reason) == (cover.verdict, cover.reason)


def _revision(
    work: Work, facts: Facts, cover: VisitCover, fee: KnownFee, found: EstimateRule
) -> EstimateRevision:
    """The next revision of a visit's estimate."""
    held = facts.estimates.get(cover.appointment_id)
    number = (held.revision if held else 0) + 1
    return EstimateRevision(
        network_id=work.network_id,
        appointment_id=cover.appointment_id,
        revision=number,
        id=work.new_id(f"estimate/{cover.appointment_id}/{number}"),
        service_code=fee.service_code,
        fee_id=fee.fee_id,
        check_id=cover.check_id,
        verdict=cover.verdict,
        verdict_reason=cover.reason,
        currency=fee.currency,
        fee_cents=found.fee_cents,
        patient_cents=found.patient_cents,
        copay_cents=found.copay_cents,
        low_cents=found.low_cents,
        high_cents=found.high_cents,
        lines=[{**asdict(line), "sources": list(line.sources)} for line in found.lines],
        reasons=list(found.reasons),
        created_at=work.now,
    )


def _figures(row: EstimateRevision) -> tuple[Any, ...]:
    """What makes two revisions different to who reads them."""
    return (
        row.service_code,
        row.fee_id,
        row.verdict,
        row.verdict_reason,
        row.currency,
        row.low_cents,
        row.high_cents,
        row.lines,
        row.reasons,
    )


def _say(work: Work, facts: Facts, made: EstimateRevision, cover: VisitCover) -> None:
    held = facts.estimates.get(cover.appointment_id)
    if held is None:
        held = Estimate(
            network_id=work.network_id,
            appointment_id=cover.appointment_id,
            patient_id=cover.patient_id,
        )
        work.add(held)
    else:
        work.save(held)
    held.revision = made.revision
    work.add(made)
    work.say(events.estimate_created(cover.patient_id, made), of=held)
