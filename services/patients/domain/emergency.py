"""Break-glass: how long it opens a record, and who looks at it afterwards.

45 CFR 164.312(a)(2)(ii), emergency access procedure; the review is 164.308(a)(1)(ii)(D).
"""

from datetime import datetime, timedelta
from enum import StrEnum

from shared.values.errors import Conflict, Forbidden

OPEN_FOR = timedelta(minutes=60)
REVIEW_WITHIN = timedelta(hours=72)


class Reason(StrEnum):
    """Why the glass was broken."""

    EMERGENCY_TREATMENT = "emergency_treatment"
    PATIENT_UNABLE = "patient_unable"
    PUBLIC_HEALTH = "public_health"
    OTHER = "other"


class Finding(StrEnum):
    """What the review found."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"


def expires_at(opened_at: datetime) -> datetime:
    """The instant from which on it opens nothing any more."""
    return opened_at + OPEN_FOR


def is_open(opened_at: datetime, now: datetime) -> bool:
    """Whether it still opens the record."""
    return now < expires_at(opened_at)


def is_overdue(opened_at: datetime, reviewed_at: datetime | None, now: datetime) -> bool:
    """Whether its review should have been by now."""
    return reviewed_at is None and now > opened_at + REVIEW_WITHIN


def decide_review(person: str, reviewer: str, reviewed_at: datetime | None) -> None:
    """Raise Forbidden ``emergency_access.own_review`` for one's own, Conflict
    ``emergency_access.already_reviewed`` for one that was looked at."""
    if person == reviewer:
        raise Forbidden("emergency_access.own_review", "Somebody else has to look at this.")
    if reviewed_at is not None:
        raise Conflict("emergency_access.already_reviewed", "It was reviewed before.")
