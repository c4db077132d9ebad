"""Fixtures: a whole system of real processes, once for each bus; the seed of the random choices.

SEED=n chooses the seed, FULL=1 the long list: what the short one leaves out is said at its end.
"""

import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from ops import postgres
from ops import seed as seeding
from ops.layout import Layout
from ops.options import Options
from ops.ports import Ports
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web.clocks import SharedClock
from tests.faults.bus import lengths
from tests.faults.stable import SERVICE, ForkingSystem, Stable
from tests.faults.town import Town

NOW = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)
"""Tuesday morning at both clinics. It stands still: what goes by real time are the faults."""
SEED = int(os.environ.get("SEED") or 1)
FULL = os.environ.get("FULL") == "1"
SAID = pytest.StashKey[dict[str, list[str]]]()
"""What the end of a run says: figures, what was left out and what was shortened."""


# ── the seed and the two lists ───────────────────────────────────────────────────────────────────


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "full: a fault of the long list alone (FULL=1)")
    config.addinivalue_line("markers", "first: looks so often that little should be there yet")
    config.addinivalue_line("markers", "last: leaves so many events that looks take longer")
    said: dict[str, list[str]] = {"figures": [], "left": [], "shortened": []}
    config.stash[SAID] = said


def pytest_report_header() -> str:
    """The seed, before anything goes wrong."""
    return f"faults: SEED={SEED}, {'the long list (FULL=1)' if FULL else 'the short list'}"


class Parts(LoadScopeScheduling):  # type: ignore[misc]
    """Four parts run beside each other, three of them with whole systems of their own."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        if "/bus/" in file or "test_proxy" in file:
            return "bus"
        if "test_cutover" in file or "kafka]" in name:
            return "kafka"
        if "test_databases" in file or "test_truth" in file or "restarted_one_by_one" in name:
            return "databases"
        return "processes"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Parts:
    """Four processes at the most have something to do."""
    return Parts(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what belongs to the long list to it; what leaves a heap behind comes last."""
    items.sort(key=_turn)
    if FULL:
        return
    left = [item for item in items if item.get_closest_marker("full")]
    config.stash[SAID]["left"] += [item.nodeid for item in left]
    config.stash[SAID]["shortened"] += lengths.SHORTENED
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def _turn(item: pytest.Item) -> tuple[bool, bool, bool]:
    """One bus after the other, and what comes first or last there."""
    spec = getattr(item, "callspec", None)
    on_kafka = spec is not None and spec.params.get("bus") == "kafka"
    first, last = (item.get_closest_marker(name) is not None for name in ("first", "last"))
    return on_kafka, not first, last


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Say with every failure which seed finds it again."""
    report = yield
    if report.failed and "tests/faults" in item.nodeid:
        report.sections.append(("seed", f"make faults SEED={SEED}{' FULL=1' if FULL else ''}"))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where tests run in several processes, send what this one has to say."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["faults"] = session.config.stash[SAID]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what one of several processes has to say; what was left out is the same in all."""
    said = node.config.stash[SAID]
    for kind, lines in getattr(node, "workeroutput", {}).get("faults", {}).items():
        said[kind] += [line for line in lines if line not in said[kind]]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was measured, and what the short list left out."""
    said = config.stash[SAID]
    for line in said["figures"]:
        terminalreporter.line(line)
    if said["left"] or said["shortened"]:
        terminalreporter.section("Left to the long list: make faults FULL=1", yellow=True)
        for line in (*said["left"], *said["shortened"]):
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long durations and counts are wanted."""
    return FULL


@pytest.fixture(scope="session")
def seed() -> int:
    """What all random choices come from."""
    return SEED


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line for the end of the run: what was counted or measured."""
    name = request.node.name
    return lambda text: request.config.stash[SAID]["figures"].append(f"{name}: {text}")


@pytest.fixture
def dice(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """Random choices of one test, the same for the same seed."""
    return random.Random(f"{seed}/{request.node.name}")


# ── the system ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session", params=["postgres", "kafka"])
def bus(request: pytest.FixtureRequest) -> str:
    """Each bus. Without a broker the second is left out, and the run's last lines say so."""
    kind: str = request.param
    if kind == "kafka":
        request.getfixturevalue("kafka_bootstrap")
    return kind


@pytest.fixture(scope="session")
def broker_restart(request: pytest.FixtureRequest, bus: str) -> Callable[[], None] | None:
    """Stops the broker and starts it again; None on the Postgres bus, or where it is not ours."""
    found: Callable[[], None] | None = None
    if bus == "kafka":
        found = request.getfixturevalue("kafka_restart")
    return found


@pytest.fixture(scope="session")
def prepared_allowed() -> Iterator[None]:
    """A server on which transactions can be prepared, so that one can be left behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(postgres.SETTINGS, "max_prepared_transactions", "2")
        yield


@pytest.fixture(scope="session")
def stable() -> Iterator[Stable]:
    """Services that are there at once."""
    with Stable(SERVICE, *(f"services.{name}.app" for name in SERVICES)) as found:
        yield found


@pytest.fixture(scope="session")
def forking(stable: Stable, full: bool) -> Stable | None:
    """Where the services of systems come from: in the long list each is a program of its own."""
    return None if full else stable


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def town(
    request: pytest.FixtureRequest, bus: str, prepared_allowed: None, forking: Stable | None
) -> AsyncIterator[Town]:
    """A network with two clinics, open, on processes that are flushed to disk."""
    kind: Any = bus
    with tempfile.TemporaryDirectory(prefix="cb-faults-") as name:
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        clock.set(NOW)
        options = Options(bus=kind, clock_file=folder / "clock")
        system = ForkingSystem(Layout(folder / "data"), Ports.free(), options)
        system.stable = forking
        with pytest.MonkeyPatch.context() as patch:
            if bus == "kafka":
                bootstrap = request.getfixturevalue("kafka_bootstrap")
                patch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap)
            await system.start()
        try:
            async with httpx.AsyncClient(timeout=30) as http:
                network = new_id()
                facts = await seeding.seed(system.urls, system.token, network)
                yield Town(system, http, network, facts)
        finally:
            await system.stop()
