"""A pytest plugin: the icalendar library, for the tests that read feeds back by it.

Where it is not installed those tests are skipped and the last lines of the run say so; with
REQUIRE_ICALENDAR=1 they fail instead.
"""

import importlib
import importlib.util
import os
from typing import Any

import pytest

REQUIRE = "REQUIRE_ICALENDAR"
MISSING = "no icalendar: "
WHY = "the package icalendar is not installed (`make install-dev`)"


@pytest.fixture
def icalendar() -> Any:
    """The module. Skips where there is none."""
    if importlib.util.find_spec("icalendar") is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but {WHY}", pytrace=False)
        pytest.skip(MISSING + WHY)
    return importlib.import_module("icalendar")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in the last lines that the library was left out."""
    reports = terminalreporter.stats.get("skipped", [])
    skipped = [report for report in reports if MISSING in str(report.longrepr)]
    if skipped:
        terminalreporter.section("icalendar was left out", yellow=True)
        terminalreporter.line(f"{len(skipped)} tests need it and did not run: {WHY}.")
