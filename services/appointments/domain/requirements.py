"""What check-in asks for: computed from the policy and from what the service has heard.

Each requirement is met, waived (with a word of somebody who may) or open, and says why. Check-in
goes ahead when none is open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.appointments.domain import asked_for
from services.appointments.domain.requirement_values import (
    DESK,
    DESK_OR_BILLER,
    PATIENT_AT_DESK,
    CheckInFacts,
    CheckInPolicy,
    Closer,
    ConsentAsked,
    ConsentHeld,
    Item,
    State,
    Verdict,
    Waivers,
)
from services.appointments.domain.status import Move, Statuses
from shared.values.errors import Conflict, Invalid

__all__ = [
    "CheckIn",
    "CheckInFacts",
    "CheckInPolicy",
    "Closer",
    "ConsentAsked",
    "ConsentHeld",
    "Item",
    "State",
    "Verdict",
    "Waivers",
    "codes",
    "decide_check_in",
    "readiness_move",
    "requirements",
]


@dataclass(frozen=True, slots=True)
class CheckIn:
    """A check-in that may be made. `repeated`: it was made already, and nothing is to change."""

    statuses: Statuses
    items: tuple[Item, ...]
    waived: tuple[str, ...]
    repeated: bool = False


def requirements(
    policy: CheckInPolicy, facts: CheckInFacts, waivers: Waivers, now: datetime
) -> tuple[Item, ...]:
    """Every requirement of a visit and how it stands at `now`.

    Raises Invalid ``override.reason_required`` for a reason that is blank.
    """
    items: list[Item] = []
    if policy.identity_valid is not None:
        items.append(_identity(policy.identity_valid, facts.identity_verified_at, now))
    if policy.identity_document_asked:
        items.append(asked_for.identity_document(facts.settled))
    items += [asked_for.demographics(asked, facts, now) for asked in policy.demographics]
    if policy.cover_asked:
        items.append(_cover(facts.verdict or Verdict.UNVERIFIED, waivers))
    if policy.authorization_asked:
        items.append(asked_for.authorization(facts))
    items += [_consent(asked, facts, now) for asked in policy.consents]
    items += [asked_for.form(code, facts.forms) for code in policy.forms]
    if policy.copay_asked:
        items.append(asked_for.copay(facts.copay_cents, facts.paid_cents))
    if policy.balance_limit_cents is not None:
        items.append(_balance(policy.balance_limit_cents, facts.owed_cents, waivers))
    return tuple(asked_for.waived(item, facts.settled) for item in items)


def decide_check_in(
    statuses: Statuses,
    policy: CheckInPolicy,
    facts: CheckInFacts,
    waivers: Waivers,
    now: datetime,
) -> CheckIn:
    """The check-in of a booked visit. Asking again for one that is made changes nothing.

    Raises IllegalTransition, Conflict ``checkin.too_early`` (facts: opens_at) and
    ``checkin.requirements_open`` (facts: open, the codes), Invalid ``override.reason_required``.
    """
    items = requirements(policy, facts, waivers, now)
    waived = codes(items, State.WAIVED)
    if statuses.already(Move.CHECK_IN):
        return CheckIn(statuses, items, waived, repeated=True)
    after = statuses.moved(Move.CHECK_IN)
    opens_at = facts.starts_at - policy.opens_before if policy.opens_before is not None else now
    if now < opens_at:
        title = "It is too early to check in."
        raise Conflict("checkin.too_early", title, facts={"opens_at": opens_at.isoformat()})
    still_open = codes(items, State.OPEN)
    if still_open:
        title = "Something is to be settled before check-in."
        raise Conflict("checkin.requirements_open", title, facts={"open": list(still_open)})
    return CheckIn(after, items, waived)


def readiness_move(items: Iterable[Item]) -> Move:
    """What the requirements say of the visit's readiness."""
    return Move.FIND_NOT_READY if codes(items, State.OPEN) else Move.FIND_READY


def codes(items: Iterable[Item], state: State) -> tuple[str, ...]:
    """The codes of the requirements in one state, in their order."""
    return tuple(item.code for item in items if item.state is state)


def _identity(valid: timedelta, verified_at: datetime | None, now: datetime) -> Item:
    if verified_at is None:
        return Item("identity", State.OPEN, "never_verified", DESK)
    if now - verified_at > valid:
        return Item("identity", State.OPEN, "stale", DESK)
    return Item("identity", State.MET, "verified")


def _cover(verdict: Verdict, waivers: Waivers) -> Item:
    reason = waivers.cover_override_reason
    if reason is not None and not reason.strip():
        title = "Overriding needs a reason."
        raise Invalid("override.reason_required", title, pointer="/cover_override_reason")
    if verdict in (Verdict.ACTIVE, Verdict.SELF_PAY):
        return Item("cover", State.MET, verdict.value)
    # Unverified may be waved through: the payer may just be silent. Inactive may not: there the
    # patient has to know that the bill is theirs.
    if verdict is Verdict.UNVERIFIED and reason is not None:
        return Item("cover", State.WAIVED, "unverified_overridden")
    if waivers.self_pay_acknowledged:
        return Item("cover", State.WAIVED, "self_pay_acknowledged")
    return Item("cover", State.OPEN, verdict.value, DESK_OR_BILLER)


def _consent(asked: ConsentAsked, facts: CheckInFacts, now: datetime) -> Item:
    """Held at the time of the visit, not only on the day on which the desk looks."""
    why = consent_standing(asked, facts.consents, max(now, facts.starts_at), facts.zone)
    code = f"consent.{asked.kind}"
    if why == "granted":
        return Item(code, State.MET, why)
    return Item(code, State.OPEN, why, PATIENT_AT_DESK)


def consent_standing(
    asked: ConsentAsked, consents: Iterable[ConsentHeld], at: datetime, zone: ZoneInfo
) -> str:
    """How a consent stands at an instant: `granted`, or why not.

    The latest grant counts: once it is revoked, an earlier one does not come back to life. What is
    known to be revoked is revoked now, though the clock here may be behind the one that said when;
    nobody revokes for a later time.
    """
    given = [
        held
        for held in consents
        if held.kind == asked.kind and (held.granted_at <= at or held.revoked_at is not None)
    ]
    latest = max(given, key=lambda held: (held.granted_at, held.text_version), default=None)
    return _consent_stands(asked, latest, at, zone)


def _consent_stands(
    asked: ConsentAsked, held: ConsentHeld | None, at: datetime, zone: ZoneInfo
) -> str:
    if held is None:
        return "never_granted"
    if held.revoked_at is not None:
        return "revoked"
    if held.expires_on is not None and at.astimezone(zone).date() > held.expires_on:
        return "expired"
    if asked.text_version not in (None, held.text_version):
        return "other_version"
    return "granted"


def _balance(limit_cents: int, owed_cents: int, waivers: Waivers) -> Item:
    if owed_cents <= limit_cents:
        return Item("balance", State.MET, "within_limit")
    if waivers.balance_acknowledged:
        return Item("balance", State.WAIVED, "acknowledged")
    return Item("balance", State.OPEN, "owed", DESK_OR_BILLER)
