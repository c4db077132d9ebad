"""Reading checks, as rows and as the rules know them."""

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
from services.eligibility.tables import Check
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.x12 import parse

OPEN = frozenset({"queued", "sent"})


async def check(work: Work, check_id: UUID) -> Check:
    """A check of the network. Raises NotFound."""
    row = await work.load(Check, check_id)
    if row is None:
        raise NotFound("check.not_found", "There is no such check.")
    return row


def benefits_of(row: Check) -> Benefits:
    """What the kept answer of a verified check says."""
    if row.state != "verified" or row.response is None:
        raise LookupError("only a verified answer is read again")
    return read_271(parse(row.response))


def outcome_of(row: Check) -> Outcome | None:
    """What came of a check; None while it is open."""
    match row.state:
        case "verified":
            benefits, told = benefits_of(row), row.benefits or {}
            return Verified(benefits=benefits, **_facts(told))
        case "rejected":
            told = row.refusal or {}
            return Rejected(**told, reason=row.reason or "", retry=False)  # type: ignore[arg-type]
        case "bad_response":
            return BadResponse(row.fault or "")
        case "no_answer":
            return NoAnswer(row.fault or "")
        case _:
            return None
