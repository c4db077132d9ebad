"""Where the public example files are, if they are there; they are no part of the project."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]


def sample(name: str) -> Path:
    """The path of an example, e.g. ``x12/managed-care.835``; skips the test where it is absent.

    The folder is ``CLINICBUS_SAMPLES``, or ``shared/data`` beside the checkout.
    """
    named = os.environ.get("CLINICBUS_SAMPLES")
    folder = Path(named) if named else _ROOT.parent / "shared" / "data"
    path = folder / name
    if not path.is_file():
        pytest.skip(f"the example {name} is not there (CLINICBUS_SAMPLES names its folder)")
    return path
