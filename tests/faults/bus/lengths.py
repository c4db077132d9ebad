"""How long a fault lasts: short in CI, in full under FULL=1."""

import os

FULL = os.environ.get("FULL") == "1"
LEFT: list[str] = []
"""What this run left to FULL=1, for its last lines."""


def lasting(what: str, short: float, full: float) -> float:
    """The length or size of a fault in this run."""
    if not FULL and short != full:
        LEFT.append(f"{what}: {short:g} of {full:g}")
    return full if FULL else short
