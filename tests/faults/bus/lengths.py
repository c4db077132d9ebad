"""How long a fault lasts: short in CI, in full under FULL=1."""

import os

import pytest

FULL = os.environ.get("FULL") == "1"
SHORTENED: list[str] = []
"""What this run left to FULL=1, for its last lines."""


def lasting(what: str, short: float, full: float) -> float:
    """The length or size of a fault in this run."""
    if not FULL and short != full:
        SHORTENED.append(f"{what}: {short:g} of {full:g}")
    return full if FULL else short


def within(seconds: float) -> pytest.MarkDecorator:
    """How long a scenario may take in the short list; in the long one it has an hour."""
    return pytest.mark.timeout(3600 if FULL else seconds)


def short_on(kind: str) -> pytest.MarkDecorator:
    """A scenario that the short list has on one bus, the long list on both."""
    other = "kafka" if kind == "postgres" else "postgres"
    return pytest.mark.parametrize("kind", [kind, pytest.param(other, marks=pytest.mark.full)])
