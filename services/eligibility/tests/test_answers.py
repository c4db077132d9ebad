"""Whether an answer is about the person asked about, and what it says."""

import pytest

from services.eligibility.domain.answers import BadResponse, Rejected, Verified, judge
from services.eligibility.domain.question import Identity, Question, read_270
from services.eligibility.domain.request_270 import Inquiry
from services.eligibility.tests.payer_answers import (
    ACTIVE,
    CHILD,
    FAMILY,
    INQUIRY,
    SUBSCRIBER,
    TRACE,
    answer,
    inquiry,
    of_subscriber,
    text_of,
)
from shared.x12 import parse
from shared.x12.tests.samples import sample

CHILD_ASKED = inquiry(dependent=CHILD)


def outcome_of(
    *lines: str, person: tuple[str, ...] = SUBSCRIBER, asked: Inquiry = INQUIRY
) -> object:
    return judge(asked.question, answer(*lines, person=person))


def test_the_public_270_is_not_answered_by_the_public_271() -> None:
    question = read_270(parse(sample("x12/subscriber-health-benefit-check.270").read_bytes()))
    data = sample("x12/subscriber-health-benefit-check.271").read_bytes()
    assert judge(question, data) == BadResponse("other_person")


def test_the_public_271_answers_a_270_about_its_own_person() -> None:
    question = read_270(parse(sample("x12/subscriber-health-benefit-check.270").read_bytes()))
    data = sample("x12/subscriber-health-benefit-check.271").read_bytes()
    own = Identity("SMITH", "JOHN", None, "123456789")
    asked = Question(
        *(question.trace, question.originator, question.reference, own, None),
        *(question.service_date, question.service_types),
    )
    outcome = judge(asked, data)
    assert isinstance(outcome, Verified)
    assert (outcome.status, outcome.plan) == ("active", "GOLD 123 PLAN")
    assert (outcome.copay_in_cents, outcome.copay_out_cents) == (1000, 3000)
    assert (str(outcome.starts_on), outcome.ends_on) == ("2006-01-01", None)


def test_an_answer_about_the_person_is_verified() -> None:
    outcome = outcome_of(*ACTIVE)
    assert isinstance(outcome, Verified)
    assert (outcome.status, outcome.plan) == ("active", "GOLD 123 PLAN")
    assert (outcome.copay_in_cents, outcome.copay_out_cents) == (None, None)


def test_inactive_is_said_only_by_the_payer() -> None:
    outcome = outcome_of("EB*6**30**GOLD 123 PLAN")
    assert isinstance(outcome, Verified)
    assert outcome.status == "inactive"


@pytest.mark.parametrize(
    "person",
    [
        pytest.param((*SUBSCRIBER[:3],), id="no birth date: the member id agrees"),
        pytest.param(
            (*SUBSCRIBER[:2], "NM1*IL*1*ANDERS*BERTA", SUBSCRIBER[3]),
            id="no member id: name and birth date agree",
        ),
        pytest.param(
            (*SUBSCRIBER[:2], "NM1*IL*1*ANDERS*BERTA Q****MI*ACT-100200", SUBSCRIBER[3]),
            id="a middle name and a hyphen",
        ),
        pytest.param(
            (SUBSCRIBER[0], "TRN*1*PAYERS-OWN*9PAYER0000", *SUBSCRIBER[1:]),
            id="a trace of the payer's own beside ours",
        ),
    ],
)
def test_enough_agreement_is_enough(person: tuple[str, ...]) -> None:
    assert isinstance(outcome_of(*ACTIVE, person=person), Verified)


@pytest.mark.parametrize(
    "person",
    [
        pytest.param((*SUBSCRIBER[:2], "NM1*IL*1*ANDERS*BERTA"), id="a name alone"),
        pytest.param((*SUBSCRIBER[:2], "NM1*IL*1", SUBSCRIBER[3]), id="a birth date alone"),
        pytest.param(SUBSCRIBER[:2], id="nobody"),
    ],
)
def test_too_little_agreement_is_held_back(person: tuple[str, ...]) -> None:
    lines = ACTIVE if len(person) > 2 else ()
    assert outcome_of(*lines, person=person) == BadResponse("person_unconfirmed")


