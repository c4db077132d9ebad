"""Card numbers in texts. The numbers are those that the schemes publish for tests, or made."""

import re
import unicodedata
from itertools import cycle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.values import luhn
from shared.values.card_numbers import DIGITS_MAX, DIGITS_MIN, SCHEMES, holds_card_number

VISA = "4111111111111111"

PUBLISHED = {
    "Visa of 13": "4222222222222",
    "Visa": VISA,
    "Visa of 19": "4000000000000000006",
    "Mastercard": "5555555555554444",
    "Mastercard, 2 series, first": "2221000000000009",
    "Mastercard, 2 series": "2223003122003222",
    "Mastercard, 2 series, last": "2720990000000007",
    "American Express": "378282246310005",
    "American Express, 34": "343434343434343",
    "Discover": "6011111111111117",
    "Discover, 644": "6445644564456445",
    "Discover, 65": "6500000000000002",
    "Diners Club": "30569309025904",
    "Diners Club, 36": "36227206271667",
    "Diners Club, 38": "38520000023237",
    "JCB": "3530111333300000",
    "JCB, first": "3528000000000007",
    "UnionPay": "6200000000000005",
    "UnionPay of 19": "6205500000000000004",
    "UnionPay, 81": "8171999927660000",
    "Maestro, 50": "5018000000000009",
    "Maestro, 67": "6759649826438453",
    "Maestro of 13": "5000000000005",
}


@pytest.mark.parametrize("scheme", sorted(PUBLISHED))
def test_a_number_of_each_scheme_is_found(scheme: str) -> None:
    assert holds_card_number(PUBLISHED[scheme])


WRITTEN = [
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "4111\u20131111\u20111111\u22121111",
    "4111\u00a01111\u202f1111\u30001111",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    "4111  -  1111 - 1111\t1111",
    "4111 1111\n1111 1111",
    "3782 822463 10005",
    "paid with 4111111111111111, thanks",
    "card:4111111111111111.",
    "x4111111111111111y",
    "IMG_4111111111111111.png",
    "%B4111111111111111^DOE/JANE^30011010000",
    ";4111111111111111=30011010000?",
    "ref 12 4111 1111 1111 1111 12/29 123",
    "303-555-0142 4111 1111 1111 1111",
    "20261126 4111111111111111 20261126",
    "41\u200b11\u200c11\u200d11\u2060111\u00ad11111",
    "4\ufe0f\u20e31111111\ufe0e11111111",
    " ".join(["\u0664" + 3 * "\u0661", *3 * [4 * "\u0661"]]),
    "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11",
    "\U0001d7d2111 1111 1111 111\u0967",
    "\u2463111 1111 1111 111\u00b9",
    "0190a1b2-0000-7000-8000-000000000001 4111111111111111",
]


@pytest.mark.parametrize("text", WRITTEN, ids=range(len(WRITTEN)))
def test_a_number_is_found_however_it_is_written(text: str) -> None:
    assert holds_card_number(text)
    assert holds_card_number(unicodedata.normalize("NFC", text))


OTHERS = [
    "",
    "4111111111111112",  # the check digit
    "411111111111111",  # 15 digits: no Visa has them
    "41111111111111111111",  # 20 digits
    "2220999999999999",  # below Mastercard's second series
    "2721000000000004",  # above it
    "1234567890123452",  # no scheme's
    "79927398713",  # annex B's own example
    "0000000000000000",
    "9000000000000000001",
    "call (303) 555-0142 or 303-555-0143",
    "+1 303 555 0142",
    "2026-11-30T15:00:00-07:00",
    "1000000004",
    "4111/1111/1111/1111",
    "4111a1111b1111c1111",
    "12345678901234567890123",
    # ids and hashes whose digits would do
    "0190a1b2-4111-7111-8111-111111111111",
    "41111111-1111-4111-8111-abcdefabcdef",
    "a4111111111111111bcdefabcdefabcd",
    "a4111111111111111bcdefabcdefabcdea4111111111111111bcdefabcdefabc",
]


@pytest.mark.parametrize("text", OTHERS, ids=range(len(OTHERS)))
def test_other_numbers_are_left_alone(text: str) -> None:
    assert not holds_card_number(text)


# ── properties ───────────────────────────────────────────────────────────────────────────────────


def with_check_digit(digits: str) -> str:
    """Digits with the last one made right."""
    return next(found for d in range(10) if luhn.checks(found := f"{digits[:-1]}{d}"))


def numbers() -> st.SearchStrategy[str]:
    """Any number of any scheme: its pattern, with the check digit made right. The last digit is
    in no scheme's first digits."""
    patterns = [re.compile(pattern, re.ASCII) for pattern in SCHEMES.values()]
    return st.one_of(
        *(st.from_regex(pattern, fullmatch=True).map(with_check_digit) for pattern in patterns)
    )


SEPARATORS = st.text(st.sampled_from(" -.\u00a0\u2009\u2010\u2014\u200b\u2060\u00ad\n"), max_size=3)
ZEROS = "0\u0660\u06f0\u0966\u0e50\uff10\U0001d7ce"
"""Zero in scripts whose other digits follow it."""


@given(numbers(), st.lists(SEPARATORS, min_size=1, max_size=19), st.text("ab ,:/_(", max_size=8))
def test_any_number_is_found_with_anything_between_its_digits(
    number: str, between: list[str], around: str
) -> None:
    written = "".join(digit + gap for digit, gap in zip(number, cycle(between), strict=False))
    assert holds_card_number(f"{around}{written}{around}")


@given(numbers(), st.lists(st.sampled_from(ZEROS), min_size=1, max_size=19))
def test_any_number_is_found_in_the_digits_of_any_script(number: str, zeros: list[str]) -> None:
    pairs = zip(number, cycle(zeros), strict=False)
    assert holds_card_number("".join(chr(ord(zero) + int(digit)) for digit, zero in pairs))


@given(numbers(), st.integers(1, 9))
def test_no_number_with_another_check_digit_is_one(number: str, off: int) -> None:
    assert not holds_card_number(number[:-1] + str((int(number[-1]) + off) % 10))


@given(numbers(), st.integers(0, 18), st.integers(0, 17))
def test_one_wrong_digit_and_most_swaps_are_seen_by_the_check_digit(
    number: str, place: int, swap: int
) -> None:
    place, swap = place % len(number), swap % (len(number) - 1)
    wrong = f"{number[:place]}{(int(number[place]) + 1) % 10}{number[place + 1 :]}"
    assert not luhn.checks(wrong)
    pair = number[swap : swap + 2]
    assume(pair[0] != pair[1] and set(pair) != {"0", "9"})
    assert not luhn.checks(number[:swap] + pair[::-1] + number[swap + 2 :])


@given(st.uuids(), st.sampled_from(["{}", "key-{}", "see {} of today"]))
def test_no_id_is_taken_for_one(one: object, around: str) -> None:
    assert not holds_card_number(around.format(one))
    assert not holds_card_number(around.format(str(one).replace("-", "")))


@given(st.text())
def test_any_text_can_be_looked_through(text: str) -> None:
    if holds_card_number(text):
        assert sum(unicodedata.digit(char, -1) >= 0 for char in text) >= DIGITS_MIN


@given(st.text("0123456789", min_size=DIGITS_MAX + 1, max_size=40))
def test_a_row_of_more_digits_is_none(text: str) -> None:
    assert not holds_card_number(text)
