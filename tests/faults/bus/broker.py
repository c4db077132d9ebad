"""A Kafka broker of the fault tests' own, which tells its clients the port of a proxy."""

import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ops import kafka, processes
from ops.kafka import Broker
from tests.faults.proxy import Proxy

Result = TypeVar("Result")


class FaultyBroker:
    """A broker that is frozen, killed and robbed of its data. Every method waits until it is so.

    It is started from a thread that stays: it ends when that thread ends.
    """

    def __init__(self, folder: Path, link: Proxy) -> None:
        self.folder, self.link = folder, link
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._broker: Broker | None = None

    @property
    def bootstrap(self) -> str:
        """Where clients begin: at the proxy, as everywhere after."""
        return f"127.0.0.1:{self.link.port}"

    @property
    def ours(self) -> bool:
        """Whether it is a process here, with the proxy as the address that it gives."""
        return self._broker is not None and self._broker.how == "java"

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._broker is not None
        return self._broker.pid

    @property
    def data(self) -> Path:
        """Where its logs are."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it on the data that is there. Raises CannotRun."""
        self._broker = self._do(lambda: kafka.start(self.folder, advertised=self.link.port))
        self.link.lead_to("127.0.0.1", int(self._broker.bootstrap.rpartition(":")[2]))

    def stop(self) -> None:
        """Stop it in peace; its data stays."""
        self._do(lambda: kafka.stop(self.folder))

    def kill(self) -> None:
        """End it as `kill -9` does."""
        mark = self._broker.mark if self._broker else None
        assert mark is not None
        self._do(lambda: processes.end(mark, ((signal.SIGKILL, 10.0),)))
        self.stop()

    def freeze(self) -> None:
        """Let it do nothing any more; its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Stop it and delete its data: the next start makes another, empty cluster."""
        self.kill()
        shutil.rmtree(self.data)

    def close(self) -> None:
        """End it for good, at once."""
        if self._broker is not None and self.ours:
            self.kill()
        self._thread.shutdown()

    def _do(self, work: Callable[[], Result]) -> Result:
        return self._thread.submit(work).result()
