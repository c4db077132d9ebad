"""One worker process that reminds, with a clock of its own: `python -m` with settings in JSON as
the first argument. It ends by its failpoints, or by a kill."""

import asyncio
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvloop

from services.appointments.clients import FolderMessenger
from services.appointments.domain.reminders import Channel
from services.appointments.errands import errands
from services.appointments.tests.reminding import PATIENTS, Patients
from services.appointments.timers import TIMERS
from shared.db.database import Database
from shared.db.errands import run_errands
from shared.db.timers import run_timers
from shared.testing.apps import Switchboard
from shared.testing.tokens import ISSUER, TestIssuer
from shared.web.clocks import SharedClock
from shared.web.service import Ports
from shared.web.settings import Chassis


class Skewed:
    """The clock of all, and some minutes."""

    def __init__(self, clock: SharedClock, skew: timedelta) -> None:
        self._clock, self._skew = clock, skew

    def now(self) -> datetime:
        """The instant that this process takes for now."""
        return self._clock.now() + self._skew


async def main(told: dict[str, Any]) -> None:
    """Fire timers and run errands until killed."""
    clock = Skewed(SharedClock(Path(told["clock"])), timedelta(minutes=told["skew"]))
    board, issuer, patients = Switchboard(), TestIssuer(), Patients()
    board.connect(ISSUER, issuer.answer)
    board.connect(PATIENTS, patients.answer)
    http = httpx.AsyncClient(transport=board)
    chassis = Chassis(issuer=ISSUER, urls={"patients": PATIENTS})
    mail = {Channel.EMAIL: FolderMessenger(Path(told["folder"]))}
    made = errands(Ports(http, chassis, clock, "appointments"), mail)
    database = Database.connect("appointments", told["app_url"], told["worker_url"])
    await asyncio.gather(
        run_timers(database, TIMERS, clock, idle_seconds=0.05), run_errands(database, made, clock)
    )


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
