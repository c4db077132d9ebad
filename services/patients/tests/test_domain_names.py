"""Names of people."""

import pytest

from services.patients.domain.names import (
    PersonName,
    checked_name,
    generation,
    is_placeholder,
    name_search,
)
from shared.values.errors import Invalid
from shared.values.text import search_form


def test_every_part_is_kept_composed_and_on_one_line() -> None:
    name = checked_name(
        family=" Nun\u0303ez ", given="Ana\nMari\u0301a", middle="L", suffix="Jr.", preferred="Any"
    )
    assert name == PersonName("Nu\u00f1ez", "Ana Mar\u00eda", "L", "Jr.", "Any")
    search = name_search(name)
    assert (search.family, search.given, search.preferred) == ("nunez", "anamaria", "any")


@pytest.mark.parametrize(("family", "given"), [("Madonna", None), (None, "Sukarno")])
def test_one_name_is_a_name_p17(family: str | None, given: str | None) -> None:
    name = checked_name(family=family, given=given)
    assert (name.family, name.given) == (family, given)
    search = name_search(name)
    assert {search.family, search.given} == {"", (family or given or "").lower()}


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        checked_name(family=None, given=None, suffix="Jr", pointer="/names/0")
    assert (refused.value.code, refused.value.pointer) == ("name.missing", "/names/0")


@pytest.mark.parametrize("part", ["family", "given", "middle", "suffix", "preferred"])
def test_a_fault_points_at_its_part(part: str) -> None:
    parts: dict[str, str | None] = {"family": "A", "given": "B"}
    for value, code in (("x\x00", "text.encoding"), (" ", "text.blank"), ("x" * 101, "")):
        with pytest.raises(Invalid) as refused:
            checked_name(**{**parts, part: value})  # type: ignore[arg-type]
        assert refused.value.pointer == f"/name/{part}"
        assert refused.value.code == (code or "text.too_long")


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("JR.", "jr"),
        ("Junior", "jr"),
        ("Sr", "sr"),
        ("II", "ii"),
        ("3rd", "iii"),
        ("IV", "iv"),
        ("PhD", None),
        (None, None),
    ],
)
def test_a_generation_is_read_from_the_suffix(suffix: str | None, expected: str | None) -> None:
    assert generation(suffix) == expected


@pytest.mark.parametrize("given", ["Baby Boy", "Baby girl B", "Newborn", "New Born", "Twin A"])
def test_a_name_not_chosen_yet_is_a_placeholder_p22(given: str) -> None:
    assert is_placeholder(search_form(given))
    assert is_placeholder(search_form(given).replace(" ", ""))


@pytest.mark.parametrize("given", ["Babette", "Boy", "Null", "Winston"])
def test_a_name_is_not_a_placeholder(given: str) -> None:
    assert not is_placeholder(search_form(given))
