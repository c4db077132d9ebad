"""Three worker processes whose clocks are minutes apart and that are killed at every place that
matters, while visits are called off and patients take their consent back.

None is reminded of twice by one channel and lead, and nobody who should not be. FULL=1 takes 50,000
visits.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.appointments.commands.booking import visit_lock
from services.appointments.commands.cancelling import Cancelling, cancel
from services.appointments.commands.hearsay import note_revocation
from services.appointments.commands.reminders import plan_anew_of
from services.appointments.domain.reasons import Reason
from services.appointments.tests.builders import Scene, scene
from shared.db.actor import Actor
from shared.db.locks import lock_key
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.clocks import SharedClock

FULL = os.environ.get("FULL") == "1"
VISITS = int(os.environ.get("VISITS", 50_000 if FULL else 50))
SEED = int(os.environ.get("SEED", 1))
SKEWS = (-4, 0, 4)
STARTS = datetime(2026, 11, 12, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLACES = (
    "errand.send_reminder.asked",
    "errand.send_reminder.prepared",
    "errand.send_reminder.after_call",
    "worker.before_commit",
    "worker.commit_sent",
    "work.after_commit",
)

pytestmark = pytest.mark.timeout(6 * 3600 if FULL else 240)

_VISITS = """
INSERT INTO appointments (id, network_id, patient_id, clinic_id, provider_id, appointment_type_id,
  starts_at, ends_at, utc_offset_minutes, lifecycle, confirmation, flow, readiness,
  new_patient, walk_in, overbooked, moves, booked_at, late_cancel, keeps_time, version, event_seq)
SELECT v.id, $1, v.patient_id, $2, $3, $4, v.starts_at, v.starts_at + interval '20 min', -420,
  'booked', 'unsent', 'expected', 'unknown', true, false, false, 0, $5, false, false, 1, 1
FROM unnest($6::uuid[], $7::uuid[], $8::timestamptz[]) AS v (id, patient_id, starts_at)
"""
_CONSENTS = """
INSERT INTO known_consents (network_id, consent_id, patient_id, kind, text_version, granted_at)
SELECT $1, p, p, 'messages', '2026-01', $2 FROM unnest($3::uuid[]) AS p
"""
_TIMERS = """
INSERT INTO timer (network_id, kind, subject_id, due_at) SELECT $1, 'remind', v, $2
FROM unnest($3::uuid[]) AS v
"""
_OPEN = """
SELECT (SELECT count(*) FROM timer WHERE network_id = $1 AND kind = 'remind' AND ended_at IS NULL
        AND due_at <= $2 AND attempts < 10)
     + (SELECT count(*) FROM intent WHERE network_id = $1 AND state IN ('waiting', 'calling'))
