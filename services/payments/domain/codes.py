"""The shapes of service and diagnosis codes. No code list is kept here: CPT is licensed by the AMA.

A shape says only that a code could be one; the fee schedule says whether it has a price.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from shared.values.errors import Invalid

MODIFIERS_MAX = 4
"""Modifiers of a service line (837P, SV101-3 to SV101-6)."""


class CodeSystem(StrEnum):
    """Where a service code comes from."""

    CPT = "cpt"
    """Five characters: five digits, or four and one of F, T, U, M, A (categories II and III,
    laboratory, vaccine administration)."""
    HCPCS = "hcpcs"
    """HCPCS level II: a letter A to V and four digits."""
    OWN = "own"
    """A network's own: one letter, a hyphen, 1 to 14 letters or digits, such as V-NEW."""


_SHAPES = (
    (CodeSystem.CPT, re.compile(r"[0-9]{4}[0-9FTUMA]")),
    (CodeSystem.HCPCS, re.compile(r"[A-V][0-9]{4}")),
    (CodeSystem.OWN, re.compile(r"[A-Z]-[A-Z0-9]{1,14}")),
)
_MODIFIER = re.compile(r"[A-Z0-9]{2}")
_DIAGNOSIS = re.compile(r"([A-Z][0-9][0-9AB])\.?([0-9A-Z]{1,4})?")
"""ICD-10-CM: three characters, then one to four after a point (2025 Official Guidelines, I.A.2)."""


def code_system(code: str) -> CodeSystem | None:
    """The system that a code has the shape of; None for no service code at all."""
    return next((system for system, shape in _SHAPES if shape.fullmatch(code)), None)


def service_code(code: str, *, pointer: str = "/code") -> str:
    """The code itself, in capitals. Raises Invalid ``code.service``."""
    tidy = code.upper() if code.isascii() else code
    if code_system(tidy) is None:
        raise Invalid("code.service", "This is not the shape of a service code.", pointer=pointer)
    return tidy


def modifiers(given: Sequence[str], *, pointer: str = "/modifiers") -> tuple[str, ...]:
    """Modifiers in capitals, in their order: four at most, each two characters and there once.

    Raises Invalid ``code.modifiers``.
    """
    tidy = tuple(each.upper() if each.isascii() else each for each in given)
    well_formed = all(_MODIFIER.fullmatch(each) for each in tidy)
    if not well_formed or len(tidy) > MODIFIERS_MAX or len(set(tidy)) < len(tidy):
        raise Invalid(
            "code.modifiers", "A line has 4 modifiers of 2 characters at most.", pointer=pointer
        )
    return tidy


def diagnosis_code(code: str, *, pointer: str = "/diagnoses") -> str:
    """An ICD-10-CM code in capitals and with its point. Raises Invalid ``code.diagnosis``."""
    match = _DIAGNOSIS.fullmatch(code.upper()) if code.isascii() else None
    if match is None or code.endswith("."):
        raise Invalid("code.diagnosis", "This is not the shape of an ICD-10 code.", pointer=pointer)
    category, rest = match.groups()
    return f"{category}.{rest}" if rest else str(category)
