"""Group sessions: open one, move it or call it off with all its seats."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments import events
from services.appointments.commands.booking import (
    NO_SHOW,
    book_locks,
    lineage_row,
)
from services.appointments.commands.cancelling import Cancelling, call_off
from services.appointments.commands.places import (
    Wanted,
    facts_of,
    free,
    free_held,
    free_session,
    occupancy_rows,
    wish_of,
)
from services.appointments.commands.reminders import plan_anew
from services.appointments.commands.seats import occupy, wanted_of
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.commands.waitlist import end_seat_offers, seat_offer_locks
from services.appointments.domain import session as rules
from services.appointments.domain.booking import Booking, decide_booking
from services.appointments.domain.explain import naming_rules
from services.appointments.domain.no_show import due_at
from services.appointments.domain.occupancy import Calendar, ResourceKind
from services.appointments.domain.reasons import Reason
from services.appointments.domain.reschedule import Lineage, Place
from services.appointments.domain.status import Lifecycle, Move
from services.appointments.domain.tally import Counted
from services.appointments.domain.zones import offset_minutes
from services.appointments.queries import sessions as read
from services.appointments.tables import Appointment, Occupancy, Session
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Conflict
from shared.values.interval import Interval


async def open_session(work: Work, wanted: Wanted, seats: int) -> tuple[Session, str]:
    """Open a session: it occupies what a visit would, but no patient. Also the clinic's zone.

    Under `book_locks`. Raises what a booking raises.
    """
    known = await facts_of(work, wanted, may_overbook=False)
    with naming_rules():
        booking = decide_booking(wish_of(work, wanted, known), known.facts, work.now)
    await free_held(work, known.expired)
    row = work.create(
        Session,
        id=work.new_id("session"),
        network_id=work.network_id,
        appointment_type_id=wanted.appointment_type_id,
        **_place_of(booking, known.facts.zone),
        seats=seats,
        opened_at=work.now,
    )
    work.insert(Occupancy, occupancy_rows(work, booking, row.id, 0, session_id=row.id))
    work.say(events.session_opened(row), of=row)
    return row, known.facts.zone.key


async def whole_locks(work: Work, session_id: UUID, to: Wanted | None = None) -> list[LockKey]:
    """What a change of a session and all its seats changes; to: where it moves."""
    session = await read.one_session(work, session_id)
    keys = [lock_key("session", session_id), *await seat_offer_locks(work, session_id)]
    for seat in await read.seats_of(work, session_id):
        keys += (lock_key("appointment", seat.id), lock_key("patient", seat.patient_id))
    if to is not None:
        keys += [*book_locks(to), *book_locks(wanted_of(session, to.starts_at))]
    return keys


async def call_session_off(
    work: Work, session_id: UUID, reason: Reason, version: int | None
) -> Session:
    """Call a session and every seat off, for one reason. Under `whole_locks`.

    Again for a cancelled one changes nothing. Raises Conflict ``session.begun``.
    """
    session = await read.one_session(work, session_id)
    if session.state == rules.SessionState.CANCELLED.value:
        return session
    match_version(version, session.version)
    seats = await read.seats_of(work, session_id)
    _require_before_it_begins(session, seats)
    for seat in seats:
        await call_off(work, seat, Cancelling(reason, with_session=True))
    await end_seat_offers(work, session_id)
    await free_session(work, session_id)
    session.state, session.cancelled_at = rules.SessionState.CANCELLED.value, work.now
    session.cancel_reason = reason.value
    work.save(session)
    work.say(events.session_cancelled(session), of=session)
    return session


def moved_to(
    session: Session,
    starts_at: datetime,
    provider_id: UUID | None = None,
    room_id: UUID | None = None,
) -> Wanted:
    """Where a session is to be: what is None stays, but for the room, which may be any."""
    wanted = wanted_of(session, starts_at)
    return replace(wanted, provider_id=provider_id or wanted.provider_id, room_id=room_id)


async def move_session(
    work: Work, session_id: UUID, to: Wanted, reason: Reason, version: int | None
) -> Session:
    """Move a session with every seat: all of them or none. Under `whole_locks`.

    Rules of the patients are not asked again: it is the clinic that moves them. Raises what a
    booking raises; Conflict ``patient.overlap`` with the visit of a patient who is
    elsewhere then; Conflict ``session.begun``, ``session.cancelled``.
    """
    session = await read.one_session(work, session_id)
    match_version(version, session.version)
    seats = await read.seats_of(work, session_id)
    _require_before_it_begins(session, seats)
    await end_seat_offers(work, session_id)
    known = await facts_of(work, to, may_overbook=False)
    wish = replace(wish_of(work, to, known), ends_at=None)
    length = session.ends_at - session.starts_at
    wish = replace(wish, ends_at=wish.starts_at + length)
    moved = [
        Counted(
            seat.id, wish.starts_at, to.clinic_id, to.appointment_type_id, to.provider_id,
            seat.patient_id,
        )
        for seat in seats
    ]  # fmt: skip
    facts = replace(known.facts, visits=rules.counted_with(known.facts.visits, moved))
    with naming_rules():
        booking = decide_booking(wish, facts, work.now, ignoring=session_id)
    lanes, over = await _patient_lanes(work, seats, booking.interval)
    await free_held(work, (*known.expired, *over))
    for seat in seats:
        await free(work, seat.id)
    await free_session(work, session_id)
    for name, value in _place_of(booking, known.facts.zone).items():
        setattr(session, name, value)
    session.moves += 1
    work.save(session)
    owner = {"session_id": session.id}
    work.insert(Occupancy, occupancy_rows(work, booking, session.id, session.moves, **owner))
    for seat in seats:
        _move_seat(work, seat, session, lanes[seat.patient_id], reason)
    work.say(events.session_moved(session, reason.value), of=session)
    return session


async def _patient_lanes(
    work: Work, seats: Sequence[Appointment], at: Interval
) -> tuple[dict[UUID, int], list[UUID]]:
    """A lane of each patient at the new time, and the holds that have run out of it."""
    patients = [seat.patient_id for seat in seats]
    busy, over = await read.taken_of(work, ResourceKind.PATIENT, patients, at)
    lanes = {}
    for seat in seats:
        calendar = Calendar(busy, ignoring=seat.id)
        lane = calendar.free_lane(ResourceKind.PATIENT, seat.patient_id, at)
        if lane is None:
            title = "A patient of this session has another visit at that time."
            raise Conflict("patient.overlap", title, facts={"appointment_id": str(seat.id)})
        lanes[seat.patient_id] = lane
    return lanes, over


def _move_seat(work: Work, seat: Appointment, session: Session, lane: int, reason: Reason) -> None:
    was = Interval(seat.starts_at, seat.ends_at)
    became = Interval(session.starts_at, session.ends_at)
    lineage = Lineage(
        seat.id,
        seat.moves + 1,
        Place(was, seat.clinic_id, seat.provider_id, seat.room_id),
        Place(became, session.clinic_id, session.provider_id, session.room_id),
        work.now,
        reason,
    )
    set_statuses(seat, statuses_of(seat).moved(Move.RESCHEDULE))
    seat.starts_at, seat.ends_at = session.starts_at, session.ends_at
    seat.utc_offset_minutes = session.utc_offset_minutes
    seat.provider_id, seat.room_id = session.provider_id, session.room_id
    seat.moves, seat.overlap_reason = lineage.move, None
    work.save(seat)
    work.add(lineage_row(work, lineage))
    occupy(work, seat, session, lane)
    work.say(events.rescheduled(seat, lineage), of=seat)
    work.timer(NO_SHOW, seat.id, due_at(became))
    plan_anew(work, seat.id)


def _place_of(booking: Booking, in_zone: ZoneInfo) -> dict[str, object]:
    return {
        "clinic_id": booking.clinic_id,
        "provider_id": booking.provider_id,
        "further_provider_ids": list(booking.further_provider_ids) or None,
        "room_id": booking.room_id,
        "equipment_ids": list(booking.equipment_ids) or None,
        "starts_at": booking.interval.start,
        "ends_at": booking.interval.end,
        "utc_offset_minutes": offset_minutes(booking.interval.start, in_zone),
    }


def _require_before_it_begins(session: Session, seats: Sequence[Appointment]) -> None:
    rules.require_before_it_begins(
        read.rule_of(session), [Lifecycle(seat.lifecycle) for seat in seats]
    )
