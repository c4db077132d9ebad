"""Medical record numbers and their check digit."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.patients.domain.mrn import NUMBER_MAX, checked_mrn, mrn_of, normalised_mrn
from shared.values.errors import Invalid

FEW = settings(max_examples=50, deadline=None, derandomize=True)
NUMBERS = st.integers(1, NUMBER_MAX)


def is_mrn(text: str) -> bool:
    try:
        checked_mrn(text)
    except Invalid:
        return False
    return True


def test_a_number_is_nine_digits_and_the_example_of_damm_holds() -> None:
    # Damm's own example: the check digit of 572 is 4.
    assert mrn_of(572) == "000005724"
    assert len(mrn_of(NUMBER_MAX)) == 9


@FEW
@given(NUMBERS, st.integers(0, 8), st.integers(1, 9))
def test_any_single_wrong_digit_is_found(number: int, place: int, off: int) -> None:
    mrn = mrn_of(number)
    assert is_mrn(mrn)
    assert not is_mrn(mrn[:place] + str((int(mrn[place]) + off) % 10) + mrn[place + 1 :])


@FEW
@given(NUMBERS, st.integers(0, 7))
def test_any_two_neighbours_changed_about_are_found(number: int, place: int) -> None:
    mrn = mrn_of(number)
    assume(mrn[place] != mrn[place + 1])
    assert not is_mrn(mrn[:place] + mrn[place + 1] + mrn[place] + mrn[place + 2 :])


@pytest.mark.parametrize("number", [0, -1, NUMBER_MAX + 1])
def test_the_series_has_ends(number: int) -> None:
    with pytest.raises(ValueError, match="MRN"):
        mrn_of(number)


@pytest.mark.parametrize("text", ["AB12", " ab 12", "Ab-12", "a b 1 2\t"])
def test_case_space_and_hyphen_make_no_other_number_p42(text: str) -> None:
    assert normalised_mrn(text) == "AB12"


def test_a_number_is_read_as_it_is_typed() -> None:
    assert checked_mrn(" 0000-0572 4") == "000005724"
    with pytest.raises(Invalid) as refused:
        checked_mrn("000005725")
    assert refused.value.code == "mrn.check_digit"


def test_a_number_of_another_system_has_thirty_two_characters_at_most() -> None:
    assert normalised_mrn("A" * 32) == "A" * 32
    assert normalised_mrn("A-" * 32) == "A" * 32


@pytest.mark.parametrize(
    "text", ["", " - ", "A" * 33, "A" * 10_000, "12;34", "\u0661\u0662", "\x00"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalised_mrn(text)
    assert refused.value.code == "mrn.format"


@pytest.mark.parametrize("text", ["AB12", "12345678", "1234567890", "00000572A"])
def test_a_number_of_another_series_is_not_ours(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_mrn(text)
    assert refused.value.code == "mrn.format"
