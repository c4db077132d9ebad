"""What text may be kept, and how it is found. Numbers such as P14 are of the catalogue."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values.errors import Invalid
from shared.values.text import (
    checked_line,
    checked_note,
    compact_form,
    prefix_range,
    search_form,
)

FEW = settings(max_examples=80, deadline=None, derandomize=True)
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def refused(text: str, limit: int = 200) -> str:
    with pytest.raises(Invalid) as error:
        checked_line(text, pointer="/x", limit=limit)
    assert error.value.pointer == "/x"
    return error.value.code


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x00", id="P1-NUL"),
        pytest.param("a\ud800b", id="P5-surrogate"),
        pytest.param("a\udfffb", id="P5-low-surrogate"),
        pytest.param("a\x07b", id="P7-C0"),
        pytest.param("a\x7fb", id="P7-DEL"),
        pytest.param("a\x85b", id="P7-C1"),
        pytest.param("\ufeffAda", id="P8-BOM"),
        *[pytest.param(f"a{mark}b", id=f"P9-{ord(mark):x}") for mark in BIDI],
        pytest.param("a\U000e0041b", id="tag"),
        pytest.param("a\uffff", id="noncharacter"),
        pytest.param("a\ufdd0", id="noncharacter-arabic"),
    ],
)
def test_characters_that_nobody_can_read_are_refused(text: str) -> None:
    assert refused(text) == "text.encoding"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\u200b\u200d\u2060", id="P10-zero-width-only"),
        pytest.param("", id="P11-empty"),
        pytest.param(" \t\r\n\u00a0\u3000", id="P11-blank"),
        pytest.param("\u0301\u034f", id="marks-on-nothing"),
        pytest.param("\u3164\u115f\u2800", id="fillers"),
        pytest.param("\u2028\u2029", id="separators"),
    ],
)
def test_text_without_anything_visible_is_blank(text: str) -> None:
    assert refused(text) == "text.blank"


def test_the_limit_counts_before_and_after_composition_p12() -> None:
    assert refused("a" * 10_000) == "text.too_long"
    assert refused("abc", limit=2) == "text.too_long"
    assert checked_line("abc", pointer="/x", limit=3) == "abc"
    # One character that NFC turns into three.
    assert refused("\ufb2c", limit=2) == "text.too_long"
    assert checked_line("\ufb2c", pointer="/x", limit=3) == "\u05e9\u05bc\u05c1"


ACCEPTED = [
    pytest.param("Ren\u00e9e", id="P13-composed"),
    pytest.param("Ka\u02bbiulani", id="P14-okina"),
    pytest.param("O'Brien", id="P15"),
    pytest.param("Null", id="P16"),
    pytest.param("Madonna", id="P17"),
    pytest.param("O", id="P18"),
    pytest.param("\u0645\u062d\u0645\u062f", id="P19-Arabic"),
    pytest.param("\U00020000\U0002a6d6", id="P20-CJK-Ext-B"),
    pytest.param("Smith-Jones Lee", id="P21"),
    pytest.param("Baby Boy", id="P22"),
    pytest.param("<script>alert(1)</script>", id="P23"),
    pytest.param("'; DROP TABLE patients; --", id="P24"),
    pytest.param("{{7*7}}", id="P25"),
    pytest.param("${jndi:ldap://x}", id="P26"),
    pytest.param("=cmd|' /C calc'!A0", id="P28"),
    pytest.param("\u0905\u0928\u093f\u0932", id="Devanagari"),
    pytest.param("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", id="Persian-joiner"),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_any_name_and_any_markup_is_plain_data(text: str) -> None:
    assert checked_line(text, pointer="/x") == text
    assert checked_note(text, pointer="/x") == text
    assert search_form(text)


def test_decomposed_text_is_kept_composed_p13() -> None:
    assert checked_line("Rene\u0301e", pointer="/x") == "Ren\u00e9e"


def test_line_ends_and_runs_of_space_become_one_space_in_a_line_p27() -> None:
    text = " Ada \r\n\tSet-Cookie: x\u2028\u00a0Lovelace "
    assert checked_line(text, pointer="/x") == "Ada Set-Cookie: x Lovelace"


def test_a_note_keeps_its_lines() -> None:
    assert checked_note("\r\none\r\ntwo\rthree \n", pointer="/x") == "one\ntwo\nthree"
    with pytest.raises(Invalid) as error:
        checked_note("x" * 4_001, pointer="/note")
    assert (error.value.code, error.value.pointer) == ("text.too_long", "/note")


@FEW
@given(st.text(max_size=40))
def test_what_is_kept_is_composed_visible_and_kept_again_as_it_is(text: str) -> None:
    try:
        kept = checked_line(text, pointer="/x")
    except Invalid:
        return
    assert unicodedata.is_normalized("NFC", kept)
    assert checked_line(kept, pointer="/x") == kept
    assert kept == kept.strip()
    assert kept
    assert not [char for char in kept if unicodedata.category(char) in ("Cc", "Cs")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ren\u00e9e", "rene\u0301e"),
        ("RENEE", "Ren\u00e9e"),
        ("O'Brien", "O\u2019Brien"),
        ("O'Brien", "obrien"),
        ("Ka\u02bbiulani", "Ka'iulani"),
        ("Smith-Jones", "Smith Jones"),
        ("Smith\u2010Jones", "smith  jones"),
        ("Stra\u00dfe", "STRASSE"),
        ("S\u00f8rensen", "Sorensen"),
        ("\u0141ukasz", "lukasz"),
        ("\u0130lker", "ilker"),
        ("\uff21\uff24\uff21", "ada"),
        ("\u0645\u064f\u062d\u0645\u062f", "\u0645\u062d\u0645\u062f"),
        ("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "\u0639\u0644\u06cc\u0631\u0636\u0627"),
        ("D. J.", "d j"),
    ],
)
def test_two_writings_of_a_name_have_one_search_form(one: str, other: str) -> None:
    assert search_form(one) == search_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0905\u0928\u093f\u0932", "\u0905\u0928\u0940\u0932"),
        ("Ann", "Anna"),
        ("\uac00", "\uac01"),
        ("Smith Jones", "Jones Smith"),
        ("%", "_"),
    ],
)
def test_two_names_have_two_search_forms(one: str, other: str) -> None:
    assert search_form(one) != search_form(other)


def test_the_compact_form_joins_the_words() -> None:
    assert compact_form("De La Cruz") == compact_form("delacruz") == "delacruz"


def test_punctuation_alone_is_found_as_it_is() -> None:
    assert search_form("--") == "--"
    assert search_form(" ' ' ") == "''"


@FEW
@given(st.text(max_size=30))
def test_a_search_form_is_composed_and_spaced_by_one_and_does_not_change_again(text: str) -> None:
    form = search_form(text)
    assert unicodedata.is_normalized("NFC", form)
    assert form == " ".join(form.split())
    assert search_form(form) == form


@FEW
@given(st.text(alphabet="ab%_\u00e9\u4e00\U00020000", max_size=5), st.text(max_size=5))
def test_a_prefix_range_holds_exactly_what_begins_with_the_form(prefix: str, rest: str) -> None:
    low, high = prefix_range(prefix)
    # The collation "C" compares the bytes of UTF-8, whose order is that of the code points.
    assert (low <= prefix + rest < high) or rest.startswith("\U0010ffff")
    assert not low <= "A" + prefix < high or ("A" + prefix).startswith(prefix)
