"""The chart packet of a visit: what staff look at before the patient comes in, on one page or two.

Made from what the service has heard (ids, codes, times, amounts) and from names that are fetched
only when it is printed. `missing` says what somebody still has to get; a packet is made all the
same, and made again when more is heard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

from services.documents.domain.classification import DocumentClass


class Verdict(StrEnum):
    """What is known of the cover of a visit."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNVERIFIED = "unverified"
    SELF_PAY = "self_pay"


@dataclass(frozen=True, slots=True)
class Visit:
    """The visit as it stands now."""

    appointment_id: UUID
    starts_at: datetime
    ends_at: datetime
    zone: ZoneInfo
    new_patient: bool = False
    walk_in: bool = False


@dataclass(frozen=True, slots=True)
class Cover:
    """The last verdict on the cover, with the code of its reason."""

    verdict: Verdict
    reason: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the visit will likely cost. The patient's share holds the copay."""

    fee_cents: int
    patient_cents: int
    copay_cents: int
    currency: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """The last consent of a kind; expires_on is the last day on which it holds."""

    kind: str
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A document that is indexed to the patient or the visit."""

    document_id: UUID
    document_class: DocumentClass
    received_on: date
    page_count: int | None = None
    of_this_visit: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What a packet looks for. Kinds of document that a new patient brings are asked of them only.

    identity_valid: how long a verification of the patient's details holds.
    """

    consents: tuple[str, ...] = ("treatment", "privacy_notice")
    of_everyone: tuple[DocumentClass, ...] = (DocumentClass.IDENTIFICATION,)
    of_the_insured: tuple[DocumentClass, ...] = (DocumentClass.INSURANCE_CARD,)
    of_new_patients: tuple[DocumentClass, ...] = (DocumentClass.HEALTH_HISTORY,)
    identity_valid: timedelta = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Heard:
    """All that the service has heard of a visit and its patient."""

    visit: Visit
    cover: Cover | None = None
    estimate: Estimate | None = None
    identity_verified_at: datetime | None = None
    consents: Sequence[Consent] = ()
    owed_cents: int = 0
    currency: str = "USD"
    filed: Sequence[Filed] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that somebody still has to get, as a code and as a sentence for them."""

    code: str
    text: str


DEFAULT_POLICY = Policy()

_COVER_TEXTS: Mapping[Verdict | None, tuple[str, str]] = MappingProxyType(
    {
        None: ("cover.not_checked", "Cover has not been checked."),
        Verdict.UNVERIFIED: ("cover.unverified", "Cover could not be verified: ask for the card."),
        Verdict.INACTIVE: ("cover.inactive", "Cover is inactive: ask for other cover."),
    }
)


def missing(heard: Heard, policy: Policy = DEFAULT_POLICY) -> tuple[Missing, ...]:
    """What is still to be got before the visit, in the order in which a desk asks for it.

    Codes: ``identity.never_verified``, ``identity.stale``, ``cover.*``, ``estimate.none``,
    ``consent.<kind>``, ``document.<class>``, ``balance.owed``. All are judged as of the day of the
    visit, so the same facts give the same answer whenever they are asked.
    """
    return (
        *_identity(heard, policy),
        *_cover(heard),
        *_consents(heard, policy),
        *_documents(heard, policy),
        *_balance(heard),
    )


def _identity(heard: Heard, policy: Policy) -> list[Missing]:
    verified_at = heard.identity_verified_at
    if verified_at is None:
        return [
            Missing("identity.never_verified", "Verify who the patient is and where they live.")
        ]
    if heard.visit.starts_at - verified_at > policy.identity_valid:
        return [Missing("identity.stale", "Verify the patient's details again.")]
    return []


def _cover(heard: Heard) -> list[Missing]:
    verdict = heard.cover.verdict if heard.cover else None
    found = [Missing(*_COVER_TEXTS[verdict])] if verdict in _COVER_TEXTS else []
    if heard.estimate is None:
        found.append(Missing("estimate.none", "There is no estimate for this visit."))
    return found


def _consents(heard: Heard, policy: Policy) -> list[Missing]:
    day = heard.visit.starts_at.astimezone(heard.visit.zone).date()
    held = {c.kind for c in heard.consents if c.expires_on is None or c.expires_on >= day}
    return [
        Missing(f"consent.{kind}", f"Ask for the consent: {in_words(kind)}.")
        for kind in policy.consents
        if kind not in held
    ]


def _documents(heard: Heard, policy: Policy) -> list[Missing]:
    wanted = list(policy.of_everyone)
    if heard.cover is None or heard.cover.verdict is not Verdict.SELF_PAY:
        wanted += policy.of_the_insured
    if heard.visit.new_patient:
        wanted += policy.of_new_patients
    there = {each.document_class for each in heard.filed}
    return [
        Missing(f"document.{kind.value}", f"Scan and file: {in_words(kind.value)}.")
        for kind in wanted
        if kind not in there
    ]


def _balance(heard: Heard) -> list[Missing]:
    if heard.owed_cents <= 0:
        return []
    return [Missing("balance.owed", "Talk about the balance that is owed.")]


def in_words(code: str) -> str:
    """A code as words: ``insurance_card`` becomes ``insurance card``."""
    return code.replace("_", " ").replace(".", ": ")
