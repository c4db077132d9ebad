"""A pytest plugin: a test that shows a rule may not be skipped (`ops/compliance.py`)."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Report a skipped test of a rule as failed. A run that leaves Kafka out is no release's."""
    outcome: Any = yield
    report = outcome.get_result()
    marked = item.get_closest_marker("rule") is not None
    if marked and report.skipped and "no broker: " not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} shows a rule and was skipped: {report.longrepr}"
