"""The Kafka of a local system: a real broker, killed and kept."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from ops import kafka, processes
from ops.broker_child import LocalBroker
from ops.errors import CannotRun
from ops.ports import Ports
from ops.tests.systems import Changes


async def test_a_broker_is_kept_running_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    changes = Changes()
    broker = LocalBroker(tmp_path / "kafka", Ports.free().of["kafka"], changes)
    try:
        bootstrap = await broker.start()
    except CannotRun as error:
        await broker.stop()
        pytest.skip(f"no broker: {error}")
    try:
        if broker.state.pid is None:
            pytest.skip("a container runs the broker here; the engine keeps it")
        old = broker.state.pid
        os.kill(old, signal.SIGKILL)
        await changes.until(
            lambda: broker.state.restarts == 1 and broker.state.state == "ready", seconds=30
        )
        assert broker.state.pid != old
        again = kafka.status(tmp_path / "kafka")
        assert again is not None
        assert again.bootstrap == bootstrap
    finally:
        await broker.stop()
    assert kafka.status(tmp_path / "kafka") is None


async def test_a_broker_that_ran_before_is_used_and_left_running(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    try:
        there = kafka.start(folder)
    except CannotRun as error:
        pytest.skip(f"no broker: {error}")
    if there.how != "java":
        pytest.skip("the broker is not a process of this machine")
    try:
        broker = LocalBroker(folder, Ports.free().of["kafka"], Changes())
        assert await asyncio.wait_for(broker.start(), 10) == there.bootstrap
        assert broker.state.pid is None
        await broker.stop()
        assert processes.is_running(there.mark)
    finally:
        kafka.stop(folder)
