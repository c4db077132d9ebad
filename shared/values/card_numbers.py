"""Numbers of payment cards, wherever they stand in a text (ISO/IEC 7812-1).

A number has a scheme's first digits, one of that scheme's lengths, and a right check digit (annex
B). It is found as people write it: in groups, with spaces, hyphens or dots between the digits, in
digits of any script, with characters in between that nobody sees. The first digits are those that
the schemes have published; a number of no scheme is no card's.
"""

import re
import unicodedata
from functools import lru_cache

from shared.values import luhn

DIGITS_MIN, DIGITS_MAX = 13, 19
"""A number's length. Maestro has shorter ones, which nothing tells from other numbers."""

SCHEMES: dict[str, str] = {
    "Visa": r"4(?:\d{12}|\d{15}|\d{18})",
    "Mastercard": r"(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}",
    "American Express": r"3[47]\d{13}",
    "Discover": r"(?:6011|64[4-9]\d|65\d\d)\d{12,15}",
    "Diners Club": r"(?:30[0-5]\d|3095|36\d\d|3[89]\d\d)\d{10,15}",
    "JCB": r"35(?:2[89]|[3-8]\d)\d{12,15}",
    "UnionPay": r"(?:62|81)\d{14,17}",
    "Maestro": r"(?:50|5[6-8]|63|67)\d{11,17}",
}
"""First digits and lengths of each scheme, as patterns of a whole number."""

_CARD = re.compile("|".join(SCHEMES.values()), re.ASCII)
_OTHERS = re.compile(r"[^0-9 ]+")
# Ids are random: among many, some hold a row of digits that would do for a card's.
_ID = re.compile(
    r"(?<![0-9a-z])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,})(?![0-9a-z])",
    re.IGNORECASE | re.ASCII,
)
_BETWEEN = frozenset({"Cf", "Mn", "Me", "Pd", "Zs", "Zl", "Zp"})
"""Categories of what may stand between two digits: invisible, a mark on one, a dash, a space."""
_ALSO_BETWEEN = frozenset(
    "\t\n\v\f\r\x85.\u2212\u00b7\u2022\u2027\u30fb\u2800\u3164\uffa0\u115f\u1160"
)
"""White space that is a control, dots, the minus, and letters that show nothing."""


def holds_card_number(text: str) -> bool:
    """Whether a card's number stands somewhere in the text.

    A number is whole groups of digits: a row of more than 19 holds none, and UUIDs and hashes in
    hexadecimal digits are passed over.
    """
    if len(text) < DIGITS_MIN:
        return False
    plain = "".join(map(_plain, _ID.sub("x", text)))
    return any(_among(run.split()) for run in _OTHERS.split(plain) if len(run) >= DIGITS_MIN)


def _among(groups: list[str]) -> bool:
    """Whether some groups in a row are a card's number."""
    for first in range(len(groups)):
        digits = ""
        for group in groups[first : first + DIGITS_MAX]:
            digits += group
            if len(digits) > DIGITS_MAX:
                break
            if _CARD.fullmatch(digits) and luhn.checks(digits):
                return True
    return False


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """A digit of any script as itself, a space for what is between digits, x for all else."""
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    if char in _ALSO_BETWEEN or unicodedata.category(char) in _BETWEEN:
        return " "
    return "x"
