"""What will happen on a day: drawn from its seed alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.day.check import Check
from ops.day.checks import exit_code
from ops.day.plan import CLINICS, PROVIDERS_A_CLINIC, Course, Cover, Pay, planned

SIZES = st.integers(12, 130)
SEEDS = st.integers(0, 10**9)
SHARES = {Course.NO_SHOW: 6, Course.CANCELLED: 7, Cover.UNANSWERED: 8, Pay.CHECK: 16}
"""Of a hundred."""


@given(SIZES, SEEDS)
def test_the_same_seed_is_the_same_day_and_another_is_another(visits: int, seed: int) -> None:
    assert planned(visits, seed) == planned(visits, seed)
    assert planned(visits, seed).visits != planned(visits, seed + 1).visits


@given(SIZES, SEEDS)
def test_the_shares_are_held_exactly_whatever_the_seed(visits: int, seed: int) -> None:
    day = planned(visits, seed)
    assert len(day.visits) == visits
    counted: Counter[str] = Counter()
    for visit in day.visits:
        counted.update((visit.course, visit.person.cover, visit.pay))
    for value, share in SHARES.items():
        assert counted[value] == max(1, round(visits * share / 100)), value


@given(st.integers(60, 130), SEEDS)
def test_every_course_cover_and_way_to_pay_comes(visits: int, seed: int) -> None:
    found = planned(visits, seed).visits
    assert {visit.course for visit in found} == set(Course)
    assert {visit.person.cover for visit in found} == set(Cover)
    assert {visit.pay for visit in found} == set(Pay)


@given(SIZES, SEEDS)
def test_providers_share_the_visits_and_nobody_who_walks_in_is_known(
    visits: int, seed: int
) -> None:
    day = planned(visits, seed)
    load = Counter((visit.clinic, visit.provider) for visit in day.visits)
    assert len(load) == CLINICS * PROVIDERS_A_CLINIC
    assert max(load.values()) - min(load.values()) <= 1
    places = {(visit.clinic, visit.provider, visit.order) for visit in day.visits}
    assert len(places) == visits
    assert [visit.number for visit in day.visits] == list(range(visits))
    assert not [v for v in day.visits if v.course is Course.WALK_IN and v.person.known]
    whole = [visit for clinic in range(CLINICS) for visit in day.of(clinic)]
    assert sorted(visit.number for visit in whole) == list(range(visits))
    assert [visit.order for visit in day.of(0)] == sorted(visit.order for visit in day.of(0))


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([Check("a", 3, "rows")], 0),
        ([Check("a", 3, "rows"), Check("b", 1, "rows")], 0),
        ([Check("a", 3, "rows"), Check("b", 1, "rows", ["off by a cent"])], 1),
        ([Check("a", 0, "rows")], 1),
        ([], 1),
    ],
)
def test_a_check_that_saw_nothing_or_found_something_makes_the_exit_code_one(
    found: list[Check], code: int
) -> None:
    assert exit_code(found) == code
