"""A town whose visits are reminded of: 16 clinics, each visit with a patient of its own, and what
becomes of some of them while the workers are at it."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from bench.reminding_far_side import FarSide
from bench.reminding_truth import Deed, Visit
from bench.stage import LANE, NOW, Stage
from services.appointments.commands.booking import Destination, move, reschedule_locks, visit_lock
from services.appointments.commands.cancelling import Cancelling, call_off
from services.appointments.commands.hearsay import note_merge, note_revocation
from services.appointments.commands.reminders import plan_anew_of
from services.appointments.domain.reasons import Reason
from services.appointments.queries.visits import visit as visit_of
from shared.contracts.patients import PatientMerged
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.locks import LockKey, lock_key
from shared.db.work import Context
from shared.values.ids import new_id

FIRST = datetime(2027, 1, 6, 9, 30, tzinfo=UTC)
"""The first visit, a week from the stage's now. The town's clocks are in UTC."""
MOVED_TO = datetime(2027, 1, 11, 9, 30, tzinfo=UTC)
OPEN_MINUTES = 7 * 60
"""Visits start from 9:30 to 16:30, so that no reminder is due in quiet hours."""
MINUTES = 20
SLOTS_A_DAY = OPEN_MINUTES // MINUTES
LEADS = (72 * 60, 24 * 60)
"""Minutes before the visit, as is usual."""
AHEAD = timedelta(hours=2)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FATES = (("cancelled", 0.06), ("opted_out", 0.06), ("merged", 0.04), ("moved", 0.02))
"""What becomes of so many. merged: the patient's record is given up for another."""
BEFOREHAND = 0.3
"""So many of these before anything is due, the others from two hours before the first reminder is
due to when the last is."""

_VISITS = """
INSERT INTO appointments (id, network_id, patient_id, clinic_id, provider_id, appointment_type_id,
  starts_at, ends_at, utc_offset_minutes, lifecycle, confirmation, flow, readiness, new_patient,
  walk_in, overbooked, moves, booked_at, late_cancel, keeps_time, version, event_seq)
SELECT v.id, $1, v.patient_id, v.clinic_id, v.provider_id, $2, v.starts_at,
  v.starts_at + interval '20 min', 0, 'booked', 'unsent', 'expected', 'unknown', true, false, false,
  0, $3, false, false, 1, 1
FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::timestamptz[])
  AS v (id, patient_id, clinic_id, provider_id, starts_at)
"""
_SETTINGS = """
INSERT INTO reminder_settings (network_id, clinic_id, lead_minutes, channels, quiet_from,
  quiet_until, version)
SELECT $1, c, $3::int[], '{email}', '20:00', '09:00', 1 FROM unnest($2::uuid[]) AS c
"""
_PATIENTS = """
INSERT INTO known_patients (network_id, patient_id, registered, balance_cents, visits)
SELECT $1, p, true, 0, 0 FROM unnest($2::uuid[]) AS p
"""
_CONSENTS = """
INSERT INTO known_consents (network_id, consent_id, patient_id, kind, text_version, granted_at)
SELECT $1, p, p, 'messages', '2026-01', $2 FROM unnest($3::uuid[]) AS p
"""
_TIMERS = """
INSERT INTO timer (network_id, kind, subject_id, due_at) SELECT $1, 'remind', v, $2
FROM unnest($3::uuid[]) AS v
"""
_BEGUN = """
SELECT id FROM reminders WHERE network_id = $1 AND appointment_id = $2
AND state IN ('sending', 'sent', 'unknown')
"""


def told(at: datetime) -> str:
    """A time as messages tell it to a patient who lives where their clinic is."""
    clock = f"{at.hour % 12 or 12}:{at.minute:02d} {'AM' if at.hour < 12 else 'PM'}"
    return f"{at:%A}, {at:%B} {at.day}, {at.year} at {clock} (UTC)"


