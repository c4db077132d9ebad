"""A service's database, a key of ours, and a way to leave traces in the audit."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from ops.audit.export import export
from ops.audit.verify import Report, verify
from ops.day.databases import opened
from shared.db import failpoints
from shared.db.actor import Actor
from shared.db.anchors import Anchors, fresh_key
from shared.db.database import Database
from shared.db.sealing import anchor, seal
from shared.db.work import Context
from shared.values.clock import FixedClock
from shared.values.ids import new_id

SERVICE = "documents"
PRIVATE, PUBLIC = fresh_key()


@dataclass(slots=True)
class Book:
    """The audit of one service, with a network of the test's own."""

    database: Database
    worker_url: str
    eye: asyncpg.Connection
    folder: Path
    clock: FixedClock
    anchors: Anchors
    network: UUID = field(default_factory=new_id)
    exports: int = 0

    def context(self, who: str = "ann", network: UUID | None = None) -> Context:
        """Somebody's, now."""
        return Context(network or self.network, Actor("person", who), self.clock.now())

    async def note(
        self, action: str, *patients: UUID, who: str = "ann", network: UUID | None = None
    ) -> None:
        """An audit row, in a transaction of its own."""
        async with self.database.work(self.context(who, network)) as work:
            work.audit(action, f"/v1/things/{action}", patients=patients, detail={"is": "so"})

    async def sealed(self) -> int:
        """Seal all there is to seal; how many rows they were."""
        count = 0
        while (done := await seal(self.database)).rows:
            count += done.rows
        return count

    async def anchored(self) -> bool:
        """Write an anchor, if a head has moved."""
        return await anchor(self.database, self.anchors)

    async def exported(self, network: UUID | None = None) -> Path:
        """An export of the network."""
        self.exports += 1
        folder = self.folder / f"export-{self.exports}"
        urls = {SERVICE: self.worker_url}
        await export(urls, folder, {SERVICE: [network or self.network]}, whole=False)
        return folder

    async def verified(self) -> Report:
        """What is found of the network now that the heads are anchored."""
        await self.anchored()
        return verify(await self.exported(), self.anchors.folder, self.keys)

    @property
    def keys(self) -> Path:
        """The public keys."""
        return self.folder / "keys.json"

    async def seals(self) -> list[dict[str, Any]]:
        """The network's seals."""
        text = "SELECT * FROM audit_seal WHERE network_id = $1 ORDER BY seq"
        return [dict(row) for row in await self.eye.fetch(text, self.network)]


@pytest.fixture
async def book(
    environment: dict[str, str], postgres_superuser_url: str, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[Book]:
    """The audit of a service whose worker does not run, with anchors of its own."""
    upper = SERVICE.upper()
    worker_url = environment[f"CLINICBUS_{upper}_WORKER_URL"]
    database = Database.connect(SERVICE, environment[f"CLINICBUS_{upper}_APP_URL"], worker_url)
    (tmp_path / "key.json").write_text(PRIVATE)
    (tmp_path / "keys.json").write_text(PUBLIC)
    anchors = Anchors.of(tmp_path / "anchors", tmp_path / "key.json", timedelta(0))
    async with opened(postgres_superuser_url, SERVICE) as eye:
        found = Book(database, worker_url, eye, tmp_path, clock, anchors)
        await found.sealed()
        # The anchors of this test begin with number one, as those of a new system.
        await eye.execute(
            "UPDATE audit_sealer SET anchors = 0, anchored_at = now(),"
            " last_anchor = sha256('clinicbus.anchors.v1')"
        )
        yield found
    failpoints.arm("")
    await database.close()


def lines(folder: Path, name: str) -> list[str]:
    """The lines of a file of an export of one network."""
    (path,) = folder.glob(f"*/*/{name}.jsonl")
    return path.read_text().splitlines()


def ids(folder: Path, name: str = "rows") -> list[str]:
    """The ids of the rows in a file of an export."""
    return [json.loads(line)[0] for line in lines(folder, name)]
