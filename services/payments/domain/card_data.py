"""Card numbers must not reach us in free text: PCI DSS v4.0.1, requirements 3.3 and 3.5.

The processor holds the card; we hold its opaque token, the brand and the last four digits.
"""

import re

from shared.values.card_numbers import holds_card_number
from shared.values.errors import Invalid

_TRACK = re.compile(r"%?B[0-9]{12,19}\^|;[0-9]{12,19}=[0-9]{4}")
"""Magnetic stripe data, tracks 1 and 2 (ISO/IEC 7813)."""


def without_card_data(text: str, *, pointer: str) -> str:
    """The text itself. Raises Invalid ``card.data`` where it holds a card number or stripe data.

    The door has looked for card numbers already (`shared.web.card_numbers`), but in what is a
    number itself, such as a check's; and it knows no stripes.
    """
    if _TRACK.search(text) or holds_card_number(text):
        raise Invalid("card.data", "Card numbers are not taken here.", pointer=pointer)
    return text
