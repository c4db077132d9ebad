"""Reading checks, as rows and as the rules know them."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.eligibility.domain.answers import (
    BadResponse,
    NoAnswer,
    Outcome,
    Rejected,
    Verified,
)
from services.eligibility.domain.benefits import Benefits
from services.eligibility.domain.response_271 import read_271
from services.eligibility.tables import Check, KnownVisit
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.x12 import parse


async def check(work: Work, check_id: UUID) -> Check:
    """A check of the network; of a visit, at one of the caller's clinics only. Raises NotFound."""
    row = await work.load(Check, check_id)
    if row is None or not await _at_clinic_of(work, row.appointment_id):
        raise NotFound("check.not_found", "There is no such check.")
    return row


async def _at_clinic_of(work: Work, appointment_id: UUID | None) -> bool:
    if appointment_id is None or work.actor.clinic_ids is None:
        return True
    visits = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    return bool(visits) and at_clinic(work.actor, visits[0].clinic_id)


def is_open(row: Check) -> bool:
    """Whether its answer is still waited for."""
    return row.state in {"queued", "sent"}


def benefits_of(row: Check) -> Benefits:
    """What the kept answer of a verified check says. Raises LookupError for any other check."""
    if row.state != "verified" or row.response is None:
        raise LookupError("only a verified answer is read again")
    return _read(row.response)


@lru_cache(maxsize=256)
def _read(response: bytes) -> Benefits:
    # What is read is frozen, and the verdict and the estimate of a visit read the same answer.
    return read_271(parse(response))


def outcome_of(row: Check) -> Outcome | None:
    """What came of a check; None while it is open."""
    if row.state == "verified":
        return _verified(row.benefits or {}, benefits_of(row))
    if row.state == "rejected":
        told: Mapping[str, Any] = row.refusal or {}
        return Rejected(
            level=told["level"],
            code=told["code"],
            follow_up=told["follow_up"],
            reason=row.reason or "",
            action=told["action"],
            retry=False,
        )
    if row.state == "bad_response":
        return BadResponse(row.fault or "")
    return NoAnswer(row.fault or "") if row.state == "no_answer" else None


def _verified(told: Mapping[str, Any], benefits: Benefits) -> Verified:
    """As it was decided when the answer came: what the rules say today does not change it."""
    return Verified(
        status=told["status"],
        plan=told["plan"],
        starts_on=_day(told["starts_on"]),
        ends_on=_day(told["ends_on"]),
        copay_in_cents=told["copay_in_cents"],
        copay_out_cents=told["copay_out_cents"],
        benefits=benefits,
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