def test_a_dependent_is_answered_at_their_own_level() -> None:
    outcome = outcome_of(*ACTIVE, person=FAMILY, asked=CHILD_ASKED)
    assert isinstance(outcome, Verified)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NM1*03*1*ANDERS*CARL", "NM1*03*1*ANDERS*DORA"),  # the twin
        ("DMG*D8*20150601*M", "DMG*D8*20150602*M"),
        ("*MI*ACT100200", "*MI*ACT100299"),
        ("NM1*IL*1*ANDERS*BERTA*", "NM1*IL*1*ANDERS*EMIL*"),
    ],
)
def test_another_dependent_or_another_family_is_another_person(one: str, other: str) -> None:
    person = tuple(text.replace(one, other) for text in FAMILY)
    assert person != FAMILY
    assert outcome_of(*ACTIVE, person=person, asked=CHILD_ASKED) == BadResponse("other_person")


def test_a_dependent_may_be_answered_as_a_subscriber_of_their_own() -> None:
    person = (
        "HL*3*2*22*0",
        TRACE,
        "NM1*IL*1*ANDERS*CARL****MI*OWN-ID-7",
        "DMG*D8*20150601*M",
    )
    assert isinstance(outcome_of(*ACTIVE, person=person, asked=CHILD_ASKED), Verified)


def test_the_subscriber_is_not_an_answer_for_the_dependent() -> None:
    assert outcome_of(*ACTIVE, asked=CHILD_ASKED) == BadResponse("other_person")


def test_father_and_son_of_one_name_are_told_apart() -> None:
    son = inquiry(dependent=CHILD, subscriber=of_subscriber(first_name="Carl").subscriber)
    person = (*SUBSCRIBER[:2], "NM1*IL*1*ANDERS*CARL****MI*ACT100200")
    assert outcome_of(*ACTIVE, person=person, asked=son) == BadResponse("person_unconfirmed")


def test_a_dependent_who_was_not_asked_about_is_another_person() -> None:
    assert outcome_of(*ACTIVE, person=FAMILY) == BadResponse("other_person")


HEAD = ("BHT*0022*11*0190a1b2-0000-7000-8000-000000000022*20261123*1501", "HL*1**20*0")


def test_a_refusal_by_the_payer_itself_needs_no_trace_but_our_reference() -> None:
    refusal = judge(INQUIRY.question, text_of(*HEAD, "AAA*Y**42*R"))
    assert refusal == Rejected("source", "42", "R", "payer.busy", "retry", retry=True)
    other = text_of("BHT*0022*11*SOMEBODY-ELSE*20261123*1501", HEAD[1], "AAA*Y**42*R")
    assert judge(INQUIRY.question, other) == BadResponse("no_trace")


def test_a_refusal_of_the_clinic_stands_at_its_level() -> None:
    data = text_of(*HEAD, "NM1*PR*2*X", "HL*2*1*21*0", "NM1*1P*2*Y", "AAA*N**51*C")
    outcome = judge(INQUIRY.question, data)
    assert outcome == Rejected("receiver", "51", "C", "setup.participant", "fix_setup", retry=False)


def test_the_refusal_closest_to_the_person_counts() -> None:
    person = (*FAMILY[:3], "AAA*N**75*C", *FAMILY[3:])
    outcome = outcome_of("AAA*N**71*C", person=person, asked=CHILD_ASKED)
    assert isinstance(outcome, Rejected)
    assert (outcome.level, outcome.code) == ("dependent", "71")


def test_a_refusal_for_another_person_is_held_back() -> None:
    person = tuple(text.replace("*ANDERS*", "*OLSEN*") for text in SUBSCRIBER)
    assert outcome_of("AAA*N**75*C", person=person) == BadResponse("other_person")


def test_a_refusal_beside_an_active_line_is_still_a_refusal() -> None:
    person = (*SUBSCRIBER, "AAA*N**75*C")
    assert isinstance(outcome_of(*ACTIVE, person=person), Rejected)


def test_a_refused_benefit_leaves_the_others_standing() -> None:
    assert isinstance(outcome_of(*ACTIVE, "AAA*N**53*C"), Verified)


