"""Who could be the same person. The people are invented."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.patients.domain.birth import Gender
from services.patients.domain.matching import (
    CANDIDATES_MAX,
    THRESHOLDS,
    WEIGHTS,
    Candidate,
    Grade,
    Identity,
    Match,
    blocking_keys,
    candidates,
    compare,
    decide_registration,
    identity_of,
)
from services.patients.domain.names import PersonName
from shared.values.errors import Conflict, Invalid

CERTAIN, PROBABLE, POSSIBLE, NO = Grade.CERTAIN, Grade.PROBABLE, Grade.POSSIBLE, Grade.NO

ROBERT = Identity(
    family="garcia lopez",
    given="robert",
    birth_date=date(1980, 3, 12),
    gender=Gender.MALE,
    phones=frozenset({"+13035550142"}),
    emails=frozenset({"rgl@example.com"}),
    addresses=frozenset({"100 main st|80202"}),
)
BARE = Identity("garcia lopez", "robert", date(1980, 3, 12))
MOVED = replace(
    ROBERT,
    phones=frozenset({"+13035550199"}),
    emails=frozenset({"other@example.com"}),
    addresses=frozenset({"9 elm st|80203"}),
)


def person(base: Identity = BARE, **change: object) -> Identity:
    return replace(base, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "grade"),
    [
        pytest.param(ROBERT, ROBERT, CERTAIN, id="the same record"),
        pytest.param(BARE, BARE, CERTAIN, id="names and birth date alone"),
        pytest.param(ROBERT, MOVED, CERTAIN, id="moved house and number"),
        pytest.param(BARE, person(given="bob"), CERTAIN, id="nickname"),
        pytest.param(BARE, person(given="roberto", preferred="bob"), CERTAIN, id="preferred"),
        pytest.param(BARE, person(family="robert", given="garcia lopez"), CERTAIN, id="crossed"),
        pytest.param(ROBERT, person(MOVED, gender=Gender.FEMALE), PROBABLE, id="and gender"),
        pytest.param(BARE, person(birth_date=date(1980, 12, 3)), PROBABLE, id="day and month"),
        pytest.param(BARE, person(birth_date=date(1980, 3, 13)), PROBABLE, id="a slip in the date"),
        pytest.param(BARE, person(given="robbert"), PROBABLE, id="a slip in the name"),
        pytest.param(BARE, person(given="robert james"), PROBABLE, id="with a second name"),
        pytest.param(BARE, person(given="r"), PROBABLE, id="an initial"),
        pytest.param(BARE, person(family="garcia"), PROBABLE, id="half of the family name"),
        pytest.param(BARE, person(given="", family="garcia lopez"), PROBABLE, id="one name"),
        pytest.param(ROBERT, person(ROBERT, family="smith"), PROBABLE, id="married, same phone"),
        pytest.param(BARE, person(family="smith"), POSSIBLE, id="married"),
        pytest.param(BARE, person(birth_date=None), POSSIBLE, id="no birth date"),
        pytest.param(BARE, person(birth_date=date(1955, 7, 30)), NO, id="a namesake"),
        pytest.param(BARE, person(family="chen", given="wei"), NO, id="same birthday"),
        pytest.param(ROBERT, Identity("chen", "wei", date(1991, 1, 1)), NO, id="a stranger"),
        pytest.param(Identity("", "", None), Identity("", "", None), NO, id="nothing known"),
    ],
)
def test_grades(one: Identity, other: Identity, grade: Grade) -> None:
    assert compare(one, other).grade is grade
    assert compare(other, one).grade is grade


HERE, THERE = frozenset({"x"}), frozenset({"y"})
CLOSE = person(phones=THERE, given="bob", birth_date=date(1980, 3, 13))
MARRIED = person(phones=THERE, given="r", family="smith")


@pytest.mark.parametrize(
    ("one", "other", "score", "grade"),
    [
        (ROBERT, person(MOVED, gender=Gender.UNKNOWN), 27, CERTAIN),
        (ROBERT, person(MOVED, given="bob", gender=Gender.MALE), 26, PROBABLE),
        (person(phones=HERE), CLOSE, 18, PROBABLE),
        (person(phones=HERE, emails=HERE), person(CLOSE, emails=THERE), 17, POSSIBLE),
        (person(phones=HERE), MARRIED, 10, POSSIBLE),
        (person(phones=HERE, emails=HERE), person(MARRIED, emails=THERE), 9, NO),
    ],
)
def test_a_grade_begins_at_its_threshold(
    one: Identity, other: Identity, score: int, grade: Grade
) -> None:
    found = compare(one, other)
    assert (found.score, found.grade) == (score, grade)


@pytest.mark.parametrize("field", ["family", "given", "birth_date", "phones", "gender"])
def test_what_one_side_does_not_know_says_nothing(field: str) -> None:
    unknown = {"family": "", "given": "", "birth_date": None, "gender": Gender.UNKNOWN}
    fields = [name for name, _, _ in compare(ROBERT, ROBERT).evidence]
    left = compare(ROBERT, person(ROBERT, **{field: unknown.get(field, frozenset())})).evidence
    assert [name for name, _, _ in left] == [name for name in fields if name != field.rstrip("s")]


def test_a_name_of_one_letter_is_not_every_name() -> None:
    outcomes = [compare(BARE, person(given=letter)).evidence[2][1] for letter in ("r", "o")]
    assert outcomes == ["initial", "differs"]
    assert compare(BARE, person(given="rolf")).evidence[2][1] == "differs"


def test_twins_share_all_but_the_given_name_and_are_at_most_possible() -> None:
    twin = person(ROBERT, given="daniel")
    found = compare(ROBERT, twin)
    assert found.score >= THRESHOLDS[0][0]
    assert found.grade is POSSIBLE


def test_twins_whose_names_sound_alike_are_never_certain() -> None:
    marie, mary = person(ROBERT, given="marie"), person(ROBERT, given="mary")
    assert compare(marie, mary).grade is PROBABLE


def test_newborns_without_a_name_are_never_certain() -> None:
    first = person(ROBERT, given="baby boy a")
    second = person(ROBERT, given="baby boy b")
    assert compare(first, second).grade is PROBABLE
    assert compare(first, first).grade is PROBABLE
    assert compare(first, person(ROBERT, given="oliver")).grade is PROBABLE


def test_father_and_son_of_one_name_are_at_most_possible() -> None:
    son = person(ROBERT, birth_date=date(2009, 9, 24))
    assert compare(ROBERT, son).score >= THRESHOLDS[1][0]
    assert compare(ROBERT, son).grade is POSSIBLE


def test_junior_and_senior_are_at_most_possible_even_with_one_birth_date() -> None:
    senior, junior = person(ROBERT, generation="sr"), person(ROBERT, generation="jr")
    assert compare(senior, junior).grade is POSSIBLE
    assert compare(senior, ROBERT).grade is CERTAIN
    assert compare(senior, senior).grade is CERTAIN


def test_evidence_names_each_field_with_its_weight_and_sums_to_the_score() -> None:
    found = compare(ROBERT, person(MOVED, given="bob", gender=Gender.UNKNOWN))
    assert found.evidence == (
        ("birth_date", "same", 14),
        ("family", "same", 9),
        ("given", "nickname", 5),
        ("phone", "differs", -1),
        ("email", "differs", -1),
        ("address", "differs", -1),
    )
    assert found.score == sum(weight for _, _, weight in found.evidence)


def test_thresholds_fall_and_every_disagreement_weighs_against() -> None:
    assert [grade for _, grade in THRESHOLDS] == [CERTAIN, PROBABLE, POSSIBLE]
    assert [least for least, _ in THRESHOLDS] == sorted((t for t, _ in THRESHOLDS), reverse=True)
    for outcomes in WEIGHTS.values():
        assert all((weight < 0) == (name == "differs") for name, weight in outcomes.items())


NAMES = st.sampled_from(
    [
        *("garcia", "lopez", "garcia lopez", "smith", "robert", "bob", "rupert", "r", "o", ""),
        *("\u674e", "baby girl", "ng", "mary ann", "mary"),
    ]
)
DATES = st.sampled_from(
    [date(1980, 3, 12), date(1980, 12, 3), date(1980, 3, 13), date(1955, 7, 30), None]
)
SOME = st.sets(st.sampled_from(["x", "y", "z"]), max_size=2).map(frozenset)
PEOPLE = st.builds(
    Identity,
    family=NAMES,
    given=NAMES,
    birth_date=DATES,
    preferred=NAMES,
    generation=st.sampled_from([None, "jr", "sr"]),
    gender=st.sampled_from(Gender),
    phones=SOME,
    emails=SOME,
    addresses=SOME,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PEOPLE, PEOPLE)
def test_comparing_is_the_same_either_way_round(one: Identity, other: Identity) -> None:
    assert compare(one, other) == compare(other, one)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    PEOPLE,
    st.text("abcdefghijk \u00e9\u674e", min_size=1).filter(str.strip),
    st.text("abcdefghijk", min_size=1),
    st.dates(date(1880, 1, 1), date(2027, 1, 1)),
)
def test_a_whole_identity_is_certainly_itself(
    base: Identity, family: str, given_name: str, born: date
) -> None:
    whole = person(base, family=family, given=given_name, birth_date=born)
    assert compare(whole, whole).grade is CERTAIN


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PEOPLE, PEOPLE)
def test_who_is_probable_by_birth_date_or_contact_shares_a_blocking_key(
    one: Identity, other: Identity
) -> None:
    agreed = {(field, outcome) for field, outcome, _ in compare(one, other).evidence}
    told = {("birth_date", "same"), ("birth_date", "day_month_swapped")}
    told |= {("phone", "same"), ("email", "same")}
    if agreed & told:
        assert blocking_keys(one) & blocking_keys(other)


def test_names_that_sound_alike_share_a_key_crossed_or_not() -> None:
    one = Identity("garcia", "robert", None)
    assert blocking_keys(one) == blocking_keys(Identity("rupert", "garsia", None))
    assert blocking_keys(Identity("", "", None)) == frozenset()


def test_an_identity_is_made_of_checked_demographics() -> None:
    name = PersonName("Garc\u00eda-L\u00f3pez", "Robert", suffix="Jr.", preferred="Bob")
    made = identity_of(name, date(1980, 3, 12), gender=Gender.MALE, phones=["+13035550142"])
    assert made == Identity(
        "garcia lopez",
        "robert",
        date(1980, 3, 12),
        "bob",
        "jr",
        Gender.MALE,
        frozenset({"+13035550142"}),
    )
    assert identity_of(PersonName(None, "Sukarno"), None).family == ""
    assert identity_of(PersonName("Madonna", None), None).given == ""


def test_candidates_come_likeliest_first_and_at_most_ten() -> None:
    known = [(UUID(int=n), MOVED) for n in range(20, 0, -1)]
    known += [(UUID(int=30), ROBERT), (UUID(int=31), person(family="chen", given="wei"))]
    found = candidates(ROBERT, known)
    assert len(found) == CANDIDATES_MAX
    assert [who.patient_id.int for who in found] == [30, *range(1, 10)]
    married = [(UUID(int=1), person(family="smith"))]
    assert len(candidates(BARE, married)) == 1
    assert candidates(BARE, married, PROBABLE) == ()


def candidate(grade: Grade, number: int = 1) -> Candidate:
    evidence = (("birth_date", "same", 14), ("gender", "differs", -4))
    return Candidate(UUID(int=number), Match(grade, 20, evidence), mrn="000000424")


def test_registering_somebody_like_one_on_record_needs_a_reason() -> None:
    found = [candidate(CERTAIN, 1), candidate(PROBABLE, 2), candidate(POSSIBLE, 3)]
    with pytest.raises(Conflict) as refused:
        decide_registration(found, None)
    assert refused.value.code == "patient.maybe_known"
    listed = refused.value.facts["candidates"]
    assert listed[0] == {
        "id": str(UUID(int=1)),
        "mrn": "000000424",
        "grade": "certain",
        "score": 20,
        "reasons": ["birth_date.same", "gender.differs"],
    }
    assert [who["grade"] for who in listed] == ["certain", "probable"]
    assert decide_registration(found, "Twin of the other") == tuple(found[:2])
    with pytest.raises(Conflict):
        decide_registration([candidate(POSSIBLE)], None, ask_from=POSSIBLE)


def test_registering_somebody_unlike_anyone_needs_none() -> None:
    assert decide_registration([candidate(POSSIBLE)], None) == ()
    assert decide_registration([], None) == ()


def test_a_blank_reason_is_none() -> None:
    with pytest.raises(Invalid) as refused:
        decide_registration([], " ")
    assert refused.value.code == "override.reason_required"
