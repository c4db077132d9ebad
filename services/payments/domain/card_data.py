"""Card numbers must not reach us in free text: PCI DSS v4.0.1, requirements 3.3 and 3.5.

The processor holds the card; we hold its opaque token, the brand and the last four digits.
"""

import re

from shared.values.errors import Invalid

_NUMBER = re.compile(r"(?<![0-9])[0-9](?:[ .-]?[0-9]){12,18}(?![0-9])")
_TRACK = re.compile(r"%?B[0-9]{12,19}\^|;[0-9]{12,19}=[0-9]{4}")
"""Magnetic stripe data, tracks 1 and 2 (ISO/IEC 7813)."""


def without_card_data(text: str, *, pointer: str) -> str:
    """The text itself. Raises Invalid ``card.data`` where it holds a card number or stripe data.

    A number is 13 to 19 digits, spaced or not, whose Luhn check digit (ISO/IEC 7812-1, annex B)
    is right: a check or phone number rarely is.
    """
    numbers = (re.sub(r"[^0-9]", "", match.group()) for match in _NUMBER.finditer(text))
    if _TRACK.search(text) or any(_luhn(number) for number in numbers):
        raise Invalid("card.data", "Card numbers are not taken here.", pointer=pointer)
    return text


def _luhn(digits: str) -> bool:
    doubled = (int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0
