"""Names that sound alike, and short forms."""

import pytest

from services.patients.domain.phonetics import sound, stand_for_each_other


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("robert", "r163"),
        ("rupert", "r163"),
        ("rubin", "r150"),
        ("ashcraft", "a261"),
        ("ashcroft", "a261"),
        ("tymczak", "t522"),
        ("pfister", "p236"),
        ("honeyman", "h555"),
        ("gutierrez", "g362"),
        ("vandeusen", "v532"),
        ("lee", "l000"),
        ("\u674e", "\u674e"),
        ("\u674elee", "\u674elee"),
        ("", ""),
    ],
)
def test_soundex_by_the_examples_of_the_national_archives(name: str, code: str) -> None:
    assert sound(name) == code


def test_short_forms_stand_for_their_names() -> None:
    assert stand_for_each_other("bob", "robert")
    assert stand_for_each_other("bob", "rob")
    assert stand_for_each_other("chris", "christina")
    assert stand_for_each_other("chris", "christopher")
    assert not stand_for_each_other("christina", "christopher")
    assert not stand_for_each_other("wei", "wei")
