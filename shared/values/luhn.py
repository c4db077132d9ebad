"""The check digit of ISO/IEC 7812-1, annex B, which ids of cards and of providers end with."""

_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Twice a digit, as the sum of its own digits."""


def checks(digits: str) -> bool:
    """Whether the last of these digits (0 to 9) is right: from it leftwards, each second counts
    double.
    """
    return sum(map(int, digits[::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0
