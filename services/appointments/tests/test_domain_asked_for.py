"""Requirements that a policy adds, and what the word of the desk settles."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.appointments.domain.asked_for import decide_verification, decide_waiver
from services.appointments.domain.requirement_values import (
    Authorization,
    CheckInFacts,
    CheckInPolicy,
    Closer,
    FieldAsked,
    Item,
    Settlement,
    State,
)
from services.appointments.domain.requirements import codes, requirements
from services.appointments.tests.test_domain_requirements import DAY, FACTS, NONE, NOW, POLICY
from shared.values.errors import Conflict, Invalid


def alone(policy: CheckInPolicy, facts: CheckInFacts, now: datetime = NOW) -> Item:
    """The one requirement of a policy that asks for one."""
    (item,) = requirements(policy, facts, NONE, now)
    return item


NOTHING = CheckInPolicy(
    identity_valid=None, cover_asked=False, consents=(), balance_limit_cents=None
)


def settled(code: str, *, waived: bool) -> CheckInFacts:
    word = Settlement(code, waived, "It was said." if waived else None, "person/dana", NOW)
    return replace(FACTS, settled=(word,))


def test_the_default_policy_asks_for_no_form_and_no_authorization() -> None:
    asked = {item.code for item in requirements(CheckInPolicy(), FACTS, NONE, NOW)}
    assert asked == {"identity", "cover", "consent.treatment", "consent.privacy_notice", "balance"}
    assert requirements(NOTHING, FACTS, NONE, NOW) == ()


def test_a_field_is_open_until_it_was_gone_through_and_again_once_that_is_old() -> None:
    policy = replace(NOTHING, demographics=(FieldAsked("address", timedelta(days=90)),))
    assert alone(policy, FACTS).why == "never_verified"
    for age, why in ((timedelta(days=90), "verified"), (timedelta(days=90, seconds=1), "stale")):
        facts = replace(FACTS, field_verified_at={"address": NOW - age})
        assert (alone(policy, facts).code, alone(policy, facts).why) == (
            "demographics.address",
            why,
        )
    other = replace(FACTS, field_verified_at={"phone": NOW})
    assert alone(policy, other).state is State.OPEN


def test_a_document_is_looked_at_at_every_visit() -> None:
    policy = replace(NOTHING, identity_document_asked=True)
    assert alone(policy, FACTS).state is State.OPEN
    assert alone(policy, settled("identity_document", waived=False)).why == "seen"
    assert alone(policy, settled("identity_document", waived=True)).state is State.WAIVED


def test_a_form_is_open_until_it_is_handed_in() -> None:
    policy = replace(NOTHING, forms=("history",))
    assert alone(policy, FACTS).state is State.OPEN
    assert alone(policy, replace(FACTS, forms=frozenset({"history"}))).why == "submitted"
    assert alone(policy, replace(FACTS, forms=frozenset({"other"}))).state is State.OPEN


VISIT_DAY = FACTS.starts_at.astimezone(FACTS.zone).date()


@pytest.mark.parametrize(
    ("held", "why"),
    [
        pytest.param(None, "never_heard", id="never-heard"),
        pytest.param(Authorization("denied"), "denied", id="denied"),
        pytest.param(Authorization("expired"), "expired", id="expired"),
        pytest.param(Authorization("approved"), "approved", id="approved"),
        pytest.param(
            Authorization("approved", VISIT_DAY, VISIT_DAY), "approved", id="on-its-only-day"
        ),
        pytest.param(Authorization("approved", VISIT_DAY + DAY), "not_yet_valid", id="too-early"),
        pytest.param(
            Authorization("approved", None, VISIT_DAY - DAY), "expired", id="until-the-day-before"
        ),
    ],
)
def test_an_authorization_holds_on_the_day_of_the_visit(
    held: Authorization | None, why: str
) -> None:
    item = alone(replace(NOTHING, authorization_asked=True), replace(FACTS, authorization=held))
    assert item.why == why
    assert item.state is (State.MET if why == "approved" else State.OPEN)
    assert item.closers == (() if why == "approved" else (Closer.BILLER,))


@pytest.mark.parametrize(
    ("expected", "paid", "why"),
    [
        (None, 0, "no_estimate"),
        (0, 0, "none_due"),
        (2500, 2499, "due"),
        (2500, 2500, "paid"),
        (2500, 4000, "paid"),
    ],
)
def test_the_copay_is_what_was_paid_for_this_visit(
    expected: int | None, paid: int, why: str
) -> None:
    facts = replace(FACTS, copay_cents=expected, paid_cents=paid)
    assert alone(replace(NOTHING, copay_asked=True), facts).why == why


def test_what_only_the_patient_can_give_is_not_waived() -> None:
    items = requirements(POLICY, replace(FACTS, consents=(), owed_cents=5001), NONE, NOW)
    with pytest.raises(Conflict) as refused:
        decide_waiver(items, "consent.treatment", "In a hurry.")
    assert refused.value.code == "requirement.not_waivable"
    assert decide_waiver(items, "balance", "They will pay by mail.").code == "balance"
    word = settled("consent.treatment", waived=True)
    again = requirements(POLICY, replace(word, consents=()), NONE, NOW)
    assert "consent.treatment" in codes(again, State.OPEN)


def test_a_waiver_is_of_something_that_is_asked_and_open_and_has_a_reason() -> None:
    items = requirements(POLICY, FACTS, NONE, NOW)
    for code, expected in (("form.history", "requirement.not_asked"),
                           ("cover", "requirement.not_open")):  # fmt: skip
        with pytest.raises(Conflict) as refused:
            decide_waiver(items, code, "Because.")
        assert refused.value.code == expected
    with pytest.raises(Invalid):
        decide_waiver(items, "cover", " ")


def test_only_what_the_desk_sees_itself_is_verified_by_a_word() -> None:
    items = requirements(replace(POLICY, identity_document_asked=True), FACTS, NONE, NOW)
    assert decide_verification(items, "identity_document").state is State.OPEN
    with pytest.raises(Conflict) as refused:
        decide_verification(items, "cover")
    assert refused.value.code == "requirement.not_by_hand"
