"""The check digit of an NPI."""

import pytest

from services.eligibility.domain.npi import npi_holds


@pytest.mark.parametrize("npi", ["1234567893", "1467857193", "2000000002"])
def test_an_npi_with_the_right_check_digit_holds(npi: str) -> None:
    assert npi_holds(npi)


@pytest.mark.parametrize("digit", "012456789")
def test_every_other_check_digit_is_refused(digit: str) -> None:
    assert not npi_holds("123456789" + digit)


@pytest.mark.parametrize(
    "npi", ["", "123456789", "12345678930", "3234567893", "１234567893", "12345A7893"]
)
def test_what_has_not_its_form_is_refused(npi: str) -> None:
    assert not npi_holds(npi)
