"""The searcher finds what is planted, in each form and place; and nothing where nothing is."""

import base64
import html
import json
import random
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest

from tests.leaks.search import Search, forms

NAME = "Zqbcdf Ö'Ferrán"
DATE = "1903-02-17"
PHONE = "+13035550142"
FILLER = [b"", b"x", b"xy", b"xyz"]

WRITTEN: dict[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    "upper": lambda text: text.upper().encode(),
    "lower": lambda text: text.lower().encode(),
    "url": lambda text: quote(text, safe="").encode(),
    "url, small": lambda text: quote(text, safe="").lower().encode(),
    "form": lambda text: urlencode({"q": text}).encode(),
    "plus": lambda text: quote_plus(text).encode(),
    "json": lambda text: json.dumps({"a": text}).encode(),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "a bytea": lambda text: rb"\x" + text.encode().hex().encode(),
    "repr": lambda text: repr(text).encode(),
    "ascii": lambda text: ascii(text).encode(),
    "repr of bytes": lambda text: repr(text.encode()).encode(),
    "html": lambda text: html.escape(text).encode(),
    "references": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace"),
    "latin-1": lambda text: text.encode("latin-1"),
}


@pytest.mark.parametrize("value", [NAME, DATE, PHONE], ids=["name", "date", "phone"])
@pytest.mark.parametrize("way", sorted(WRITTEN))
def test_a_value_is_found_however_it_is_written(value: str, way: str) -> None:
    planted = b'{"event": "a", "reason": "' + WRITTEN[way](value) + b'"}\n'
    assert {hit.value for hit in Search({value}).hits(planted)} == {value}


@pytest.mark.parametrize("value", [NAME, DATE, PHONE], ids=["name", "date", "phone"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", FILLER)
@pytest.mark.parametrize("after", FILLER)
def test_a_value_is_found_in_base64_wherever_it_begins(
    value: str, encode: Callable[[bytes], bytes], before: bytes, after: bytes
) -> None:
    hidden = encode(before + value.encode() + after)
    assert Search({value}).hits(b"eyJ" + hidden)[0].form.startswith("base64")


def test_a_name_is_found_as_systems_without_accents_write_it() -> None:
    for text in ("ZQBCDF O'FERRAN", "zqbcdf oferran", "zqbcdfoferran"):
        assert Search({NAME}).hits(text.encode()), text


def test_a_date_is_found_as_x12_and_people_write_it() -> None:
    for text in ("DMG*D8*19030217*F~", "02/17/1903", "born February 17, 1903"):
        assert Search({DATE}).hits(text.encode()), text


def test_a_phone_is_found_by_its_digits() -> None:
    for text in ("tel:3035550142", "13035550142", "(303) 555-0142", "303-555-0142"):
        assert Search({PHONE}).hits(text.encode()), text


def test_digits_within_an_id_are_no_hit() -> None:
    for text in ("a19030217", "19030217b", "193035550142", "3035550142f"):
        assert not Search({DATE, PHONE}).hits(text.encode()), text


def test_each_value_that_is_there_is_named_with_its_place() -> None:
    others = {f"Zq{number:04d}xx" for number in range(500)}
    found = Search(others | {NAME}).hits(b"Zq0007xx and " + NAME.encode())
    assert {(hit.value, hit.at) for hit in found} == {("Zq0007xx", 0), (NAME, 13)}


def test_nothing_is_found_in_other_words() -> None:
    dice = random.Random(7)
    noise = bytes(dice.randrange(256) for _ in range(200_000)) + b" 0190a1b2-0000-7000-8000-0001 "
    values = {f"Zq{number:04d}{DATE}" for number in range(500)} | {NAME, DATE, PHONE}
    assert Search(values).hits(noise) == []
    assert Search(values).hits(base64.b64encode(noise)) == []


def test_what_is_too_short_to_be_looked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Search({"Ada"})
    assert all(len(needle) >= 6 for _, needle in forms("Zq12345x"))
