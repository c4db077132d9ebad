"""Book, move, confirm, decline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments import events
from services.appointments.commands.places import (
    Request,
    Wanted,
    decided_by,
    facts_of,
    free,
    free_held,
    occupancy_rows,
    require_desk,
    wish_of,
)
from services.appointments.commands.released import release_slot
from services.appointments.commands.reminders import plan_anew
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.commands.waiting import leave_the_day
from services.appointments.domain.booking import Booking, decide_booking
from services.appointments.domain.explain import naming_rules
from services.appointments.domain.no_show import due_at
from services.appointments.domain.reasons import Reason
from services.appointments.domain.reschedule import Current, Lineage, Place, decide_reschedule
from services.appointments.domain.rules import RuleKind
from services.appointments.domain.status import Move
from services.appointments.domain.zones import offset_minutes
from services.appointments.queries.booking_facts import Known
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment, AppointmentMove, Occupancy
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Conflict
from shared.values.interval import Interval

NO_SHOW = "no_show"


def book_locks(wanted: Wanted) -> Sequence[LockKey]:
    """What a booking changes: the time of its providers and the patient, and the clinic's rooms.

    The lock on a clinic's rooms is that on its equipment as well: which of them is taken is decided
    under it. All are taken in one sorted pass, so bookings that share any of them only wait.
    """
    providers = (wanted.provider_id, *wanted.further_provider_ids)
    keys = [lock_key("provider", provider_id) for provider_id in providers]
    keys.append(lock_key("rooms", wanted.clinic_id))
    if wanted.patient_id is not None:
        keys.append(lock_key("patient", wanted.patient_id))
    return keys


async def book(
    work: Work,
    request: Request,
    *,
    may_overbook: bool = False,
    instead_of: UUID | None = None,
) -> tuple[Appointment, str]:
    """Book a visit: its row, its occupancies and its no-show timer. Also the clinic's zone.

    instead_of: the hold whose time the visit takes; whoever asks has found that it may.
    Raises what the rules raise.
    """
    known = await facts_of(work, request, may_overbook)
    if instead_of is not None:
        known = known.waiving(RuleKind.LEAD_TIME)
    with naming_rules():
        require_desk(work.actor, request)
        wish = wish_of(work, request, known)
        booking = decide_booking(wish, known.facts, work.now, ignoring=instead_of)
    await free_held(work, (*known.expired, *([instead_of] if instead_of else [])))
    return write_booking(work, request, known, booking), known.facts.zone.key


def write_booking(
    work: Work, request: Request, known: Known, booking: Booking, **more: Any
) -> Appointment:
    """Write a visit that was decided; holds that ran out are freed already. more: columns."""
    row = work.create(
        Appointment,
        id=work.new_id("appointment"),
        network_id=work.network_id,
        patient_id=request.patient_id,
        clinic_id=request.clinic_id,
        provider_id=request.provider_id,
        appointment_type_id=request.appointment_type_id,
        room_id=booking.room_id,
        further_provider_ids=list(booking.further_provider_ids) or None,
        equipment_ids=list(booking.equipment_ids) or None,
        starts_at=booking.interval.start,
        ends_at=booking.interval.end,
        utc_offset_minutes=offset_minutes(booking.interval.start, known.facts.zone),
        new_patient=not known.known_patient,
        walk_in=request.walk_in,
        self_booked=work.actor.patient_ids is not None,
        overbooked=booking.overbooked,
        overlap_reason=booking.overlap_reason,
        modality=request.modality,
        decided_by=decided_by(booking.decided_by),
        booked_at=work.now,
        **more,
    )
    work.insert(Occupancy, occupancy_rows(work, booking, row.id, 0, appointment_id=row.id))
    work.say(events.booked(row), of=row)
    work.timer(NO_SHOW, row.id, due_at(booking.interval))
    plan_anew(work, row.id)
    return row


def require_own_place(row: Appointment) -> None:
    """Raise Conflict where a visit is a seat: its time is that of the session."""
    if row.session_id is not None:
        title = "A seat has its session's time; cancel it and take one in another session."
        raise Conflict("session.moves_as_a_whole", title)


async def reschedule_locks(work: Work, appointment_id: UUID, to: "Destination") -> list[LockKey]:
    """What a move changes: the visit, the time it leaves and the time it takes."""
    row = await visit(work, appointment_id)
    keys = [lock_key("appointment", row.id), lock_key("patient", row.patient_id)]
    further = row.further_provider_ids or ()
    providers = {row.provider_id, *further, *(to.further_provider_ids or ())}
    for provider_id in providers | {to.provider_id or row.provider_id}:
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
    further_provider_ids: Sequence[UUID] | None = None
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
    await move(work, row, to, reason, may_overbook=may_overbook)
    return row


async def move(
    work: Work, row: Appointment, to: Destination, reason: Reason, *, may_overbook: bool = False
) -> None:
    """Move a visit that was read, under the locks of `reschedule_locks`."""
    require_own_place(row)
    request = Request(
        patient_id=row.patient_id,
        clinic_id=to.clinic_id or row.clinic_id,
        provider_id=to.provider_id or row.provider_id,
        appointment_type_id=row.appointment_type_id,
        starts_at=to.starts_at,
        ends_at=to.ends_at,
        room_id=to.room_id,
        further_provider_ids=(
            row.further_provider_ids or ()
            if to.further_provider_ids is None
            else to.further_provider_ids
        ),
        overbook=to.overbook,
        overlap_reason=to.overlap_reason,
        modality=row.modality,
    )
    known = await facts_of(work, request, may_overbook)
    was = Place(Interval(row.starts_at, row.ends_at), row.clinic_id, row.provider_id, row.room_id)
    current = Current(row.id, was, statuses_of(row), row.moves)
    with naming_rules():
        require_desk(work.actor, request)
        wish = wish_of(work, request, known)
        moved = decide_reschedule(current, wish, known.facts, reason, work.now)
    await free_held(work, known.expired)
    await free(work, row.id)
    if moved.released is not None:
        await release_slot(work, row, moved.released, "rescheduled")
    row.clinic_id, row.provider_id = moved.booking.clinic_id, moved.booking.provider_id
    row.room_id, row.moves = moved.booking.room_id, moved.lineage.move
    row.further_provider_ids = list(moved.booking.further_provider_ids) or None
    row.equipment_ids = list(moved.booking.equipment_ids) or None
    row.starts_at, row.ends_at = moved.booking.interval.start, moved.booking.interval.end
    row.utc_offset_minutes = offset_minutes(row.starts_at, known.facts.zone)
    row.overbooked, row.overlap_reason = moved.booking.overbooked, moved.booking.overlap_reason
    row.decided_by = decided_by(moved.booking.decided_by)
    await leave_the_day(work, row, moved=True)
    set_statuses(row, moved.statuses)
    work.save(row)
    work.add(lineage_row(work, moved.lineage))
    taken = occupancy_rows(work, moved.booking, row.id, row.moves, appointment_id=row.id)
    work.insert(Occupancy, taken)
    work.say(events.rescheduled(row, moved.lineage), of=row)
    work.timer(NO_SHOW, row.id, due_at(moved.booking.interval))
    plan_anew(work, row.id)


def visit_lock(appointment_id: UUID) -> Sequence[LockKey]:
    """What a change of one visit alone changes."""
    return (lock_key("appointment", appointment_id),)


async def confirm(work: Work, appointment_id: UUID) -> Appointment:
    """Note that the patient will come. Confirming twice changes nothing."""
    row = await visit(work, appointment_id)
    if row.confirmation == "confirmed":
        return row
    set_statuses(row, statuses_of(row).moved(Move.CONFIRM))
    work.save(row)
    work.say(events.confirmed(row, work.now), of=row)
    plan_anew(work, row.id)
    return row


async def decline(work: Work, appointment_id: UUID) -> Appointment:
    """Note that the patient will not come. The visit and its time stay until somebody cancels it.

    Declining twice changes nothing; they may still confirm.
    """
    row = await visit(work, appointment_id)
    if row.confirmation == "declined":
        return row
    set_statuses(row, statuses_of(row).moved(Move.DECLINE))
    work.save(row)
    work.say(events.declined(row, work.now), of=row)
    plan_anew(work, row.id)
    return row


def lineage_row(work: Work, lineage: Lineage) -> AppointmentMove:
    """The row of one move."""
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
