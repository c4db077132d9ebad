"""Pauses that differ between processes, so that what failed together does not return together."""

from secrets import randbelow


def jitter() -> float:
    """A number in [0, 1). Tests and simulations pass a function of their own."""
    return randbelow(4096) / 4096
