"""The verdict on a visit's cover."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.eligibility.domain.answers import (
    BadResponse,
    NoAnswer,
    Outcome,
    Rejected,
    Verified,
)
from services.eligibility.domain.coverage import Coverage
from services.eligibility.domain.rejections import MEANINGS, meaning
from services.eligibility.domain.verdict import Check, Verdict, visit_verdict
from services.eligibility.tests.payer_answers import VISIT_ON, benefits

COVERAGE = Coverage(UUID(int=1), "primary", date(2026, 1, 1))
NOTHING = benefits("EB*1**30")
ACTIVE = Verified("active", "GOLD", date(2026, 1, 1), None, None, None, NOTHING)
INACTIVE = replace(ACTIVE, status="inactive")
REFUSED = Rejected("subscriber", "75", "C", "person.not_found", "fix_data", retry=False)


def verdict(outcome: Outcome | None, asked_on: date = VISIT_ON) -> Verdict:
    return visit_verdict(VISIT_ON, [COVERAGE], Check(COVERAGE.id, asked_on, outcome))


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (ACTIVE, "active", "payer.active"),
        (replace(ACTIVE, starts_on=None), "active", "payer.active"),
        (replace(ACTIVE, starts_on=VISIT_ON, ends_on=VISIT_ON), "active", "payer.active"),
        (replace(ACTIVE, starts_on=date(2026, 12, 1)), "unverified", "plan.not_in_force"),
        (replace(ACTIVE, ends_on=date(2026, 11, 29)), "unverified", "plan.not_in_force"),
        (INACTIVE, "inactive", "payer.inactive"),
        (None, "unverified", "check.pending"),
        (NoAnswer("no_answer"), "unverified", "payer.no_answer"),
        (NoAnswer("unreachable"), "unverified", "payer.unreachable"),
        (NoAnswer("certificate"), "unverified", "payer.certificate"),
        (BadResponse("other_person"), "unverified", "payer.bad_response"),
        (BadResponse("x12.truncated", 3), "unverified", "payer.bad_response"),
        (REFUSED, "unverified", "person.not_found"),
    ],
)
def test_the_verdict_follows_the_outcome(outcome: Outcome | None, status: str, reason: str) -> None:
    found = verdict(outcome)
    assert (found.status, found.reason, found.coverage_id) == (status, reason, COVERAGE.id)


def test_before_the_first_check_it_is_unverified() -> None:
    found = visit_verdict(VISIT_ON, [COVERAGE], None)
    assert found == Verdict("unverified", "check.pending", COVERAGE.id)


@pytest.mark.parametrize("outcome", [ACTIVE, INACTIVE])
def test_an_answer_for_another_day_does_not_count(outcome: Outcome) -> None:
    found = verdict(outcome, asked_on=date(2026, 11, 29))
    assert found == Verdict("unverified", "check.other_date", COVERAGE.id)


@pytest.mark.parametrize("outcome", [ACTIVE, INACTIVE])
def test_an_answer_for_another_coverage_does_not_count(outcome: Outcome) -> None:
    check = Check(UUID(int=2), VISIT_ON, outcome)
    found = visit_verdict(VISIT_ON, [COVERAGE], check)
    assert found == Verdict("unverified", "check.other_coverage", COVERAGE.id)


def test_without_cover_the_patient_pays() -> None:
    ended = replace(COVERAGE, effective_to=date(2026, 11, 29))
    check = Check(COVERAGE.id, VISIT_ON, INACTIVE)
    assert visit_verdict(VISIT_ON, [], check) == Verdict("self_pay", "coverage.none")
    found = visit_verdict(VISIT_ON, [ended], check)
    assert found == Verdict("self_pay", "coverage.not_in_force")
    chosen = visit_verdict(VISIT_ON, [COVERAGE], check, patient_pays=True)
    assert chosen == Verdict("self_pay", "patient.pays")


OUTCOMES = st.one_of(
    st.none(),
    st.builds(NoAnswer, st.sampled_from(["no_answer", "unreachable", "cut_off"])),
    st.builds(BadResponse, st.text(max_size=5)),
    st.builds(
        lambda code: replace(REFUSED, code=code, reason=meaning(code).reason),
        st.sampled_from([*MEANINGS, "ZZ"]),
    ),
    st.builds(
        lambda start, end: replace(ACTIVE, starts_on=start, ends_on=end),
        st.none() | st.dates(),
        st.none() | st.dates(),
    ),
)


@given(OUTCOMES, st.dates(date(2026, 11, 1), date(2026, 12, 31)))
def test_nothing_but_the_payers_word_makes_a_visit_inactive(
    outcome: Outcome | None, asked_on: date
) -> None:
    assert verdict(outcome, asked_on).status in {"active", "unverified"}
