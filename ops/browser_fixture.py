"""A pytest plugin: a real browser (Debian's Chromium, by playwright) for the tests that need one.

Where there is none those tests are skipped and the last lines of the run say so; with
REQUIRE_BROWSER=1 they fail instead.
"""

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

REQUIRE = "REQUIRE_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = "no browser: "


def found() -> tuple[str | None, str]:
    """The browser's program, or None and what is missing."""
    if importlib.util.find_spec("playwright") is None:
        return None, "the package playwright is not installed (`make install-dev`)"
    for name in NAMES:
        if (program := shutil.which(name)) is not None:
            return program, ""
    return None, "Chromium is not installed (Debian: apt install chromium)"


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    """A playwright Browser. Skips where none can be had."""
    program, missing = found()
    if program is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but {missing}", pytrace=False)
        pytest.skip(MISSING + missing)
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        started = await driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        await started.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in the last lines that the browser was left out."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if MISSING in str(report.longrepr)
    ]
    if skipped:
        why = str(skipped[0].longrepr).partition(MISSING)[2].rstrip("')")
        terminalreporter.section("The browser was left out", yellow=True)
        terminalreporter.line(f"{len(skipped)} tests need a browser and did not run: {why}.")
