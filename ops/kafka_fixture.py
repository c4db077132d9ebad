"""A pytest plugin: a real Kafka for the tests that need one, started once and when first asked for.

Without one those tests are skipped and the last lines of the run say so; with REQUIRE_KAFKA=1 they
fail instead.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops import kafka
from ops.errors import CannotRun

REQUIRE = "REQUIRE_KAFKA"


@pytest.fixture(scope="session")
def kafka_folder() -> Iterator[Path]:
    """Where the broker of this test process keeps its data."""
    folder = Path(tempfile.mkdtemp(prefix="cb-kafka-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_folder: Path) -> Iterator[str]:
    """`host:port` of a real broker. Skips where none can be had."""
    try:
        broker = kafka.start(kafka_folder)
    except CannotRun as error:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but there is no broker. {error}", pytrace=False)
        pytest.skip(f"no broker: {error}")
    yield broker.bootstrap
    kafka.stop(kafka_folder)


@pytest.fixture(scope="session")
def kafka_restart(kafka_bootstrap: str, kafka_folder: Path) -> Callable[[], None] | None:
    """Stops the broker and starts it again; None where it is not ours."""
    broker = kafka.status(kafka_folder)
    if broker is None or broker.how != "java" or broker.bootstrap != kafka_bootstrap:
        return None

    def again() -> None:
        kafka.stop(kafka_folder)
        kafka.start(kafka_folder, stays=True)  # it outlives the thread that starts it

    return again


@pytest.fixture
def kafka_wiped(
    kafka_restart: Callable[[], None] | None, tmp_path: Path
) -> Iterator[tuple[str, Callable[[], None]]]:
    """`host:port` of a broker of this test alone, and how it loses all that it has."""
    if kafka_restart is None:  # a second one in a container would be the first
        pytest.skip("the broker is not ours to wipe: none runs from jars here")
    broker = kafka.start(tmp_path)

    def wipe() -> None:
        kafka.stop(tmp_path)
        shutil.rmtree(tmp_path / "data")
        kafka.start(tmp_path, stays=True)  # it outlives the thread that starts it

    try:
        yield broker.bootstrap, wipe
    finally:
        kafka.stop(tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in the last lines that Kafka was left out."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "no broker: " in str(report.longrepr)
    ]
    if skipped:
        why = str(skipped[0].longrepr).partition("no broker: ")[2].rstrip("')")
        terminalreporter.section("Kafka was left out", yellow=True)
        terminalreporter.line(f"{len(skipped)} tests need a broker and did not run. {why}")
