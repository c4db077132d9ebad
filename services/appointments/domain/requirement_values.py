"""What check-in asks for, as values: policy, facts, and how each requirement stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class State(StrEnum):
    """How a requirement stands."""

    OPEN = "open"
    MET = "met"
    WAIVED = "waived"


class Verdict(StrEnum):
    """What eligibility says of the cover for one visit."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNVERIFIED = "unverified"
    SELF_PAY = "self_pay"


class Closer(StrEnum):
    """Who can close an open requirement: a role, or the patient themselves."""

    FRONT_DESK = "front_desk"
    BILLER = "biller"
    PATIENT = "patient"


DESK = (Closer.FRONT_DESK,)
DESK_OR_BILLER = (Closer.FRONT_DESK, Closer.BILLER)
PATIENT_AT_DESK = (Closer.PATIENT, Closer.FRONT_DESK)


@dataclass(frozen=True, slots=True)
class Item:
    """One requirement: `identity`, `identity_document`, `demographics.<field>`, `cover`,
    `authorization`, `consent.<kind>`, `form.<code>`, `copay` or `balance`.

    why: a code. closers: who can close it; empty unless it is open.
    """

    code: str
    state: State
    why: str
    closers: tuple[Closer, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentAsked:
    """A consent that a visit needs. text_version None takes any version."""

    kind: str
    text_version: str | None = None


@dataclass(frozen=True, slots=True)
class ConsentHeld:
    """A consent that was given. expires_on: the last local day on which it holds."""

    kind: str
    text_version: str
    granted_at: datetime
    expires_on: date | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FieldAsked:
    """A field of the demographics that has to have been gone through lately."""

    field: str
    valid: timedelta


@dataclass(frozen=True, slots=True)
class Authorization:
    """A payer's word on one visit. valid_from, valid_until: local days, both included."""

    state: str
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What somebody at the desk settled with a word: they saw it, or they waived it."""

    code: str
    waived: bool
    reason: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckInPolicy:
    """What a network or clinic asks for. A kind of requirement is there only where it is asked for.

    identity_valid: how long a verification of demographics holds; None asks for none.
    identity_document_asked: somebody looks at a document at every visit.
    demographics: fields that hold for a time of their own.
    forms: codes of forms that have to be handed in for the visit.
    balance_limit_cents: owing more than this has to be talked about; None never.
    opens_before: how long before the start check-in opens; None any time.
    """

    identity_valid: timedelta | None = timedelta(days=180)
    cover_asked: bool = True
    consents: tuple[ConsentAsked, ...] = (
        ConsentAsked("treatment"),
        ConsentAsked("privacy_notice"),
    )
    balance_limit_cents: int | None = 0
    opens_before: timedelta | None = None
    identity_document_asked: bool = False
    demographics: tuple[FieldAsked, ...] = ()
    forms: tuple[str, ...] = ()
    authorization_asked: bool = False
    copay_asked: bool = False


@dataclass(frozen=True, slots=True)
class CheckInFacts:
    """What the service has heard. verdict None: nothing yet, which is `unverified`.

    field_verified_at: when each field of the demographics was last gone through. forms: codes
    handed in for this visit or for any. copay_cents: None before there is an estimate. settled:
    the word of the desk that counts, at most one a code.
    """

    starts_at: datetime
    zone: ZoneInfo
    identity_verified_at: datetime | None = None
    verdict: Verdict | None = None
    consents: tuple[ConsentHeld, ...] = ()
    owed_cents: int = 0
    field_verified_at: Mapping[str, datetime] = field(default_factory=dict)
    forms: frozenset[str] = frozenset()
    authorization: Authorization | None = None
    copay_cents: int | None = None
    paid_cents: int = 0
    settled: tuple[Settlement, ...] = ()


@dataclass(frozen=True, slots=True)
class Waivers:
    """What the person at the desk settles with a word.

    cover_override_reason: go ahead although the cover could not be verified.
    self_pay_acknowledged: the patient knows that they pay themselves.
    balance_acknowledged: the patient knows what they owe.
    """

    cover_override_reason: str | None = None
    self_pay_acknowledged: bool = False
    balance_acknowledged: bool = False
