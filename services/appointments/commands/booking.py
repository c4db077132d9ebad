"""Book, move, call off, confirm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments import events
from services.appointments.commands.reminders import REMIND
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.domain.booking import Booking, Wish, decide_booking
from services.appointments.domain.cancel import decide_cancel
from services.appointments.domain.no_show import due_at
from services.appointments.domain.reasons import Reason
from services.appointments.domain.reschedule import Current, Lineage, Place, decide_reschedule
from services.appointments.domain.status import Move
from services.appointments.queries.booking_facts import Known, facts_for
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment, AppointmentMove, Occupancy
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Forbidden
from shared.values.interval import Interval
from shared.values.zones import instant_in

NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class Request:
    """A booking as asked for. Times as the caller gave them; the clinic's zone judges them."""

    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    ends_at: datetime | None = None
    room_id: UUID | None = None
    walk_in: bool = False
    overbook: bool = False
    overlap_reason: str | None = None


def book_locks(request: Request) -> Sequence[LockKey]:
    """What a booking changes: the provider's time, the patient's, and the clinic's rooms."""
    return (
        lock_key("provider", request.provider_id),
        lock_key("patient", request.patient_id),
        lock_key("rooms", request.clinic_id),
    )


async def book(
    work: Work, request: Request, *, may_overbook: bool = False
) -> tuple[Appointment, str]:
    """Book a visit: its row, its occupancies and its no-show timer. Also the clinic's zone.

    Raises what the rules raise.
    """
    _require_desk(work, request)
    known = await _facts(work, request, may_overbook)
    booking = decide_booking(_wish(request, known), known.facts, work.now)
    row = work.create(
        Appointment,
        id=work.new_id("appointment"),
        network_id=work.network_id,
        patient_id=request.patient_id,
        clinic_id=request.clinic_id,
        provider_id=request.provider_id,
        appointment_type_id=request.appointment_type_id,
        room_id=booking.room_id,
        starts_at=booking.interval.start,
        ends_at=booking.interval.end,
        new_patient=not known.known_patient,
        walk_in=request.walk_in,
        overbooked=booking.overbooked,
        overlap_reason=booking.overlap_reason,
        booked_at=work.now,
    )
    work.insert(Occupancy, _occupancies(work, row, booking, 0))
    work.say(events.booked(row), of=row)
    work.timer(NO_SHOW, row.id, due_at(booking.interval))
    work.timer(REMIND, row.id, work.now)
    return row, known.facts.zone.key


async def reschedule_locks(work: Work, appointment_id: UUID, to: "Destination") -> list[LockKey]:
    """What a move changes: the visit, the time it leaves and the time it takes."""
    row = await visit(work, appointment_id)
    keys = [lock_key("appointment", row.id), lock_key("patient", row.patient_id)]
    for provider_id in {row.provider_id, to.provider_id or row.provider_id}:
        keys.append(lock_key("provider", provider_id))
    for clinic_id in {row.clinic_id, to.clinic_id or row.clinic_id}:
        keys.append(lock_key("rooms", clinic_id))
    return keys


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a visit goes. What is None stays as it is."""

    starts_at: datetime
    ends_at: datetime | None = None
    clinic_id: UUID | None = None
    provider_id: UUID | None = None
    room_id: UUID | None = None
    overbook: bool = False
    overlap_reason: str | None = None


async def reschedule(
    work: Work,
    appointment_id: UUID,
    to: Destination,
    reason: Reason,
    version: int | None,
    *,
    may_overbook: bool = False,
) -> Appointment:
    """Move a visit: all of it or nothing. It stays the same visit and remembers where it was."""
    row = await visit(work, appointment_id)
    match_version(version, row.version)
    request = Request(
        patient_id=row.patient_id,
        clinic_id=to.clinic_id or row.clinic_id,
        provider_id=to.provider_id or row.provider_id,
        appointment_type_id=row.appointment_type_id,
        starts_at=to.starts_at,
        ends_at=to.ends_at,
        room_id=to.room_id,
        overbook=to.overbook,
        overlap_reason=to.overlap_reason,
    )
    _require_desk(work, request)
    known = await _facts(work, request, may_overbook)
    was = Place(Interval(row.starts_at, row.ends_at), row.clinic_id, row.provider_id, row.room_id)
    current = Current(row.id, was, statuses_of(row), row.moves)
    move = decide_reschedule(current, _wish(request, known), known.facts, reason, work.now)
    await _free(work, row.id)
    if move.released is not None:
        work.say(events.slot_released(row, move.released, "rescheduled"), of=row)
    row.clinic_id, row.provider_id = move.booking.clinic_id, move.booking.provider_id
    row.room_id, row.moves = move.booking.room_id, move.lineage.move
    row.starts_at, row.ends_at = move.booking.interval.start, move.booking.interval.end
    row.overbooked, row.overlap_reason = move.booking.overbooked, move.booking.overlap_reason
    set_statuses(row, move.statuses)
    work.save(row)
    work.add(_lineage_row(work, move.lineage))
    work.insert(Occupancy, _occupancies(work, row, move.booking, row.moves))
    work.say(events.rescheduled(row, move.lineage), of=row)
    work.timer(NO_SHOW, row.id, due_at(move.booking.interval))
    work.timer(REMIND, row.id, work.now)
    return row


def visit_lock(appointment_id: UUID) -> Sequence[LockKey]:
    """What a change of one visit alone changes."""
    return (lock_key("appointment", appointment_id),)


async def cancel(
    work: Work, appointment_id: UUID, reason: Reason, version: int | None
) -> Appointment:
    """Call a visit off and free its time. Asking again for a cancelled one changes nothing."""
    row = await visit(work, appointment_id)
    if statuses_of(row).already(Move.CANCEL):
        return row
    match_version(version, row.version)
    interval = Interval(row.starts_at, row.ends_at)
    decided = decide_cancel(statuses_of(row), interval, reason, work.now)
    set_statuses(row, decided.statuses)
    row.cancelled_at, row.cancel_reason = work.now, reason.value
    row.late_cancel = decided.notice.late
    await _free(work, row.id)
    work.save(row)
    work.say(events.cancelled(row, decided.notice.minutes, work.now), of=row)
    if decided.notice.frees_slot:
        work.say(events.slot_released(row, interval, "cancelled"), of=row)
    work.cancel_timer(NO_SHOW, row.id)
    work.timer(REMIND, row.id, work.now)
    return row


async def confirm(work: Work, appointment_id: UUID) -> Appointment:
    """Note that the patient will come. Confirming twice changes nothing."""
    row = await visit(work, appointment_id)
    if row.confirmation == "confirmed":
        return row
    set_statuses(row, statuses_of(row).moved(Move.CONFIRM))
    work.save(row)
    work.say(events.confirmed(row, work.now), of=row)
    work.timer(REMIND, row.id, work.now)
    return row


async def decline(work: Work, appointment_id: UUID) -> Appointment:
    """Note that the patient will not come. The visit stands; declining twice changes nothing."""
    row = await visit(work, appointment_id)
    if row.confirmation == "declined":
        return row
    set_statuses(row, statuses_of(row).moved(Move.DECLINE))
    work.save(row)
    work.say(events.declined(row, work.now), of=row)
    work.timer(REMIND, row.id, work.now)
    return row


async def _free(work: Work, appointment_id: UUID) -> None:
    """Deactivate a visit's occupancies and send that before anything takes their place."""
    for row in await work.load_where(Occupancy, "appointment_id = $2 AND active", appointment_id):
        row.active = False
        work.save(row)
    await work.flush()


