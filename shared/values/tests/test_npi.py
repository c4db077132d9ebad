"""The check digit of the NPI."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values.errors import Invalid
from shared.values.npi import checked_npi, is_npi

VALID = "1234567893"
"""The example of the standard for the NPI check digit (CMS)."""

BODIES = st.integers(10**8, 3 * 10**8 - 1).map(str)


def npi_of(body: str) -> str:
    """The one number with these nine digits that is well formed."""
    (npi,) = [body + digit for digit in "0123456789" if is_npi(body + digit)]
    return npi


def test_the_example_of_the_standard_is_valid() -> None:
    assert checked_npi(f" {VALID} ") == VALID


@settings(max_examples=30, deadline=None, derandomize=True)
@given(BODIES, st.integers(0, 9), st.integers(1, 9))
def test_any_single_wrong_digit_is_found(body: str, place: int, off: int) -> None:
    npi = npi_of(body)
    wrong = npi[:place] + str((int(npi[place]) + off) % 10) + npi[place + 1 :]
    assert is_npi(npi)
    assert not is_npi(wrong)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(BODIES, st.integers(1, 8))
def test_two_neighbours_changed_about_are_found_but_for_nine_and_zero(body: str, at: int) -> None:
    npi = npi_of(body)
    pair = npi[at : at + 2]
    overlooked = pair[0] == pair[1] or set(pair) == {"0", "9"}
    assert is_npi(npi[:at] + pair[::-1] + npi[at + 2 :]) == overlooked


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1234567890", "npi.check_digit"),
        ("9941339108", "npi.format"),
        ("123456789", "npi.format"),
        ("12345678930", "npi.format"),
        ("123456789X", "npi.format"),
        ("", "npi.format"),
        ("\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0663", "npi.format"),
    ],
)
def test_what_is_no_npi_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_npi(text)
    assert refused.value.code == code
    assert text == "" or text not in refused.value.title
