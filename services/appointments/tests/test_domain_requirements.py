"""What check-in asks for, and who may waive it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.appointments.domain.requirements import (
    CheckInFacts,
    CheckInPolicy,
    Closer,
    ConsentAsked,
    ConsentHeld,
    Item,
    State,
    Verdict,
    Waivers,
    codes,
    decide_check_in,
    readiness_move,
    requirements,
)
from services.appointments.domain.status import Flow, Lifecycle, Move, Statuses
from shared.values.errors import Conflict, IllegalTransition, Invalid

DENVER = ZoneInfo("America/Denver")
NOW = datetime(2027, 3, 1, 16, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = CheckInPolicy(
    identity_valid=180 * DAY,
    consents=(ConsentAsked("treatment", "2027-01"), ConsentAsked("privacy_notice")),
    balance_limit_cents=5000,
)
TREATMENT = ConsentHeld("treatment", "2027-01", NOW - 30 * DAY)
NOTICE = ConsentHeld("privacy_notice", "2020-01", NOW - 900 * DAY)
FACTS = CheckInFacts(
    starts_at=NOW + timedelta(minutes=10),
    zone=DENVER,
    identity_verified_at=NOW - 180 * DAY,
    verdict=Verdict.ACTIVE,
    consents=(TREATMENT, NOTICE),
    owed_cents=5000,
)
NONE = Waivers()


def item(code: str, facts: CheckInFacts, waivers: Waivers = NONE, now: datetime = NOW) -> Item:
    (found,) = [one for one in requirements(POLICY, facts, waivers, now) if one.code == code]
    return found


def test_all_requirements_are_listed_in_the_order_of_the_policy_with_why() -> None:
    assert requirements(POLICY, FACTS, NONE, NOW) == (
        Item("identity", State.MET, "verified"),
        Item("cover", State.MET, "active"),
        Item("consent.treatment", State.MET, "granted"),
        Item("consent.privacy_notice", State.MET, "granted"),
        Item("balance", State.MET, "within_limit"),
    )


def test_a_policy_that_asks_for_nothing_has_no_requirements() -> None:
    policy = CheckInPolicy(None, cover_asked=False, consents=(), balance_limit_cents=None)
    assert requirements(policy, CheckInFacts(NOW, DENVER), NONE, NOW) == ()


@pytest.mark.parametrize(
    ("verified_at", "state", "why"),
    [
        (None, State.OPEN, "never_verified"),
        (NOW - 180 * DAY - timedelta(seconds=1), State.OPEN, "stale"),
        (NOW - 180 * DAY, State.MET, "verified"),
    ],
)
def test_identity_is_verified_within_the_days_of_the_policy(
    verified_at: datetime | None, state: State, why: str
) -> None:
    found = item("identity", replace(FACTS, identity_verified_at=verified_at))
    assert (found.state, found.why) == (state, why)
    assert found.closers == ((Closer.FRONT_DESK,) if state is State.OPEN else ())


REASON = Waivers(cover_override_reason="Payer is silent")
SELF_PAY = Waivers(self_pay_acknowledged=True)


@pytest.mark.parametrize(
    ("verdict", "waivers", "state", "why"),
    [
        (Verdict.ACTIVE, NONE, State.MET, "active"),
        (Verdict.SELF_PAY, NONE, State.MET, "self_pay"),
        (Verdict.UNVERIFIED, NONE, State.OPEN, "unverified"),
        (Verdict.UNVERIFIED, REASON, State.WAIVED, "unverified_overridden"),
        (Verdict.UNVERIFIED, SELF_PAY, State.WAIVED, "self_pay_acknowledged"),
        (None, NONE, State.OPEN, "unverified"),
        (None, REASON, State.WAIVED, "unverified_overridden"),
        (Verdict.INACTIVE, NONE, State.OPEN, "inactive"),
        (Verdict.INACTIVE, REASON, State.OPEN, "inactive"),
        (Verdict.INACTIVE, SELF_PAY, State.WAIVED, "self_pay_acknowledged"),
    ],
)
def test_cover_by_verdict_and_waiver(
    verdict: Verdict | None, waivers: Waivers, state: State, why: str
) -> None:
    found = item("cover", replace(FACTS, verdict=verdict), waivers)
    assert (found.state, found.why) == (state, why)


@pytest.mark.parametrize("verdict", [Verdict.ACTIVE, Verdict.UNVERIFIED])
def test_a_blank_reason_is_refused_whether_or_not_it_is_needed(verdict: Verdict) -> None:
    with pytest.raises(Invalid) as refused:
        item("cover", replace(FACTS, verdict=verdict), Waivers(cover_override_reason="  "))
    assert refused.value.code == "override.reason_required"


VISIT_DAY = date(2027, 3, 1)


@pytest.mark.parametrize(
    ("consents", "why"),
    [
        ((), "never_granted"),
        ((NOTICE,), "never_granted"),
        ((replace(TREATMENT, granted_at=NOW + DAY),), "never_granted"),
        ((replace(TREATMENT, revoked_at=FACTS.starts_at),), "revoked"),
        ((replace(TREATMENT, granted_at=FACTS.starts_at),), "granted"),
        ((replace(TREATMENT, expires_on=VISIT_DAY - DAY),), "expired"),
        ((replace(TREATMENT, text_version="2026-01"),), "other_version"),
        (
            (replace(TREATMENT, granted_at=NOW - DAY, revoked_at=NOW), TREATMENT),
            "revoked",
        ),
        ((replace(TREATMENT, expires_on=VISIT_DAY),), "granted"),
        # By a clock that is behind the one by which it was revoked.
        ((replace(TREATMENT, revoked_at=NOW + DAY),), "revoked"),
        (
            (TREATMENT, replace(TREATMENT, granted_at=NOW + DAY, revoked_at=NOW + 2 * DAY)),
            "revoked",
        ),
        (
            (replace(TREATMENT, text_version="2026-01", granted_at=NOW - 99 * DAY), TREATMENT),
            "granted",
        ),
    ],
)
def test_a_consent_counts_by_its_latest_grant(consents: tuple[ConsentHeld, ...], why: str) -> None:
    found = item("consent.treatment", replace(FACTS, consents=consents))
    assert found.why == why
    assert found.state is (State.MET if why == "granted" else State.OPEN)
    assert bool(found.closers) == (found.state is State.OPEN)


def test_a_consent_must_hold_at_the_visit_not_only_when_somebody_looks() -> None:
    ends_today = replace(TREATMENT, expires_on=VISIT_DAY)
    tomorrow = replace(FACTS, starts_at=NOW + DAY, consents=(ends_today,))
    assert item("consent.treatment", tomorrow).why == "expired"
    # 23:30 in Denver is the next day in UTC, and still the last day on which it holds.
    tonight = replace(tomorrow, starts_at=datetime(2027, 3, 2, 6, 30, tzinfo=UTC))
    assert item("consent.treatment", tonight).why == "granted"


@pytest.mark.parametrize(
    ("owed", "waivers", "state"),
    [
        (5000, NONE, State.MET),
        (-200, NONE, State.MET),
        (5001, NONE, State.OPEN),
        (5001, Waivers(balance_acknowledged=True), State.WAIVED),
    ],
)
def test_a_balance_above_the_limit_is_talked_about(
    owed: int, waivers: Waivers, state: State
) -> None:
    assert item("balance", replace(FACTS, owed_cents=owed), waivers).state is state


def test_check_in_goes_ahead_when_nothing_is_open_and_names_what_was_waived() -> None:
    facts = replace(FACTS, verdict=Verdict.UNVERIFIED, owed_cents=9000)
    waivers = Waivers(cover_override_reason="Payer is silent", balance_acknowledged=True)
    done = decide_check_in(Statuses(), POLICY, facts, waivers, NOW)
    assert (done.statuses.lifecycle, done.statuses.flow) == (Lifecycle.CHECKED_IN, Flow.CHECKED_IN)
    assert (done.waived, done.repeated) == (("cover", "balance"), False)
    assert len(done.items) == 5


def test_check_in_is_refused_with_the_codes_of_all_that_is_open() -> None:
    facts = CheckInFacts(NOW, DENVER, owed_cents=9000)
    with pytest.raises(Conflict) as refused:
        decide_check_in(Statuses(), POLICY, facts, NONE, NOW)
    assert refused.value.code == "checkin.requirements_open"
    assert refused.value.facts == {
        "open": ["identity", "cover", "consent.treatment", "consent.privacy_notice", "balance"]
    }


def test_checking_in_twice_changes_nothing_s39() -> None:
    first = decide_check_in(Statuses(), POLICY, FACTS, NONE, NOW)
    later = replace(FACTS, verdict=Verdict.INACTIVE)
    again = decide_check_in(first.statuses, POLICY, later, NONE, NOW)
    assert again.repeated
    assert again.statuses == first.statuses


def test_a_cancelled_visit_is_not_checked_in_s38() -> None:
    with pytest.raises(IllegalTransition):
        decide_check_in(Statuses().moved(Move.CANCEL), POLICY, FACTS, NONE, NOW)


def test_check_in_opens_when_the_policy_says() -> None:
    policy = replace(POLICY, opens_before=timedelta(minutes=5))
    with pytest.raises(Conflict) as refused:
        decide_check_in(Statuses(), policy, FACTS, NONE, NOW)
    assert refused.value.code == "checkin.too_early"
    assert refused.value.facts == {"opens_at": "2027-03-01T16:05:00+00:00"}
    at = NOW + timedelta(minutes=5)
    assert (
        decide_check_in(
            Statuses(), policy, replace(FACTS, identity_verified_at=NOW), NONE, at
        ).repeated
        is False
    )


def test_readiness_follows_from_what_is_open() -> None:
    assert readiness_move(requirements(POLICY, FACTS, NONE, NOW)) is Move.FIND_READY
    missing = requirements(POLICY, replace(FACTS, verdict=None), NONE, NOW)
    assert readiness_move(missing) is Move.FIND_NOT_READY
    assert codes(missing, State.OPEN) == ("cover",)
