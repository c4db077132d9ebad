"""Medical record numbers: one series per network, nine digits, the last a check digit."""

import re

from shared.values.errors import Invalid

NUMBER_MAX = 99_999_999
MRN_MAX = 32

# The quasigroup of H. M. Damm (2004, "Total anti-symmetrische Quasigruppen"). It finds every wrong
# digit and every two neighbours changed about, where Luhn overlooks 09 and 90.
_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)

_FOREIGN = re.compile(r"[A-Z0-9]+", re.ASCII)


def mrn_of(number: int) -> str:
    """The MRN of the n-th patient of a network, e.g. ``000000424`` for 42.

    Raises ValueError outside 1 to 99,999,999: the series is at its end.
    """
    if not 1 <= number <= NUMBER_MAX:
        raise ValueError("an MRN counts from 1 to 99,999,999")
    digits = f"{number:08d}"
    return digits + str(_damm(digits))


def normalised_mrn(text: str) -> str:
    """The form that is unique in a network: upper case, without spaces and hyphens.

    For numbers of other systems too, so letters are fine: `ab 12` and `AB-12` are one number.
    Raises Invalid ``mrn.format``: empty, longer than 32, or other characters in it.
    """
    packed = re.sub(r"[\s\-]", "", text[: MRN_MAX * 2]).upper()
    if len(text) > MRN_MAX * 2 or len(packed) > MRN_MAX or not _FOREIGN.fullmatch(packed):
        raise Invalid("mrn.format", "This is not a medical record number.", pointer="/mrn")
    return packed


def checked_mrn(text: str) -> str:
    """A number of our own series, as somebody typed it, normalised.

    Raises Invalid: ``mrn.format``, ``mrn.check_digit``.
    """
    mrn = normalised_mrn(text)
    if not re.fullmatch(r"[0-9]{9}", mrn):
        raise Invalid("mrn.format", "This is not a medical record number.", pointer="/mrn")
    if _damm(mrn) != 0:
        raise Invalid("mrn.check_digit", "The check digit of the number is wrong.", pointer="/mrn")
    return mrn


def _damm(digits: str) -> int:
    """The interim digit after all digits: the check digit of a body, zero with the right one."""
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return interim
