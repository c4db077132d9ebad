"""Requirements that are there only where a policy asks for them, and the word of the desk."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from services.appointments.domain.requirement_values import (
    DESK,
    DESK_OR_BILLER,
    PATIENT_AT_DESK,
    Authorization,
    CheckInFacts,
    Closer,
    FieldAsked,
    Item,
    Settlement,
    State,
)
from shared.values.errors import Conflict, Invalid

IDENTITY_DOCUMENT = "identity_document"
WAIVABLE = ("cover", "authorization", "copay", "balance", IDENTITY_DOCUMENT)
WAIVABLE_KINDS = ("demographics.", "form.")
"""What may be waived. Who somebody is, and what only they can consent to, may not."""


def identity_document(settled: Iterable[Settlement]) -> Item:
    """Somebody looked at a document at this visit."""
    if any(s.code == IDENTITY_DOCUMENT and not s.waived for s in settled):
        return Item(IDENTITY_DOCUMENT, State.MET, "seen")
    return Item(IDENTITY_DOCUMENT, State.OPEN, "not_seen", DESK)


def demographics(asked: FieldAsked, facts: CheckInFacts, now: datetime) -> Item:
    """A field was gone through with the patient, and not too long ago."""
    code = f"demographics.{asked.field}"
    verified_at = facts.field_verified_at.get(asked.field)
    if verified_at is None:
        return Item(code, State.OPEN, "never_verified", PATIENT_AT_DESK)
    if now - verified_at > asked.valid:
        return Item(code, State.OPEN, "stale", PATIENT_AT_DESK)
    return Item(code, State.MET, "verified")


def form(code: str, submitted: frozenset[str]) -> Item:
    """A form was handed in."""
    if code in submitted:
        return Item(f"form.{code}", State.MET, "submitted")
    return Item(f"form.{code}", State.OPEN, "not_submitted", PATIENT_AT_DESK)


def authorization(facts: CheckInFacts) -> Item:
    """The payer has approved, and the approval holds on the local day of the visit."""
    code, held = "authorization", facts.authorization
    if held is None:
        return Item(code, State.OPEN, "never_heard", (Closer.BILLER,))
    why = _stands(held, facts)
    return (
        Item(code, State.MET, why)
        if why == "approved"
        else Item(code, State.OPEN, why, (Closer.BILLER,))
    )


def _stands(held: Authorization, facts: CheckInFacts) -> str:
    day = facts.starts_at.astimezone(facts.zone).date()
    if held.state != "approved":
        return held.state
    if held.valid_from is not None and day < held.valid_from:
        return "not_yet_valid"
    if held.valid_until is not None and day > held.valid_until:
        return "expired"
    return "approved"


def copay(expected_cents: int | None, paid_cents: int) -> Item:
    """What is expected at the desk was paid for this visit."""
    if expected_cents is None:
        return Item("copay", State.OPEN, "no_estimate", (Closer.BILLER,))
    if expected_cents <= 0:
        return Item("copay", State.MET, "none_due")
    if paid_cents >= expected_cents:
        return Item("copay", State.MET, "paid")
    return Item("copay", State.OPEN, "due", DESK_OR_BILLER)


def waived(item: Item, settled: Iterable[Settlement]) -> Item:
    """The item as the word of the desk leaves it: an open one that was waived is no longer open."""
    words = [s for s in settled if s.code == item.code and s.waived]
    if item.state is not State.OPEN or not words or not may_be_waived(item.code):
        return item
    return replace(item, state=State.WAIVED, why="waived", closers=())


def may_be_waived(code: str) -> bool:
    """Whether a requirement is of a kind that somebody may do without."""
    return code in WAIVABLE or code.startswith(WAIVABLE_KINDS)


def decide_waiver(items: Iterable[Item], code: str, reason: str) -> Item:
    """The open requirement that is waived.

    Raises Invalid ``override.reason_required``; Conflict ``requirement.not_asked`` where the policy
    does not ask for it, ``requirement.not_open``, ``requirement.not_waivable``.
    """
    if not reason.strip():
        title = "To waive something needs a reason."
        raise Invalid("override.reason_required", title, pointer="/reason")
    item = asked(items, code)
    if not may_be_waived(code):
        raise Conflict("requirement.not_waivable", "This cannot be waived.", facts={"code": code})
    if item.state is State.MET:
        raise Conflict("requirement.not_open", "Nothing is open there.", facts={"code": code})
    return item


def decide_verification(items: Iterable[Item], code: str) -> Item:
    """The requirement that somebody at the desk saw with their own eyes.

    Raises Conflict ``requirement.not_asked``, ``requirement.not_by_hand`` for one that another
    service has to speak of.
    """
    item = asked(items, code)
    if code != IDENTITY_DOCUMENT:
        title = "This is closed where it is kept, not by a word here."
        raise Conflict("requirement.not_by_hand", title, facts={"code": code})
    return item


def decide_withdrawal(settled: Iterable[Settlement], code: str) -> Settlement:
    """The word that is taken back. Raises Conflict ``requirement.nothing_said``."""
    for word in settled:
        if word.code == code:
            return word
    title = "Nobody has verified or waived this."
    raise Conflict("requirement.nothing_said", title, facts={"code": code})


def asked(items: Iterable[Item], code: str) -> Item:
    """The requirement of a code. Raises Conflict ``requirement.not_asked``."""
    for item in items:
        if item.code == code:
            return item
    title = "Nobody asks for this at this visit."
    raise Conflict("requirement.not_asked", title, facts={"code": code})