"""
_MAY_HAVE_LEFT = "state IN ('sending', 'sent', 'unknown')"


@dataclass(slots=True)
class Town:
    """Visits, and who may be reminded of which."""

    at: Scene
    clock: SharedClock
    folder: Path
    environment: dict[str, str]
    chance: random.Random
    patients: dict[UUID, UUID] = field(default_factory=dict)
    forbidden: set[UUID] = field(default_factory=set)
    """Visits that were called off, or whose patients had opted out, before anything had left."""
    spoilt: set[UUID] = field(default_factory=set)
    """All that were called off or opted out."""
    deaths: Counter[str] = field(default_factory=Counter)
    places: deque[str] = field(default_factory=lambda: deque(PLACES))

    def context(self) -> Context:
        return Context(self.at.network_id, Actor("person", "test"), self.clock.now())

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        async with self.at.database.work(self.context()) as work:
            return list(await work.raw.fetch(statement, self.at.network_id, *arguments))

    async def settle_down(self, until: datetime) -> None:
        """Wait until nothing is left to do that is due by the slowest clock."""
        slowest = until + timedelta(minutes=min(SKEWS))
        async with asyncio.timeout(5 * 3600 if FULL else 120):
            while (await self.fetch(_OPEN, slowest))[0][0]:
                await asyncio.sleep(0.1)

    async def enter(self) -> None:
        """Visits over three days, each of a patient of its own."""
        visits = [new_id() for _ in range(VISITS)]
        self.patients = {visit: new_id() for visit in visits}
        starts = [STARTS + timedelta(minutes=self.chance.randrange(0, 3 * 24 * 60)) for _ in visits]
        ids = [UUID(self.at.clinic_id), UUID(self.at.provider_id), UUID(self.at.type_id)]
        people, network, now = list(self.patients.values()), self.at.network_id, self.clock.now()
        async with self.at.database.work(self.context()) as work:
            await work.raw.execute(_VISITS, network, *ids, now, visits, people, starts)
            await work.raw.execute(_CONSENTS, network, now, people)
            await work.raw.execute(_TIMERS, network, now, visits)

    async def call_off(self, visit: UUID) -> None:
        """As the desk does. What had not left by then is not to leave any more."""
        async with self.at.database.work(self.context(), visit_lock(visit)) as work:
            left = await work.raw.fetchval(
                f"SELECT count(*) FROM reminders WHERE appointment_id = $1 AND {_MAY_HAVE_LEFT}",
                visit,
            )
            await cancel(work, visit, Cancelling(Reason.PATIENT_REQUEST), 1)
        if not left:
            self.forbidden.add(visit)

    async def spoil(self, visit: UUID) -> None:
        """Call a visit off, or let its patient opt out."""
        self.spoilt.add(visit)
        await (self.call_off(visit) if self.chance.random() < 0.5 else self.opt_out(visit))

    async def opt_out(self, visit: UUID) -> None:
        """As the handler does when it hears that the consent was revoked."""
        patient = self.patients[visit]
        locks = (lock_key("patient", patient),)
        async with self.at.database.work(self.context(), locks) as work:
            left = await work.raw.fetchval(
                f"SELECT count(*) FROM reminders WHERE appointment_id = $1 AND {_MAY_HAVE_LEFT}",
                visit,
            )
            await note_revocation(work, patient, self.clock.now())
            await plan_anew_of(work, patient)
        if not left:
            self.forbidden.add(visit)

    # ── the processes ────────────────────────────────────────────────────────────────────────

    async def worker(self, skew: int) -> None:
        """Keep one worker going: each dies at some place, and another takes its turn."""
        told = json.dumps(
            {
                "clock": str(self.folder / "clock"),
                "folder": str(self.folder / "messages"),
                "skew": skew,
                "app_url": self.environment["CLINICBUS_APPOINTMENTS_APP_URL"],
                "worker_url": self.environment["CLINICBUS_APPOINTMENTS_WORKER_URL"],
            }
        )
        while True:
            place = self.places[0]
            self.places.rotate()
            often = 1 if place.startswith("errand.") else 8
            hits = self.chance.randrange(1, often * (2 + VISITS // 8))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.appointments.tests.reminder_worker", told),
                env={**os.environ, "CLINICBUS_FAILPOINTS": f"{place}:exit:{hits}"},
            )
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            assert code == 137
            self.deaths[place] += 1
            # The leases of the dead run out, and those of the living, whose calls go on.
            async with self.at.database.raw("worker") as raw:
                await raw.execute(
                    "UPDATE intent SET next_try_at = now() WHERE network_id = $1",
                    self.at.network_id,
                )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """With three workers at work."""
        tasks = [asyncio.create_task(self.worker(skew)) for skew in SKEWS]
        try:
            yield
            for task in tasks:
                assert not task.done(), task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def town(
    environment: dict[str, str],
    clinic_office: Office,
    network_id: UUID,
    clock: FixedClock,
    tmp_path: Path,
) -> Town:
    at = await scene(environment, clinic_office, network_id, clock)
    shared = SharedClock(tmp_path / "clock")
    shared.set(clock.now())
    return Town(at, shared, tmp_path, environment, random.Random(SEED))


async def test_nobody_is_reminded_twice_nor_who_should_not_be(town: Town) -> None:
    await town.enter()
    visits = list(town.patients)
    town.chance.shuffle(visits)
    # A tenth is called off or opted out beforehand, another while the workers are at it.
    before, during = visits[: VISITS // 10], visits[VISITS // 10 : VISITS // 5]
    async with town.working():
        await town.settle_down(town.clock.now())
        for visit in before:
            await town.spoil(visit)
        assert town.forbidden == set(before)
        for hours in range(-73, 74):
            town.clock.set(STARTS + hours * HOUR)
            for visit in during[max(0, hours + 73) :: 147]:
                await town.spoil(visit)
            if hours % (4 if FULL else 14) == 0:
                await town.settle_down(town.clock.now())
        await town.settle_down(town.clock.now())
    await _hold(town)


async def _hold(town: Town) -> None:
    """What must hold in the end, by the files that left and by the rows."""
    rows = await town.fetch("SELECT * FROM reminders WHERE network_id = $1")
    mine = {str(row["id"]): row for row in rows}
    files = [path.name.partition(".")[0] for path in (town.folder / "messages").iterdir()]
    sent = Counter(name for name in files if name in mine)
    # None doubled.
    assert [name for name, times in sent.items() if times > 1] == []
    keys = Counter((r["appointment_id"], r["channel"], r["lead_minutes"]) for r in rows)
    assert set(keys.values()) == {1}
    # None to visits that were off, nor to patients who had opted out.
    reminded = {mine[name]["appointment_id"] for name in sent}
    assert reminded.isdisjoint(town.forbidden)
    # What left is told as sent, or as unknown; and of what is told as sent each left.
    assert {mine[name]["state"] for name in sent} <= {"sent", "unknown"}
    assert all(str(row["id"]) in sent for row in rows if row["state"] == "sent")
    assert {row["state"] for row in rows} <= {"sent", "unknown", "suppressed"}
    # Where nobody knows, somebody calls.
    calls = await town.fetch("SELECT * FROM call_tasks WHERE network_id = $1")
    called = {row["appointment_id"] for row in calls}
    lost = {row["appointment_id"] for row in rows if row["state"] == "unknown"}
    assert lost <= called
    # And nobody was forgotten.
    assert set(town.patients) - town.spoilt - reminded - called == set()
    assert len(sent) > VISITS
    assert len(town.deaths) == len(PLACES)
    found = {"visits": VISITS, "messages": len(sent), "unknown": len(lost), "seed": SEED}
    print(json.dumps(found | {"deaths": dict(town.deaths)}))  # noqa: T201 - what a long run found
