"""The Kafka broker of a local system: one that is there already, or one that is kept running."""

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ops import kafka, processes
from ops.child import PAUSES_S
from ops.errors import CannotRun
from ops.kafka import Broker
from ops.state import ProcessState

Result = TypeVar("Result")
STOP_STEPS = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))


class LocalBroker:
    """A broker for one system. One that ran before is used and left running."""

    def __init__(self, folder: Path, port: int, changed: Callable[[ProcessState], None]) -> None:
        self._folder = folder
        self._port = port
        self._changed = changed
        # A thread that stays: a broker that a thread starts ends when that thread ends.
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._broker: Broker | None = None
        self._ours = False
        self._task: asyncio.Task[None] | None = None
        self.state = ProcessState("kafka", port=port, log=str(folder / "broker.log"))

    async def start(self) -> str:
        """Start it, or find it, and wait until it listens; where it is, as host:port."""
        there = await self._in_thread(self._find)
        broker = await self._in_thread(self._begin) if there is None else there
        self._ours = there is None and broker.how == "java"
        self._note(broker)
        if self._ours:
            self._task = asyncio.create_task(self._keep(broker))
        return broker.bootstrap

    async def stop(self) -> None:
        """Stop it, where it was started here."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._ours and self._broker is not None:
            mark = self._broker.mark
            await self._in_thread(lambda: processes.end(mark, STOP_STEPS))
        self._thread.shutdown()
        self.state.pid = None
        self._set("stopped")

    def _find(self) -> Broker | None:
        return kafka.status(self._folder)

    def _begin(self) -> Broker:
        return kafka.start(self._folder, port=self._port)

    async def _keep(self, broker: Broker) -> None:
        failures = 0
        while True:
            await processes.end_of(broker.mark)
            self.state.pid, self.state.last_end = None, "ended"
            self._set("waiting")
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1
            self.state.restarts += 1
            try:
                broker = await self._in_thread(self._begin)
            except CannotRun as error:
                self.state.last_end = str(error)
            else:
                self._note(broker)

    def _note(self, broker: Broker) -> None:
        self._broker = broker
        if self._ours:
            self.state.pid, self.state.started = broker.pid, broker.started
        self.state.url = broker.bootstrap
        self._set("ready")

    def _set(self, state: str) -> None:
        self.state.state = state
        self._changed(self.state)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def must_be_free(folder: Path) -> bool:
    """Whether the broker's port has to be free: not when a broker is given or runs already."""
    return not os.environ.get("KAFKA_BOOTSTRAP_SERVERS") and kafka.status(folder) is None
