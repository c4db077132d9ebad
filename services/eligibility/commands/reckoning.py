"""Bringing verdicts and estimates up to what is known.

They are worked out from everything that is kept of the patient, never from the piece of news that
came last: so it does not matter in which order the news came.
"""

from datetime import date
from uuid import UUID

from services.eligibility import events
from services.eligibility.commands.asking import ask
from services.eligibility.commands.estimates import estimate_visit
from services.eligibility.domain.coverage import applicable
from services.eligibility.domain.verdict import Check as CheckRule
from services.eligibility.domain.verdict import Verdict, visit_verdict
from services.eligibility.queries.checks import is_open, outcome_of
from services.eligibility.queries.standing import PENDING, Facts, OpenVisit, facts_of
from services.eligibility.tables import Check, KnownVisit, VisitCover
from shared.db.work import Work
from shared.values.errors import Conflict

RECKON = "reckon"
"""The timer for news that came without the lock of the patients whom it touches."""


async def reckon(
    work: Work, patient_id: UUID, around: date | None = None, *, alone: bool = False
) -> None:
    """Ask the payer what must be asked, and say each verdict and estimate that changed.

    Needs the patient's lock. around: a day whose visits are reckoned though it may be over. alone:
    the news is about that day and touches no other, so a patient with dozens of visits to come
    costs no more than one with a single visit.
    """
    await work.flush()
    facts = await facts_of(work, patient_id, around, alone=alone)
    for visit in facts.visits:
        await _ask_where_needed(work, facts, visit)
        verdict, check = _verdict(facts, visit)
        cover = _say_verdict(work, facts, visit, verdict, check)
        if cover is not None and cover.reason != PENDING:
            estimate_visit(work, facts, visit, cover)
    await work.flush()


async def _ask_where_needed(work: Work, facts: Facts, visit: OpenVisit) -> None:
    """Ask about the coverage that applies, unless that was done. Nobody asks about the past by
    themselves once a verdict was given."""
    cover = applicable(facts.rules, visit.on)
    if cover is None or facts.pays(visit.row.appointment_id) or facts.asked(cover.id, visit):
        return
    if visit.past and visit.row.appointment_id in facts.covers:
        return
    row = facts.coverages[cover.id]
    asked = await ask(work, row, visit.on, visit.row.appointment_id, visit.row.placed_at)
    facts.checks.append(asked)


def _verdict(facts: Facts, visit: OpenVisit) -> tuple[Verdict, Check | None]:
    """The verdict by the check that was asked for last of those that have an outcome."""
    cover, pays = applicable(facts.rules, visit.on), facts.pays(visit.row.appointment_id)
    asked = facts.asked(cover.id, visit) if cover is not None and not pays else []
    last = next((check for check in reversed(asked) if not is_open(check)), None)
    rule = CheckRule(last.coverage_id, last.service_date, outcome_of(last)) if last else None
    return visit_verdict(visit.on, facts.rules, rule, patient_pays=pays), last


def _say_verdict(
    work: Work, facts: Facts, visit: OpenVisit, verdict: Verdict, check: Check | None
) -> VisitCover | None:
    """Keep and say a verdict that differs from the last one said; the one that stands now.

    That a check is pending is said only to take back a verdict that no longer holds.
    """
    cover = facts.covers.get(visit.row.appointment_id)
    if verdict.reason == PENDING and (cover is None or visit.past):
        return cover
    found = (verdict.status, verdict.reason, verdict.coverage_id, check.id if check else None)
    if cover is None:
        cover = VisitCover(
            network_id=work.network_id,
            appointment_id=visit.row.appointment_id,
            patient_id=visit.row.patient_id,
            verdict="",
            reason="",
            decided_at=work.now,
        )
        work.add(cover)
    elif found == (cover.verdict, cover.reason, cover.coverage_id, cover.check_id):
        return cover
    else:
        work.save(cover)
    cover.verdict, cover.reason, cover.coverage_id, cover.check_id = found
    cover.decided_at = work.now
    work.say(events.cover_decided(cover), of=cover)
    return cover


async def estimate_again(work: Work, row: KnownVisit) -> None:
    """Reckon the visits of this one's patient. Needs the patient's lock.

    Raises Conflict ``estimate.not_ready`` with what is missing for this one's estimate.
    """
    around = row.starts_at.date()
    await reckon(work, row.patient_id, around)
    facts = await facts_of(work, row.patient_id, around)
    if row.appointment_id in facts.revisions:
        return
    visit = next((v for v in facts.visits if v.row.appointment_id == row.appointment_id), None)
    raise Conflict(
        "estimate.not_ready",
        "Something that the estimate needs is not known yet.",
        facts={"missing": ["clinic"] if visit is None else _missing(facts, visit)},
    )


def _missing(facts: Facts, visit: OpenVisit) -> list[str]:
    cover = facts.covers.get(visit.row.appointment_id)
    missing = [] if cover is not None and cover.reason != PENDING else ["cover"]
    if visit.row.appointment_type_id not in facts.types:
        return [*missing, "service"]
    return missing if facts.fee(visit) is not None else [*missing, "fee"]