@pytest.mark.parametrize("code", ["U", "V"])
def test_a_payer_that_wants_to_be_called_is_a_refusal(code: str) -> None:
    outcome = outcome_of(f"EB*{code}**30")
    assert outcome == Rejected("benefit", code, "", "payer.contact", "ask_payer", retry=False)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param(("EB*1**30",), "active", id="the plan"),
        pytest.param(("EB*5",), "active", id="no service type means the plan"),
        pytest.param(("EB*8**30",), "inactive", id="inactive, being looked into"),
        pytest.param(("EB*1**30", "EB*6**35"), "active", id="only dental is inactive"),
        pytest.param(("EB*6**30", "EB*1**35"), "inactive", id="only dental is active"),
        pytest.param(
            ("EB*6**30**OLD PLAN", "EB*1**30**NEW PLAN"), "active", id="an old plan and a new"
        ),
        pytest.param(("EB*6**30*MA", "EB*1**30*MB"), "active", id="two kinds of insurance"),
        pytest.param(
            ("EB*1**30", "DTP*291*RD8*20240101-20251231", "EB*6**30", "DTP*291*D8*20261130"),
            "inactive",
            id="active then, inactive on the day",
        ),
        pytest.param(
            ("EB*6**30", "DTP*349*D8*20251231", "EB*1**30", "DTP*348*D8*20260101"),
            "active",
            id="inactive until the new year",
        ),
        pytest.param(("EB*1**30", "DTP*291*RD8*20260101-99991231"), "active", id="without an end"),
    ],
)
def test_active_or_inactive_on_the_day(lines: tuple[str, ...], status: str) -> None:
    outcome = outcome_of(*lines)
    assert isinstance(outcome, Verified)
    assert outcome.status == status


def test_a_status_for_the_service_asked_about_is_enough() -> None:
    asked = inquiry(service_types=("98",))
    assert isinstance(outcome_of("EB*1**98", asked=asked), Verified)
    assert outcome_of("EB*1**98") == BadResponse("no_status")
    assert outcome_of("EB*1**35", asked=asked) == BadResponse("no_status")
    assert outcome_of("EB*B**98***27*10") == BadResponse("no_status")


def test_the_plans_own_dates_are_kept() -> None:
    outcome = outcome_of("DTP*346*D8*20260101", "DTP*347*D8*20261231", "EB*1**30**GOLD")
    assert isinstance(outcome, Verified)
    assert (str(outcome.starts_on), str(outcome.ends_on)) == ("2026-01-01", "2026-12-31")


def test_two_different_copays_are_not_one() -> None:
    lines = ("EB*B**98***27*10.00*****Y", "EB*B**98***27*40.00*****Y", "EB*B**98***27*50*****N")
    outcome = outcome_of(*ACTIVE, *lines)
    assert isinstance(outcome, Verified)
    assert (outcome.copay_in_cents, outcome.copay_out_cents) == (None, 5000)


def test_nothing_of_a_bad_answer_is_shown() -> None:
    person = tuple(text.replace("*ANDERS*", "*SECRETNAME*") for text in SUBSCRIBER)
    assert "SECRETNAME" not in repr(outcome_of(*ACTIVE, person=person))


@pytest.mark.parametrize(
    ("lines", "starts_on", "ends_on"),
    [
        (("EB*1**30", "DTP*291*RD8*20260101-20261231"), "2026-01-01", "2026-12-31"),
        (("EB*1**30", "DTP*291*RD8*20260101-99991231"), "2026-01-01", "None"),
        (("EB*1**30", "DTP*291*D8*20261130"), "None", "None"),  # the day asked about
        (("DTP*307*RD8*20260201-20260930", "EB*1**30"), "2026-02-01", "2026-09-30"),
        (
            ("DTP*346*D8*20260101", "DTP*356*D8*20200101", "EB*1**30"),
            *("2026-01-01", "None"),
        ),
        (("DTP*346*D8*20260101", "EB*1**30", "DTP*348*D8*20260601"), "2026-06-01", "None"),
    ],
)
def test_the_days_between_which_cover_holds(
    lines: tuple[str, ...], starts_on: str, ends_on: str
) -> None:
    outcome = outcome_of(*lines)
    assert isinstance(outcome, Verified)
    assert (str(outcome.starts_on), str(outcome.ends_on)) == (starts_on, ends_on)
