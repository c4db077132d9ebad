"""The Postgres of a local system: the embedded one, kept running, or one of your own."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg

from ops import postgres, postgres_cluster
from ops.child import Child, Process
from ops.errors import CannotRun
from ops.postgres import Cluster, Server
from ops.state import ProcessState
from shared.db.pool import AWAY


class EmbeddedDatabase:
    """The embedded server as a child that is started again when it dies."""

    def __init__(
        self,
        cluster: Cluster,
        port: int | None,
        changed: Callable[[ProcessState], None],
        *,
        keep: bool,
    ) -> None:
        self._cluster = cluster
        self._port = port
        self._server: Server | None = None
        self.child = Child(
            ProcessState("postgres", port=port, log=str(cluster.log)),
            self._spawn,
            self._ready,
            changed,
            keep=keep,
            explain=self._explain,
            stop_signal=signal.SIGINT,
        )

    @classmethod
    async def prepared(
        cls,
        folder: Path,
        port: int | None,
        changed: Callable[[ProcessState], None],
        *,
        durable: bool,
        keep: bool,
    ) -> "EmbeddedDatabase":
        """Make the cluster where there is none; it is started by `start`."""
        cluster = await asyncio.to_thread(postgres.prepare, folder, durable=durable)
        return cls(cluster, port, changed, keep=keep)

    async def start(self) -> None:
        """Start it and wait until it takes connections, a recovery included."""
        await self.child.start()
        await self.child.wait_until_ready(postgres.READY_TIMEOUT_S)

    async def settle(self) -> None:
        """Write out what the migrations made: a crash soon after is then recovered in a moment."""
        try:
            connection = await asyncpg.connect(self.superuser_url)
            try:
                await connection.execute("CHECKPOINT")
            finally:
                await connection.close()
        except AWAY:
            # It died meanwhile; it is started again, and recovery ends with a checkpoint.
            return

    async def stop(self) -> None:
        """Stop it and give its folder back."""
        await self.child.stop()
        self._cluster.release()

    @property
    def superuser_url(self) -> str:
        """Where it is, through its socket."""
        return self._running().superuser_url

    async def _spawn(self) -> Process:
        if self._server is not None:
            # The processes of a server that was killed hold its memory for a moment longer.
            pgdata = self._cluster.account.pgdata
            await asyncio.to_thread(postgres_cluster.clear_leftovers, pgdata)
        self._server = postgres.launch(self._cluster, self._port)
        return self._server.process

    async def _ready(self, _: Process) -> bool:
        return postgres.is_ready(self._running())

    def _explain(self) -> CannotRun:
        return postgres.why_not(self._running())

    def _running(self) -> Server:
        if self._server is None:
            raise LookupError("the embedded Postgres was not started")
        return self._server
