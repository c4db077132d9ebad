"""Demographics as a whole: checked, merged with a patch, compared."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.patients.domain.birth import Gender
from services.patients.domain.demographics import (
    Demographics,
    PhoneUse,
    changed_members,
    checked,
    members_of,
    patched,
)
from shared.values.errors import Invalid

GIVEN: dict[str, Any] = {
    "name": {"family": "García", "given": "Ana", "middle": "Luz"},
    "birth_date": date(1984, 2, 29),
    "gender": Gender.FEMALE,
    "phones": [{"number": "303-555-0142", "use": PhoneUse.MOBILE}],
    "emails": ["Ana@Example.org"],
}
BEFORE = checked(GIVEN)


def test_a_record_read_back_as_members_is_the_same_record() -> None:
    assert checked(members_of(BEFORE)) == BEFORE


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, []),
        ({"name": {}}, []),
        ({"name": {"middle": None}}, ["name"]),
        ({"name": {"family": "Garci\u0301a"}}, []),
        ({"gender": None}, ["gender"]),
        ({"emails": None, "phones": []}, ["phones", "emails"]),
        ({"phones": [{"number": "+1 303 555 0142", "use": PhoneUse.MOBILE}]}, []),
        ({"phones": [{"number": "303-555-0142", "use": PhoneUse.HOME}]}, ["phones"]),
        ({"death_date": date(2026, 1, 1)}, ["death_date"]),
        ({"death_date": None, "addresses": None}, []),
    ],
)
def test_a_patch_changes_the_members_it_says(patch: dict[str, Any], changed: list[str]) -> None:
    assert changed_members(BEFORE, patched(BEFORE, patch)) == changed


def test_a_name_part_that_is_not_named_stays() -> None:
    after = patched(BEFORE, {"name": {"family": "Okafor", "middle": None}})
    assert (after.name.family, after.name.given, after.name.middle) == ("Okafor", "Ana", None)


@pytest.mark.parametrize("member", ["name", "birth_date"])
def test_what_a_record_cannot_be_without_is_not_taken_away(member: str) -> None:
    with pytest.raises(Invalid) as refused:
        patched(BEFORE, {member: None})
    assert (refused.value.code, refused.value.pointer) == ("member.required", f"/{member}")


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"emails": ["ana@example.org", "ANA@EXAMPLE.org"]}, "/emails"),
        ({"phones": GIVEN["phones"] * 2}, "/phones"),
    ],
)
def test_a_list_names_nothing_twice(more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked({**GIVEN, **more})
    assert (refused.value.code, refused.value.pointer) == ("contact.twice", pointer)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "gender": st.sampled_from([None, *Gender]),
            "emails": st.sampled_from([None, [], ["b@example.org"]]),
            "phones": st.sampled_from([None, [{"number": "+442079460018", "use": PhoneUse.WORK}]]),
            "name": st.sampled_from([{"family": "O'Brien"}, {"suffix": "Jr"}, {"middle": None}]),
        },
    )
)
def test_the_same_patch_twice_changes_nothing_more(patch: dict[str, Any]) -> None:
    once: Demographics = patched(BEFORE, patch)
    assert patched(once, patch) == once
