"""Whether a 271 answers a 270, and what it then says.

Whatever is not surely about the person asked for shows nothing: a `BadResponse` carries a reason
and a place, never a part of the answer.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.eligibility.domain.benefits import Benefits, Rejection
from services.eligibility.domain.codes import (
    CANNOT_PROCESS,
    CONTACT_PAYER,
    COPAY,
    OFFICE_VISIT,
    PLAN,
)
from services.eligibility.domain.names import same_first_name, same_last_name, same_member
from services.eligibility.domain.question import Identity, Question
from services.eligibility.domain.rejections import Action, may_retry, meaning
from services.eligibility.domain.response_271 import read_271
from services.eligibility.domain.selection import amounts, best
from services.eligibility.domain.standing import standing
from shared.x12 import X12Error, parse

TRACE_OF_ASKER = "2"


@dataclass(frozen=True, slots=True)
class Verified:
    """The payer says whether the cover is active.

    starts_on, ends_on: the plan's days, both included. copay_in_cents, copay_out_cents: for the
    services asked about, in and out of network; None where none or several are stated.
    """

    status: Literal["active", "inactive"]
    plan: str
    starts_on: date | None
    ends_on: date | None
    copay_in_cents: int | None
    copay_out_cents: int | None
    benefits: Benefits


@dataclass(frozen=True, slots=True)
class Rejected:
    """The payer refuses to answer.

    code: AAA03, or EB01 ``U`` or ``V``. reason: our stable code. action: what to do about it.
    retry: whether the same request may be sent again by itself.
    """

    level: str
    code: str
    follow_up: str
    reason: str
    action: Action
    retry: bool


@dataclass(frozen=True, slots=True)
class BadResponse:
    """An answer that is held back. reason: a code, see `judge`. segment: where, ISA being 1."""

    reason: str
    segment: int | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came. reason: ``no_answer``, ``unreachable`` and so on, from the payer client."""

    reason: str


Outcome = Verified | Rejected | BadResponse | NoAnswer


def judge(question: Question, answer: bytes) -> Verified | Rejected | BadResponse:
    """Read the payer's bytes and decide.

    Reasons of a BadResponse: every code of the reader (``x12.*``, ``answer.*``), ``no_trace``,
    ``wrong_trace``, ``other_person`` (tell the privacy officer), ``person_unconfirmed``,
    ``contradictory``, ``no_status``.
    """
    try:
        benefits = read_271(parse(answer))
    except X12Error as error:
        return BadResponse(error.code, error.segment)
    return judge_benefits(question, benefits)


def judge_benefits(question: Question, benefits: Benefits) -> Verified | Rejected | BadResponse:
    """Decide on an answer that could be read; see `judge`."""
    refusals = [found for found in benefits.rejections if found.level != "benefit"]
    if not refusals and not benefits.lines:
        refusals = list(benefits.rejections)
    fault = _trace_fault(question, benefits, rejected=bool(refusals)) or _person_fault(
        question, benefits, rejected=bool(refusals)
    )
    if fault:
        return BadResponse(fault)
    if refusals:
        return _rejected(refusals)
    return _verified(question, benefits)


def _trace_fault(question: Question, benefits: Benefits, *, rejected: bool) -> str | None:
    """Our trace must come back (TRN01 is 2). A refusal above the person may have BHT03 alone."""
    ours = [trace for trace in benefits.traces if trace.kind == TRACE_OF_ASKER]
    if not ours:
        returned = rejected and benefits.reference == question.reference != ""
        return None if returned else "no_trace"
    for trace in ours:
        same_giver = not trace.originator or trace.originator == question.originator
        if trace.number == question.trace and same_giver:
            return None
    return "wrong_trace"


def _person_fault(question: Question, benefits: Benefits, *, rejected: bool) -> str | None:
    """Whatever both sides say of the person must agree, and they must agree on enough of it."""
    subscriber, patient = benefits.subscriber, benefits.patient
    if subscriber is None or patient is None:
        return None if rejected else "person_unconfirmed"
    if _differs(question.patient, patient):
        return "other_person"
    # A payer may answer for a dependent at the subscriber's level, under an id of their own.
    promoted = question.dependent is not None and benefits.dependent is None
    if not promoted and _differs(question.subscriber, subscriber):
        return "other_person"
    if rejected or _confirmed(question, benefits, patient):
        return None
    return "person_unconfirmed"


def _differs(asked: Identity, answered: Identity) -> bool:
    pairs = (
        (asked.last_name, answered.last_name, same_last_name),
        (asked.first_name, answered.first_name, same_first_name),
        (asked.member_id, answered.member_id, same_member),
    )
    if any(one and other and not same(one, other) for one, other, same in pairs):
        return True
    both = asked.birth_date and answered.birth_date
    return bool(both and asked.birth_date != answered.birth_date)


def _confirmed(question: Question, benefits: Benefits, patient: Identity) -> bool:
    """Agreement on name and birth date, or on a member id.

    A family shares a member id, so for a dependent the payer must also name a dependent.
    """
    asked = question.patient
    if asked.last_name and patient.last_name and asked.birth_date and patient.birth_date:
        return True
    if question.dependent is None:
        return bool(asked.member_id and patient.member_id)
    shared = benefits.subscriber is not None and bool(benefits.subscriber.member_id)
    return shared and benefits.dependent is not None and bool(patient.first_name)


def _rejected(refusals: list[Rejection]) -> Rejected:
    """The refusal closest to the person; it tells the desk most."""
    order = ("dependent", "subscriber", "receiver", "source", "benefit")
    first = min(refusals, key=lambda found: order.index(found.level))
    known = meaning(first.code)
    return Rejected(
        level=first.level,
        code=first.code,
        follow_up=first.follow_up,
        reason=known.reason,
        action=known.action,
        retry=may_retry(first.code, first.follow_up),
    )


def _verified(question: Question, benefits: Benefits) -> Verified | Rejected | BadResponse:
    found = standing(benefits, question.service_types, question.service_date)
    if found.kind == "contradictory":
        return BadResponse("contradictory")
    if found.kind == "unstated":
        return BadResponse("no_status")
    if found.kind == "ask_payer":
        refused = next(
            line.code for line in benefits.lines if line.code in {CONTACT_PAYER, CANNOT_PROCESS}
        )
        return Rejected("benefit", refused, "", "payer.contact", "ask_payer", retry=False)
    return Verified(
        status=found.kind,
        plan=found.plan,
        starts_on=found.bounds.start,
        ends_on=found.bounds.end,
        copay_in_cents=_copay(question, benefits, in_network=True),
        copay_out_cents=_copay(question, benefits, in_network=False),
        benefits=benefits,
    )


def _copay(question: Question, benefits: Benefits, *, in_network: bool) -> int | None:
    specific = tuple(code for code in question.service_types if code != PLAN) or (OFFICE_VISIT,)
    wanted = (*specific, PLAN)
    stated = amounts(best(benefits.lines, {COPAY}, wanted, in_network=in_network))
    return stated[0] if len(stated) == 1 else None
