"""One of the made-up services as a process of its own, with the production relay and consumer.

    python -m tests.faults.bus.made_up '{"name": "beta", ...}'

alpha says that things change; beta and gamma each keep it. How it stands is written to a file ten
times a second. SIGTERM stops it as it stops a service.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from shared.bus import settle
from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus
from shared.bus.postgres import PostgresBus
from shared.bus.process import BusProcess, Subscriptions
from shared.bus.tests.company import NOON, ThingChanged, locks_of
from shared.contracts.envelope import Envelope
from shared.db.database import Database
from shared.db.work import Work
from shared.values.clock import FixedClock

STATE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Spec:
    """What a process is told. conduct: what its handler does the first time at a value,
    `["sleep", 5.0]` or `["block", 5.0]`, which also stops its loop; under "" at every value."""

    name: str
    app_url: str
    worker_url: str
    kind: Literal["postgres", "kafka"]
    address: str
    state: str
    session_s: float
    parked_keys_max: int
    conduct: dict[str, tuple[str, float]] = field(default_factory=dict)

    def json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    def bus(self) -> Bus:
        """The transport."""
        if self.kind == "kafka":
            return KafkaBus(self.address, session_ms=int(self.session_s * 1000))
        return PostgresBus(self.address, lease_seconds=self.session_s)


def subscriptions(spec: Spec) -> Subscriptions:
    """What a service hears, and how it behaves when it does."""

    once = {value: what for value, what in spec.conduct.items() if value}

    async def changed(work: Work, envelope: Envelope, event: ThingChanged) -> None:
        how, seconds = once.pop(str(event.value), spec.conduct.get("", ("", 0.0)))
        if how == "sleep":
            await asyncio.sleep(seconds)
        elif how == "block":
            time.sleep(seconds)  # noqa: ASYNC251 - this is the fault
        await work.raw.execute(
            "INSERT INTO effect (network_id, event_id, thing_id, seq, value)"
            " VALUES ($1, $2, $3, $4, $5)",
            work.network_id,
            envelope.id,
            event.thing_id,
            envelope.subject_seq,
            event.value,
        )

    return Subscriptions({} if spec.name == "alpha" else {ThingChanged: changed}, locks_of)


async def run(spec: Spec) -> None:
    """Run until SIGTERM."""
    settle.PARKED_KEYS_MAX = spec.parked_keys_max
    database = Database.connect(spec.name, spec.app_url, spec.worker_url)
    process = BusProcess(spec.name, spec.bus())
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    running = asyncio.create_task(process.run(database, FixedClock(NOON), subscriptions(spec)))
    waiting = asyncio.create_task(asked.wait())
    while not waiting.done() and not running.done():
        _tell(Path(spec.state), process)
        await asyncio.wait(
            (running, waiting), timeout=STATE_EVERY_S, return_when=asyncio.FIRST_COMPLETED
        )
    await process.stop()
    await asyncio.wait([running], timeout=5)
    waiting.cancel()
    await process.close()
    await database.close()


def _tell(path: Path, process: BusProcess) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"pid": os.getpid(), **process.state()}))
    new.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Be what the one argument tells."""
    asyncio.run(run(Spec(**json.loads(arguments[0]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
