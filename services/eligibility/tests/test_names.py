"""Names as they are sent, and names that agree."""

import pytest

from services.eligibility.domain.names import (
    as_sent,
    same_first_name,
    same_last_name,
    same_member,
)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Anders", "ANDERS"),
        ("  de  la  Cruz ", "DE LA CRUZ"),
        ("José", "JOSE"),
        ("Jose\u0301", "JOSE"),
        ("Groß", "GROSS"),
        ("Øystein Ægir", "OYSTEIN AEGIR"),
        ("O\u2019Brien", "O'BRIEN"),
        ("\u02bbAnela", "'ANELA"),
        ("Smith\u2010Jones", "SMITH-JONES"),
        ("", ""),
    ],
)
def test_names_are_sent_in_capitals_without_accents(name: str, sent: str) -> None:
    assert as_sent(name) == sent


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Anders", "ANDERS", True),
        ("Smith-Jones", "SMITH JONES", True),
        ("O'Brien", "OBRIEN", True),
        ("José", "JOSE", True),
        ("Featherstonehaugh", "FEATHERSTONE", True),
        ("Li", "LI", True),
        ("Li", "LIN", False),
        ("Smith", "JONES", False),
    ],
)
def test_last_names_agree_by_their_letters(one: str, other: str, same: bool) -> None:
    assert same_last_name(one, other) is same
    assert same_last_name(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Berta", "BERTA A", True),
        ("Maria Luisa", "MARIA", True),
        ("Christopher", "CHRISTOPH", True),
        ("Robert", "JOHN", False),
        ("Jane", "J", False),
        ("Jo", "JOHN", False),
    ],
)
def test_first_names_agree_in_their_first_word(one: str, other: str, same: bool) -> None:
    assert same_first_name(one, other) is same
    assert same_first_name(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("act-100 200", "ACT100200", True),
        ("0012", "12", False),
        ("A1", "A2", False),
    ],
)
def test_member_ids_agree_but_for_blanks_hyphens_and_case(one: str, other: str, same: bool) -> None:
    assert same_member(one, other) is same
