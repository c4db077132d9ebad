"""Consents: one version of a text, from a moment on, perhaps until a day, perhaps taken back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.values.errors import Conflict, Invalid


class ConsentKind(StrEnum):
    """What is consented to."""

    TREATMENT = "treatment"
    PRIVACY_NOTICE = "privacy_notice"
    """Acknowledges the notice of privacy practices (45 CFR 164.520(c)(2)(ii))."""
    BILLING_RELEASE = "billing_release"
    ASSIGNMENT_OF_BENEFITS = "assignment_of_benefits"
    MESSAGES = "messages"
    """Calls and texts by a machine (47 CFR 64.1200)."""


class ConsentState(StrEnum):
    """How a consent stands at an instant."""

    NEVER_GRANTED = "never_granted"
    GRANTED = "granted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    OTHER_VERSION = "other_version"


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that was given. expires_on: the last local day on which it holds."""

    kind: ConsentKind
    text_version: str
    granted_at: datetime
    expires_on: date | None = None
    revoked_at: datetime | None = None


def state_at(
    consents: Iterable[Consent],
    kind: ConsentKind,
    at: datetime,
    zone: ZoneInfo,
    text_version: str | None = None,
) -> ConsentState:
    """How a kind of consent stands at an instant; text_version None takes any version.

    The latest grant counts: once it is revoked, an earlier one does not come back to life.
    """
    given = [consent for consent in consents if consent.kind is kind and consent.granted_at <= at]
    if not given:
        return ConsentState.NEVER_GRANTED
    latest = max(given, key=lambda consent: (consent.granted_at, consent.text_version))
    if latest.revoked_at is not None and latest.revoked_at <= at:
        return ConsentState.REVOKED
    if latest.expires_on is not None and at.astimezone(zone).date() > latest.expires_on:
        return ConsentState.EXPIRED
    if text_version not in (None, latest.text_version):
        return ConsentState.OTHER_VERSION
    return ConsentState.GRANTED


def decide_grant(consent: Consent, now: datetime, zone: ZoneInfo) -> Consent:
    """The consent itself, when it may be recorded.

    Raises Invalid: ``consent.granted_in_future``, ``consent.expires_before_grant``.
    """
    if consent.granted_at > now:
        title = "A consent cannot be given in the future."
        raise Invalid("consent.granted_in_future", title, pointer="/granted_at")
    granted_on = consent.granted_at.astimezone(zone).date()
    if consent.expires_on is not None and consent.expires_on < granted_on:
        title = "A consent cannot expire before it is given."
        raise Invalid("consent.expires_before_grant", title, pointer="/expires_on")
    return consent


def decide_revoke(consent: Consent, now: datetime) -> datetime:
    """When the consent ends: now. What was done under it stays lawful (45 CFR 164.508(b)(5)).

    Raises Conflict ``consent.already_revoked``.
    """
    if consent.revoked_at is not None:
        raise Conflict("consent.already_revoked", "This consent has been taken back already.")
    return now
