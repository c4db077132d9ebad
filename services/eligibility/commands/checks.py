"""Checks: asked for by hand, sent, and what came of them."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.eligibility.commands.asking import ask
from services.eligibility.commands.reckoning import reckon
from services.eligibility.domain.answers import BadResponse, NoAnswer, Outcome, Rejected, Verified
from services.eligibility.domain.benefits import Benefit
from services.eligibility.domain.response_271 import read_271
from services.eligibility.domain.sentence import sentence
from services.eligibility.queries.checks import check, is_open
from services.eligibility.queries.coverages import coverage
from services.eligibility.queries.visits import visit
from services.eligibility.tables import Check, KnownClinic
from shared.db.work import Work
from shared.values.errors import Conflict, Invalid, NotFound, NotYetHeard
from shared.values.zones import zone
from shared.x12 import parse


@dataclass(frozen=True, slots=True)
class Answer:
    """What an exchange with a payer brought: bytes, if any, and what they are judged to be."""

    received: bytes | None
    outcome: Outcome


async def request_check(
    work: Work, coverage_id: UUID, appointment_id: UUID | None, on: date | None
) -> Check:
    """Ask about a coverage now, for a visit, or on a day; today where neither is named.

    Needs the patient's lock. Raises NotFound, NotYetHeard for an unknown visit, Conflict
    ``visit.not_open`` for one that was called off, Invalid ``check.date`` for another day than the
    visit's.
    """
    row = await coverage(work, coverage_id)
    if appointment_id is not None:
        day = await _day_of_visit(work, row.patient_id, appointment_id)
        if on not in (None, day):
            raise Invalid("check.date", "The visit is on another day.", pointer="/service_date")
        on = day
    return await ask(work, row, on or await _today(work), appointment_id, work.now)


async def _day_of_visit(work: Work, patient_id: UUID, appointment_id: UUID) -> date:
    row = await visit(work, appointment_id)
    if row.patient_id != patient_id:
        raise NotFound("visit.not_found", "There is no such visit.")
    if row.state != "booked":
        raise Conflict("visit.not_open", "The visit does not take place.")
    places = await work.load_where(KnownClinic, "clinic_id = $2", row.clinic_id)
    if not places:
        raise NotYetHeard("clinic.not_found", "There is no such clinic.")
    return row.starts_at.astimezone(zone(places[0].time_zone)).date()


async def _today(work: Work) -> date:
    """The earliest day that any clinic of the network has now: a payer refuses days to come."""
    places = await work.load_where(KnownClinic, "true")
    days = (work.now.astimezone(zone(place.time_zone)).date() for place in places)
    return min(days, default=work.now.date())


async def note_sent(work: Work, check_id: UUID) -> bytes:
    """A check goes out now: the bytes of its 270."""
    row = await check(work, check_id)
    if row.state == "queued":
        row.state = "sent"
    row.sent_at = work.now
    work.save(row)
    return row.request


async def take_answer(work: Work, check_id: UUID, answer: Answer) -> None:
    """Keep what came of a check, and say what it changes. Needs the patient's lock.

    An answer that comes after a newer check was answered is kept and decides nothing.
    """
    row = await check(work, check_id)
    if not is_open(row):
        return
    _keep(row, answer.outcome)
    if answer.received is not None:
        row.response, row.answered_at = answer.received, work.now
    if row.state in {"verified", "rejected"} and answer.received is not None:
        row.sentence = sentence(read_271(parse(answer.received)), on=row.service_date)
    if row.state == "bad_response":
        # It may be about somebody else: the privacy officer finds it in the audit.
        work.audit(
            "hold_answer",
            f"/v1/checks/{row.id}",
            patients=[row.patient_id],
            outcome="held",
            detail={"fault": row.fault},
        )
    work.save(row)
    await reckon(work, row.patient_id, row.service_date, alone=True)


def _keep(row: Check, outcome: Outcome) -> None:
    match outcome:
        case Verified():
            row.state, row.reason = "verified", f"payer.{outcome.status}"
            row.benefits = _benefits(outcome)
        case Rejected():
            row.state, row.reason = "rejected", outcome.reason
            row.refusal = {
                "level": outcome.level,
                "code": outcome.code,
                "follow_up": outcome.follow_up,
                "action": outcome.action,
            }
        case BadResponse():
            row.state, row.reason, row.fault = "bad_response", "payer.bad_response", outcome.reason
        case NoAnswer():
            row.state, row.fault = "no_answer", outcome.reason
            row.reason = f"payer.{outcome.reason}"


def _benefits(found: Verified) -> dict[str, Any]:
    return {
        "status": found.status,
        "plan": found.plan,
        "starts_on": _text(found.starts_on),
        "ends_on": _text(found.ends_on),
        "copay_in_cents": found.copay_in_cents,
        "copay_out_cents": found.copay_out_cents,
        "lines": [_line(line) for line in found.benefits.lines],
    }


def _line(line: Benefit) -> dict[str, Any]:
    """A line as it is shown. `index` is what an estimate names as `eb:<index>`."""
    return {
        "index": line.index,
        "code": line.code,
        "level": line.level,
        "service_types": list(line.service_types),
        "plan": line.plan,
        "period": line.period,
        "amount_cents": line.amount_cents,
        "percent": _text(line.percent),
        "authorization": line.authorization,
        "network": line.network,
        "messages": list(line.messages),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
