"""The National Provider Identifier (45 CFR 162.406): ten digits, the last a check digit."""

import re

from shared.values import luhn
from shared.values.errors import Invalid

_PREFIX = "80840"
"""Health applications in the United States: the issuer prefix of ISO/IEC 7812 that CMS assigned."""

# [0-9], for \d takes the digits of every script. The first is 1 (a person) or 2 (an organisation).
_SHAPE = re.compile(r"[12][0-9]{9}", re.ASCII)


def checked_npi(text: str, *, pointer: str = "/npi") -> str:
    """The ten digits themselves. Spaces at the ends are dropped.

    Raises Invalid: ``npi.format`` (not ten digits that start with 1 or 2), ``npi.check_digit``.
    """
    npi = text.strip(" ")
    if not _SHAPE.fullmatch(npi):
        raise Invalid("npi.format", "An NPI is ten digits and starts with 1 or 2.", pointer=pointer)
    if not luhn.checks(_PREFIX + npi):
        raise Invalid("npi.check_digit", "The check digit of the NPI is wrong.", pointer=pointer)
    return npi


def is_npi(text: str) -> bool:
    """Whether the text is a well-formed NPI; nothing says that it was ever assigned."""
    try:
        checked_npi(text)
    except Invalid:
        return False
    return True
