"""Let what was booked follow its wall time, where the rules of a clinic's zone changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments import events
from services.appointments.commands.booking import (
    NO_SHOW,
    Destination,
    lineage_row,
    reschedule_locks,
)
from services.appointments.commands.places import free_held
from services.appointments.commands.reminders import plan_anew
from services.appointments.commands.sessions import moved_to, whole_locks
from services.appointments.commands.waitlist import end_seat_offers
from services.appointments.domain.no_show import due_at
from services.appointments.domain.reasons import Unchosen
from services.appointments.domain.reschedule import Lineage, Place
from services.appointments.domain.zones import Unclear, instant_now, offset_minutes
from services.appointments.queries.sessions import one_session, seats_of
from services.appointments.queries.visits import clinic_zone, visit
from services.appointments.queries.zones import Ahead, Kind, all_ahead, in_the_way
from services.appointments.tables import Appointment, Occupancy, Session
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.interval import Interval
from shared.values.zones import zone

WHY = Unchosen.ZONE_RULES


@dataclass(frozen=True, slots=True)
class Change:
    """A visit or session whose instant is to follow its wall time."""

    what: Ahead
    to: datetime

    @property
    def at(self) -> datetime:
        """Where it is."""
        return self.what.at


@dataclass(frozen=True, slots=True)
class ToSee:
    """Something that a person must see to.

    why: `time.nonexistent` or `time.ambiguous`; `time.passed` where it would have begun already;
    `slot.taken` where beside is in its way; `visit.begun` where somebody has come for it;
    `time.zone_unknown`; `not_moved` for a block or a shift, which a person enters anew.
    """

    what: Ahead
    why: str
    beside: UUID | None = None


@dataclass(slots=True)
class Survey:
    """What the rules that this machine has say of a network's times."""

    changes: list[Change] = field(default_factory=list)
    to_see: list[ToSee] = field(default_factory=list)


async def survey(work: Work) -> Survey:
    """What lies ahead at another instant than its wall time has by now; nothing is written."""
    found, seen = Survey(), set[UUID]()
    for what in await all_ahead(work):
        judged = _judged(what, work.now)
        if isinstance(judged, Change):
            found.changes.append(judged)
        elif judged is not None and what.id not in seen:
            seen.add(what.id)
            found.to_see.append(judged)
    return found


def _judged(what: Ahead, now: datetime) -> Change | ToSee | None:
    try:
        to = instant_now(what.at, what.offset, zone(what.zone))
    except Invalid as error:
        return ToSee(what, error.code)
    if to == what.at:
        return None
    if what.kind in (Kind.BLOCK, Kind.SHIFT):
        return ToSee(what, "not_moved")
    if isinstance(to, Unclear):
        return ToSee(what, to.why)
    return Change(what, to) if to > now else ToSee(what, "time.passed")


async def follow_locks(work: Work, change: Change) -> Sequence[LockKey]:
    """What it changes that something follows its wall time."""
    if change.what.kind is Kind.SESSION:
        session = await one_session(work, change.what.id)
        return await whole_locks(work, session.id, moved_to(session, change.to))
    return await reschedule_locks(work, change.what.id, Destination(change.to))


async def follow(work: Work, change: Change) -> ToSee | None:
    """Move one visit, or one session with its seats. Under `follow_locks`.

    It keeps its place, lanes and confirmation, and no rule is asked again: the patient comes at
    the hour that was agreed upon. Done twice, or after it moved or ended, it does nothing. What
    could not be moved is told, and nothing was written then.
    """
    if change.what.kind is Kind.SESSION:
        return await _follow_session(work, change)
    row = await visit(work, change.what.id)
    if row.lifecycle != "booked" or (row.starts_at, row.utc_offset_minutes) != _was(change):
        return None
    taken = await work.load_where(Occupancy, "appointment_id = $2 AND active", row.id)
    refused = await _make_way(work, change, taken, row.appointment_type_id)
    if refused is None:
        await _free(work, taken)
        await _moved(work, row, change.to, zone(await clinic_zone(work, row.clinic_id)))
        _occupy(work, taken, change.to - change.at)
        await work.flush()
    return refused