def _require_desk(work: Work, request: Request) -> None:
    """Raise Forbidden where a patient lifts a rule that the desk may lift."""
    lifts = request.walk_in or request.overbook or request.overlap_reason is not None
    if lifts and work.actor.patient_ids is not None:
        raise Forbidden("booking.for_the_desk", "To book beyond the rules is for the desk.")


async def _facts(work: Work, request: Request, may_overbook: bool) -> Known:
    return await facts_for(
        work,
        clinic_id=request.clinic_id,
        provider_id=request.provider_id,
        type_id=request.appointment_type_id,
        patient_id=request.patient_id,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        may_overbook=may_overbook,
    )


def _wish(request: Request, known: Known) -> Wish:
    in_zone = known.facts.zone
    wish = Wish(
        clinic_id=request.clinic_id,
        patient_id=request.patient_id,
        starts_at=instant_in(request.starts_at, in_zone),
        known_patient=known.known_patient,
        room_id=request.room_id,
        overbook=request.overbook,
        overlap_reason=request.overlap_reason,
    )
    if request.ends_at is None:
        return wish
    return replace(wish, ends_at=instant_in(request.ends_at, in_zone))


def _occupancies(work: Work, row: Appointment, booking: Booking, move: int) -> list[dict[str, Any]]:
    return [
        {
            "id": work.new_id(f"occupancy/{row.id}/{move}/{taken.kind}"),
            "network_id": work.network_id,
            "resource_kind": taken.kind.value,
            "resource_id": taken.resource_id,
            "lane": taken.lane,
            "starts_at": taken.interval.start,
            "ends_at": taken.interval.end,
            "appointment_id": row.id,
            "active": True,
        }
        for taken in booking.occupancies
    ]


def _lineage_row(work: Work, lineage: Lineage) -> AppointmentMove:
    return AppointmentMove(
        network_id=work.network_id,
        appointment_id=lineage.appointment_id,
        move=lineage.move,
        id=work.new_id(f"move/{lineage.appointment_id}/{lineage.move}"),
        from_clinic_id=lineage.was.clinic_id,
        from_provider_id=lineage.was.provider_id,
        from_room_id=lineage.was.room_id,
        from_starts_at=lineage.was.interval.start,
        from_ends_at=lineage.was.interval.end,
        to_clinic_id=lineage.became.clinic_id,
        to_provider_id=lineage.became.provider_id,
        to_room_id=lineage.became.room_id,
        to_starts_at=lineage.became.interval.start,
        to_ends_at=lineage.became.interval.end,
        reason=lineage.reason.value,
        moved_at=lineage.at,
        moved_by=str(work.actor),
    )