@dataclass(slots=True)
class Town:
    """Visits by the seed, and what is to become of which and when. now: the clock of all."""

    made: Stage
    database: Database
    mail: FarSide
    now: Callable[[], datetime]
    seed: int
    leads: tuple[int, ...] = LEADS
    visits: list[Visit] = field(default_factory=list)
    planned: list[tuple[datetime, str, Visit]] = field(default_factory=list)
    places: dict[UUID, int] = field(default_factory=dict)
    moved: int = 0

    def draw(self, count: int) -> None:
        """Draw visits over three days, or over one where they are few, and their fates."""
        chance = random.Random(f"visits/{self.seed}")
        days = 3 if count >= 5_000 else 1
        for _ in range(count):
            minutes = chance.randrange(OPEN_MINUTES // 5) * 5
            at = FIRST + chance.randrange(days) * DAY + minutes * MINUTE
            self.visits.append(Visit(new_id(), new_id(), told(at), self.leads, at))
        for number, visit in enumerate(self.visits):
            self.places[visit.id] = number % len(LANE)
            what = self._fate(chance.random())
            if what is not None:
                since = visit.starts_at - self.leads[0] * MINUTE - AHEAD
                span = (self.leads[0] - self.leads[-1]) * MINUTE + AHEAD
                early = chance.random() < BEFOREHAND
                self.planned.append((NOW if early else since + span * chance.random(), what, visit))
        self.planned.sort(key=lambda each: each[0])

    @staticmethod
    def _fate(chance: float) -> str | None:
        for what, share in FATES:
            chance -= share
            if chance < 0:
                return what
        return None

    async def enter(self, connection: asyncpg.Connection) -> None:
        """Write the visits, as booked at the stage's now."""
        network = self.made.network_id
        ids = [visit.id for visit in self.visits]
        people = [visit.patient for visit in self.visits]
        lanes = [LANE[self.places[visit.id]] for visit in self.visits]
        starts = [visit.starts_at for visit in self.visits]
        clinics, providers = [a.clinic_id for a in lanes], [a.provider_id for a in lanes]
        where = (ids, people, clinics, providers, starts)
        async with connection.transaction():
            await connection.execute(
                _SETTINGS, network, [lane.clinic_id for lane in LANE], self.leads
            )
            await connection.execute(_PATIENTS, network, people)
            await connection.execute(_VISITS, network, self.made.type_id, NOW, *where)
            await connection.execute(_CONSENTS, network, NOW, people)
            await connection.execute(_TIMERS, network, NOW, ids)

    def hours(self) -> list[datetime]:
        """The full hours after which something is due, in order, and one more on each day: what was
        put off for a quarter of an hour goes out on the same day. Asked before anything moved."""
        latest = MOVED_TO + (1 + self.to_move() // (SLOTS_A_DAY * len(LANE))) * DAY
        starts = {visit.starts_at for visit in self.visits}
        starts |= {MOVED_TO + n * DAY for n in range((latest - MOVED_TO).days)}
        due = {at - lead * MINUTE for at in starts for lead in self.leads}
        due |= {
            MOVED_TO + n * DAY + OPEN_MINUTES * MINUTE - lead * MINUTE
            for n in range((latest - MOVED_TO).days)
            for lead in self.leads
        }
        hour = timedelta(hours=1)
        full = {at.replace(minute=0) + hour for at in due}
        last = {max(at for at in full if at.date() == day) for day in {at.date() for at in full}}
        return sorted(full | {at + hour for at in last})

    def to_move(self) -> int:
        """How many visits are to move."""
        return sum(what == "moved" for _, what, _ in self.planned)

    async def live(self, until: datetime) -> None:
        """Do what is planned up to a time, eight at once."""
        gate = asyncio.Semaphore(8)

        async def one(what: str, visit: Visit) -> None:
            async with gate:
                await self._do(what, visit)

        due = [(what, visit) for at, what, visit in self.planned if at <= until]
        del self.planned[: len(due)]
        await asyncio.gather(*(one(what, visit) for what, visit in due))

    async def _do(self, what: str, visit: Visit) -> None:
        """Do one thing, and keep what had left or was being sent as it was committed."""
        to = self._free_time() if what == "moved" else None
        locks = await self._locks(what, visit, to)
        async with self.database.work(self._context(), locks) as work:
            kept = await work.raw.fetch(_BEGUN, work.network_id, visit.id)
            begun, calls = frozenset(row["id"] for row in kept), len(self.mail.calls)
            if what == "opted_out":
                await note_revocation(work, visit.patient, work.now)
                await plan_anew_of(work, visit.patient)
            elif what == "merged":
                merged = PatientMerged(
                    patient_id=visit.patient, survivor_id=new_id(), merged_at=work.now
                )
                await note_merge(work, merged)
                await plan_anew_of(work, visit.patient)
            elif to is None:
                row = await visit_of(work, visit.id)
                await call_off(work, row, Cancelling(Reason.PATIENT_REQUEST))
            else:
                row = await visit_of(work, visit.id)
                await move(work, row, to, Reason.PATIENT_REQUEST)
        when = visit.told if to is None else told(to.starts_at)
        visit.deeds.append(Deed(what, begun, calls, when))

    async def _locks(self, what: str, visit: Visit, to: Destination | None) -> Sequence[LockKey]:
        if what in ("opted_out", "merged"):
            return (lock_key("patient", visit.patient),)
        if to is None:
            return visit_lock(visit.id)
        async with self.database.work(self._context()) as work:
            return await reschedule_locks(work, visit.id, to)

    def _free_time(self) -> Destination:
        """A time in the week after that nobody has, at each of the clinics in turn."""
        slot, number = divmod(self.moved, len(LANE))
        self.moved += 1
        day, place = divmod(slot, SLOTS_A_DAY)
        starts_at = MOVED_TO + day * DAY + place * MINUTES * MINUTE
        lane = LANE[number]
        return Destination(starts_at, clinic_id=lane.clinic_id, provider_id=lane.provider_id)

    def _context(self) -> Context:
        return Context(self.made.network_id, Actor("person", "desk"), self.now())


async def what_is_kept(
    connection: asyncpg.Connection,
) -> tuple[list[Any], dict[UUID, Sequence[str]]]:
    """The reminders, and the reasons to call by visit."""
    rows = await connection.fetch("SELECT * FROM reminders")
    calls = await connection.fetch("SELECT appointment_id, reasons FROM call_tasks")
    return list(rows), {row["appointment_id"]: row["reasons"] for row in calls}
