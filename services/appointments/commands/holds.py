"""Hold a time for some minutes; extend a hold, give it back, book what it holds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

from services.appointments import events
from services.appointments.commands import seats
from services.appointments.commands.booking import book, book_locks
from services.appointments.commands.places import (
    Request,
    Wanted,
    facts_of,
    free_held,
    occupancy_rows,
    require_desk,
    wish_of,
)
from services.appointments.commands.released import release_held
from services.appointments.domain import hold as rules
from services.appointments.domain.booking import decide_booking
from services.appointments.domain.explain import naming_rules
from services.appointments.domain.hold import HoldState
from services.appointments.queries import visits
from services.appointments.queries.holds import found_hold, living_holds, rule_of
from services.appointments.tables import Appointment, Hold, Occupancy
from shared.db.actor import Actor
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.zones import instant_in, zone

HOLD_EXPIRY = "hold_expiry"
Purpose = Literal["booking", "offer"]


def hold_locks(wanted: Wanted, by: Actor) -> Sequence[LockKey]:
    """What a new hold changes: what a booking would, and how many its holder has."""
    return (*book_locks(wanted), lock_key("holder", by))


async def hold(
    work: Work,
    wanted: Wanted,
    *,
    ttl: timedelta = rules.TTL_DEFAULT,
    purpose: Purpose = "booking",
    may_overbook: bool = False,
) -> tuple[Hold, str]:
    """Occupy a place as a booking would, for a while. Also the clinic's zone.

    Under `hold_locks`. purpose: an `offer` is held by the service itself and counts against no cap.
    Raises what a booking raises; Invalid ``hold.ttl``; Conflict ``hold.too_many``.
    """
    lifetime = rules.lifetime(ttl)
    if purpose == "booking":
        limit, living = await living_holds(work, wanted.patient_id)
        rules.require_below_cap(living, limit)
    known = await facts_of(work, wanted, may_overbook)
    with naming_rules():
        require_desk(work.actor, wanted)
        booking = decide_booking(wish_of(work, wanted, known), known.facts, work.now)
    await free_held(work, known.expired)
    row = work.create(
        Hold,
        id=work.new_id("hold"),
        network_id=work.network_id,
        patient_id=wanted.patient_id,
        clinic_id=wanted.clinic_id,
        provider_id=wanted.provider_id,
        appointment_type_id=wanted.appointment_type_id,
        room_id=booking.room_id,
        further_provider_ids=list(booking.further_provider_ids) or None,
        modality=wanted.modality,
        starts_at=booking.interval.start,
        ends_at=booking.interval.end,
        overbooked=booking.overbooked,
        overlap_reason=booking.overlap_reason,
        purpose=purpose,
        held_by=str(work.actor),
        held_at=work.now,
        expires_at=work.now + lifetime,
    )
    owner = {"hold_id": row.id, "expires_at": row.expires_at}
    work.insert(Occupancy, occupancy_rows(work, booking, row.id, 0, **owner))
    _begun(work, row)
    return row, known.facts.zone.key


async def hold_seat(
    work: Work, session_id: UUID, patient_id: UUID, lasts: timedelta
) -> tuple[Hold, str]:
    """Hold a seat of a group session for somebody who is to be offered it. Also the clinic's zone.

    Raises what taking it raises.
    """
    row, time_zone = await seats.hold_seat(work, session_id, patient_id, rules.lifetime(lasts))
    _begun(work, row)
    return row, time_zone


def _begun(work: Work, row: Hold) -> None:
    work.say(events.held(row), of=row)
    work.timer(HOLD_EXPIRY, row.id, row.expires_at)


def take_locks(request: Request) -> Sequence[LockKey]:
    """What a booking changes that takes the place of a hold, or of none."""
    held = () if request.hold_id is None else hold_lock(request.hold_id)
    return (*held, *book_locks(request))


def hold_lock(hold_id: UUID) -> Sequence[LockKey]:
    """What the end of one hold changes."""
    return (lock_key("hold", hold_id),)


async def take(
    work: Work, hold_id: UUID, request: Request, *, may_overbook: bool = False
) -> tuple[Appointment, str]:
    """Turn a hold into a visit, or give the visit that it has become for the same patient.

    Under `take_locks`. Raises Invalid ``hold.other_place`` where the booking names another place
    than the hold's; Conflict as `require_takeable`; and what a booking raises.
    """
    row = await found_hold(work, hold_id)
    known_as = rules.taken_already(rule_of(row), request.patient_id)
    if known_as is not None:
        made = await visits.visit(work, known_as)
        return made, await visits.clinic_zone(work, made.clinic_id)
    rules.require_takeable(rule_of(row), request.patient_id, str(work.actor), work.now)
    await _require_same_place(work, row, request)
    request = replace(
        request,
        ends_at=request.ends_at or row.ends_at,
        room_id=request.room_id or row.room_id,
        further_provider_ids=request.further_provider_ids or row.further_provider_ids or (),
        overbook=request.overbook or row.overbooked,
        overlap_reason=request.overlap_reason or row.overlap_reason,
    )
    if row.session_id is not None:
        made, time_zone = await seats.take_seat(
            work, row.session_id, request.patient_id, request.overlap_reason, instead_of=row.id
        )
    else:
        made, time_zone = await book(
            work, request, may_overbook=may_overbook or row.overbooked, instead_of=row.id
        )
    row.patient_id, row.appointment_id = made.patient_id, made.id
    _end(work, row, HoldState.TAKEN)
    work.say(events.hold_released(row, "booked"), of=row)
    return made, time_zone


async def extend_locks(work: Work, hold_id: UUID) -> Sequence[LockKey]:
    """What an extension changes: the hold, and the time that others may want."""
    row = await found_hold(work, hold_id)
    keys = [*hold_lock(row.id), lock_key("rooms", row.clinic_id)]
    for provider_id in (row.provider_id, *(row.further_provider_ids or ())):
        keys.append(lock_key("provider", provider_id))
    if row.patient_id is not None:
        keys.append(lock_key("patient", row.patient_id))
    return keys


async def extend(work: Work, hold_id: UUID, ttl: timedelta = rules.TTL_DEFAULT) -> Hold:
    """Let a hold last longer, once. Under `extend_locks`. Raises as `extended_until`."""
    row = await found_hold(work, hold_id)
    mine = await work.load_where(Occupancy, "hold_id = $2", row.id)
    found = replace(rule_of(row), intact=all(taken.active for taken in mine))
    row.expires_at = rules.extended_until(found, str(work.actor), work.now, ttl)
    row.extended = True
    for taken in mine:
        taken.expires_at = row.expires_at
        work.save(taken)
    work.save(row)
    work.say(events.held(row), of=row)
    work.timer(HOLD_EXPIRY, row.id, row.expires_at)
    return row


async def release(work: Work, hold_id: UUID) -> Hold:
    """Give a hold back. Under `hold_lock`. One that is over stays as it ended.

    Raises Conflict ``hold.taken`` for one that has become a visit.
    """
    row = await found_hold(work, hold_id)
    if rules.release_ends(rule_of(row), work.now):
        await free_held(work, [row.id])
        if rule_of(row).stands_at(work.now) is HoldState.EXPIRED:
            await _expire(work, row)
        else:
            _end(work, row, HoldState.RELEASED)
            work.say(events.hold_released(row, "given_back"), of=row)
            await release_held(work, row)
    return row


async def hold_due(work: Work, hold_id: UUID) -> Hold | None:
    """What the timer does: end a hold whose time is over. The hold, where this has ended it."""
    row = await work.load(Hold, hold_id)
    if row is None or row.state != HoldState.HELD.value:
        return None
    if rule_of(row).stands_at(work.now) is not HoldState.EXPIRED:
        work.timer(HOLD_EXPIRY, row.id, row.expires_at)
        return None
    await free_held(work, [row.id])
    await _expire(work, row)
    return row


async def _expire(work: Work, row: Hold) -> None:
    _end(work, row, HoldState.EXPIRED)
    work.say(events.hold_expired(row), of=row)
    await release_held(work, row)


def _end(work: Work, row: Hold, state: HoldState) -> None:
    row.state, row.ended_at = state.value, work.now
    work.save(row)
    work.cancel_timer(HOLD_EXPIRY, row.id)


async def _require_same_place(work: Work, row: Hold, request: Request) -> None:
    named = (
        request.clinic_id, request.provider_id, request.appointment_type_id, request.modality
    )  # fmt: skip
    in_zone = zone(await visits.clinic_zone(work, row.clinic_id))
    same = named == (row.clinic_id, row.provider_id, row.appointment_type_id, row.modality)
    if not same or instant_in(request.starts_at, in_zone) != row.starts_at:
        title = "The hold is of another clinic, provider, type, modality or start."
        raise Invalid("hold.other_place", title, pointer="/hold_id")
