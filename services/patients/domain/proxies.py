"""Who may act for a patient, by what authority, in what, and until when.

45 CFR 164.502(g), personal representatives; FHIR R5 RelatedPerson. Which state's age of majority
counts is a policy of the network, for it is law of the states.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.values.errors import Conflict, Invalid
from shared.values.zones import YEAR_MAX, YEAR_MIN

MAJORITY_AGE_DEFAULT = 18
MAJORITY_AGES = range(18, 22)
"""In most states 18; 19 in Alabama and Nebraska, 21 in Mississippi."""


class Authority(StrEnum):
    """By what somebody acts for a patient."""

    PARENT_OR_GUARDIAN = "parent_or_guardian_of_minor"
    HEALTH_CARE_POWER_OF_ATTORNEY = "health_care_power_of_attorney"
    PERSONAL_REPRESENTATIVE = "personal_representative"
    PATIENT_PERMISSION = "patient_permission"


EVIDENCED = frozenset({Authority.HEALTH_CARE_POWER_OF_ATTORNEY, Authority.PERSONAL_REPRESENTATIVE})
"""What rests on a paper, which has to be on file."""


class Power(StrEnum):
    """What somebody may do for a patient: the permissions of the portal."""

    APPOINTMENT_READ = "appointment:read"
    APPOINTMENT_BOOK = "appointment:book"
    VISIT_CHECK_IN = "visit:check_in"
    REMINDER_REPLY = "reminder:reply"
    PATIENT_READ = "patient:read"
    COVERAGE_READ = "coverage:read"
    ESTIMATE_READ = "estimate:read"
    PAYMENT_READ = "payment:read"
    ACCOUNT_READ = "account:read"
    DOCUMENT_READ = "document:read"


class EndReason(StrEnum):
    """Why somebody may not act for a patient any more."""

    ENDED_BY_PATIENT = "ended_by_patient"
    AUTHORITY_ENDED = "authority_ended"
    SAFETY = "safety"
    """It may endanger the patient (45 CFR 164.502(g)(5))."""
    ENTERED_IN_ERROR = "entered_in_error"
    OTHER = "other"
    EXPIRED = "expired"
    AGE_OF_MAJORITY = "age_of_majority"


BY_THE_CLOCK = frozenset({EndReason.EXPIRED, EndReason.AGE_OF_MAJORITY})
"""What nobody says: it comes by itself."""


class State(StrEnum):
    """How an entry stands at an instant."""

    NOT_BEGUN = "not_begun"
    LIVING = "living"
    LAPSED = "lapsed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who is to act for a patient: by their subject at the issuer, or as a patient themselves."""

    subject: str | None
    patient_id: UUID | None
    authority: Authority
    scope: Sequence[Power]
    begins_at: datetime
    until_at: datetime | None = None
    evidence_document_id: UUID | None = None


def majority_at(birth_date: date, age: int, zones: Collection[ZoneInfo]) -> datetime:
    """The instant (UTC) at which somebody comes of age: as soon as their birthday has begun in any
    of the zones. Born on 29 February, it is on 1 March."""
    year = birth_date.year + age
    try:
        day = birth_date.replace(year=year)
    except ValueError:
        day = date(year, 3, 1)
    midnight = datetime.combine(day, time())
    return min(
        (midnight.replace(tzinfo=zone).astimezone(UTC) for zone in zones),
        default=midnight.replace(tzinfo=UTC),
    )


def lapses_at(until_at: datetime | None, majority: datetime | None) -> datetime | None:
    """When an entry ends by itself; None for one that does not."""
    return min((at for at in (until_at, majority) if at is not None), default=None)


def state_at(
    now: datetime, begins_at: datetime, lapses: datetime | None, ended_at: datetime | None
) -> State:
    """How an entry stands. It holds from its beginning to before its lapse."""
    if ended_at is not None:
        return State.ENDED
    if lapses is not None and lapses <= now:
        return State.LAPSED
    return State.LIVING if begins_at <= now else State.NOT_BEGUN


def decide_grant(
    patient_id: UUID, who: Proxy, majority: datetime | None, now: datetime
) -> datetime | None:
    """When the entry will end by itself, for one that may be made.

    majority: when the patient comes of age, for the authority that ends then.
    Raises Invalid: ``proxy.who`` unless one is said of subject and patient; ``proxy.self``;
    ``proxy.scope``; ``proxy.evidence_missing``; ``proxy.of_age``; ``proxy.interval``;
    ``time.range``.
    """
    if (who.subject is None) == (who.patient_id is None):
        title = "Name either a subject or a patient."
        raise Invalid("proxy.who", title, pointer="/proxy_subject")
    if who.patient_id == patient_id:
        raise Invalid("proxy.self", "Nobody is their own proxy.", pointer="/proxy_patient_id")
    if not who.scope or len(set(who.scope)) < len(who.scope):
        raise Invalid("proxy.scope", "Name each power once, and one at least.", pointer="/scope")
    if who.authority in EVIDENCED and who.evidence_document_id is None:
        title = "The paper that it rests on is missing."
        raise Invalid("proxy.evidence_missing", title, pointer="/evidence_document_id")
    for at, name in ((who.begins_at, "begins_at"), (who.until_at, "until_at")):
        if at is not None and not YEAR_MIN <= at.year <= YEAR_MAX:
            raise Invalid("time.range", "The year is out of range.", pointer=f"/{name}")
    if majority is not None and majority <= max(now, who.begins_at):
        raise Invalid("proxy.of_age", "The patient is of age by then.", pointer="/authority")
    lapses = lapses_at(who.until_at, majority)
    if lapses is not None and lapses <= max(now, who.begins_at):
        raise Invalid("proxy.interval", "It ends before it begins.", pointer="/until_at")
    return lapses


def decide_end(ended_at: datetime | None) -> None:
    """Raise Conflict ``proxy.already_ended`` for one that was ended."""
    if ended_at is not None:
        raise Conflict("proxy.already_ended", "This was ended before.")


def why_lapsed(majority: datetime | None, lapses: datetime) -> EndReason:
    """Why an entry ended by itself."""
    return EndReason.AGE_OF_MAJORITY if majority == lapses else EndReason.EXPIRED


def next_lapse(lapses: Iterable[datetime | None]) -> datetime | None:
    """The first instant at which one of some entries ends by itself."""
    return min((at for at in lapses if at is not None), default=None)
