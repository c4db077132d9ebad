"""National Provider Identifier: ten digits, the last a check digit (45 CFR 162.406)."""

import re

_NPI = re.compile(r"[12]\d{9}", re.ASCII)
_PREFIX = "80840"  # issuer prefix under which the check digit is computed (ISO/IEC 7812)


def npi_holds(npi: str) -> bool:
    """Whether `npi` has the form of one and its check digit (Luhn) is right."""
    if not _NPI.fullmatch(npi):
        return False
    total = 0
    for place, digit in enumerate(reversed(_PREFIX + npi)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