async def _follow_session(work: Work, change: Change) -> ToSee | None:
    row = await one_session(work, change.what.id)
    if row.state != "open" or (row.starts_at, row.utc_offset_minutes) != _was(change):
        return None
    seats = await seats_of(work, row.id)
    if any(seat.lifecycle != "booked" for seat in seats):
        return ToSee(change.what, "visit.begun")
    where = "(session_id = $2 OR appointment_id = ANY ($3)) AND active"
    taken = await work.load_where(Occupancy, where, row.id, [seat.id for seat in seats])
    refused = await _make_way(work, change, taken, row.appointment_type_id)
    if refused is not None:
        return refused
    in_zone, by = zone(await clinic_zone(work, row.clinic_id)), change.to - change.at
    await end_seat_offers(work, row.id)
    await _free(work, taken)
    _start(row, change.to, in_zone)
    row.moves += 1
    work.save(row)
    work.say(events.session_moved(row, WHY.value), of=row)
    for seat in seats:
        await _moved(work, seat, change.to, in_zone)
    await work.flush()
    _occupy(work, taken, by)
    await work.flush()
    return None


def _was(change: Change) -> tuple[datetime, int]:
    return change.what.at, change.what.offset


async def _make_way(
    work: Work, change: Change, taken: Sequence[Occupancy], type_id: UUID
) -> ToSee | None:
    beside, over = await in_the_way(work, taken, change.to - change.at, type_id)
    if beside is not None:
        return ToSee(change.what, "slot.taken", beside)
    await free_held(work, over)
    return None


async def _free(work: Work, taken: Sequence[Occupancy]) -> None:
    for row in taken:
        row.active = False
        work.save(row)
    await work.flush()


def _occupy(work: Work, taken: Sequence[Occupancy], by: timedelta) -> None:
    """The same places in the same lanes, some time later."""
    moved = {"active": True}
    for row in taken:
        of_row = {name: getattr(row, name) for name in _KEPT}
        times = {"starts_at": row.starts_at + by, "ends_at": row.ends_at + by}
        work.insert(Occupancy, [{**of_row, **times, **moved, "id": work.new_id("occupancy")}])


_KEPT = (
    "network_id", "resource_kind", "resource_id", "lane", "appointment_id", "session_id",
    "seat_of", "seats",
)  # fmt: skip

# What was said at the desk and sent to the patient holds for the wall time, which stays.
_STILL_HOLDS = (
    "UPDATE reminders SET move = $3 WHERE network_id = $1 AND appointment_id = $2 AND move = $4",
    "UPDATE requirement_checks SET visit_moves = $3"
    " WHERE network_id = $1 AND appointment_id = $2 AND visit_moves = $4",
)


async def _moved(work: Work, row: Appointment, to: datetime, in_zone: ZoneInfo) -> None:
    was = Interval(row.starts_at, row.ends_at)
    _start(row, to, in_zone)
    became = Interval(row.starts_at, row.ends_at)
    lineage = Lineage(
        row.id,
        row.moves + 1,
        Place(was, row.clinic_id, row.provider_id, row.room_id),
        Place(became, row.clinic_id, row.provider_id, row.room_id),
        work.now,
        WHY,
    )
    row.moves = lineage.move
    work.save(row)
    work.add(lineage_row(work, lineage))
    for text in _STILL_HOLDS:
        await work.raw.execute(text, work.network_id, row.id, lineage.move, lineage.move - 1)
    work.say(events.rescheduled(row, lineage), of=row)
    work.timer(NO_SHOW, row.id, due_at(became))
    plan_anew(work, row.id)
    work.audit("appointment.follow_zone", f"appointment/{row.id}", patients=[row.patient_id])


def _start(row: Appointment | Session, to: datetime, in_zone: ZoneInfo) -> None:
    length = row.ends_at - row.starts_at
    row.starts_at, row.ends_at = to, to + length
    row.utc_offset_minutes = offset_minutes(to, in_zone)
