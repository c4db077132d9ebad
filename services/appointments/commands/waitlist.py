"""Offer a time that became free, accept or decline it, pass it on; wait no longer."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.appointments import events
from services.appointments.commands import holds
from services.appointments.commands.booking import Destination, book_locks, move
from services.appointments.commands.places import Request, Wanted
from services.appointments.commands.released import OFFER_SLOT
from services.appointments.domain.hold import HoldState
from services.appointments.domain.reasons import Reason
from services.appointments.domain.waitlist import best_match, offer_ttl
from services.appointments.queries import visits
from services.appointments.queries import waitlist as read
from services.appointments.tables import (
    Appointment,
    Hold,
    ReleasedSlot,
    WaitlistEntry,
    WaitlistOffer,
)
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict, DomainError, NotFound

OFFER_EXPIRY = "offer_expiry"
REFUSED_MAX = 20
"""How many who fit the list and not the booking's rules are tried for a slot at once."""


def waitlist_lock() -> Sequence[LockKey]:
    """What every change of the list changes: who is next. One at a time in a network."""
    return (lock_key("waitlist", "all"),)


async def withdraw_locks(work: Work, entry_id: UUID) -> Sequence[LockKey]:
    """What taking somebody off the list changes: the list, and the hold of an open offer."""
    entry = await read.found_entry(work, entry_id)
    return _offers_lock(await read.open_of_entry(work, entry.id))


async def seat_offer_locks(work: Work, session_id: UUID) -> Sequence[LockKey]:
    """What the end of all open offers of a session's seats changes."""
    return _offers_lock(await read.open_of_session(work, session_id))


def _offers_lock(opened: Sequence[WaitlistOffer]) -> Sequence[LockKey]:
    return [*waitlist_lock(), *(key for each in opened for key in holds.hold_lock(each.hold_id))]


async def end_seat_offers(work: Work, session_id: UUID) -> None:
    """Take back what is offered of a session that moves or is called off, and have what is left of
    it offered anew. Under `seat_offer_locks`."""
    for offer in await read.open_of_session(work, session_id):
        await _take_back(work, offer)


async def _take_back(work: Work, offer: WaitlistOffer) -> None:
    await holds.release(work, offer.hold_id)
    _end(work, offer, "superseded")
    work.timer(OFFER_SLOT, offer.slot_id, work.now)


async def withdraw(work: Work, entry_id: UUID) -> WaitlistEntry:
    """Take somebody off the list; what they were offered goes to the next. Twice changes nothing.

    Under `withdraw_locks`. Raises Conflict ``waitlist.booked`` for who has a visit by it.
    """
    entry = await read.found_entry(work, entry_id)
    if entry.state == "booked":
        raise Conflict("waitlist.booked", "They have a visit by now; cancel that.")
    if entry.state == "withdrawn":
        return entry
    for offer in await read.open_of_entry(work, entry.id):
        await _take_back(work, offer)
    entry.state, entry.ended_at = "withdrawn", work.now
    work.save(entry)
    return entry


async def offer_slot(work: Work, slot_id: UUID) -> WaitlistOffer | None:
    """Offer a time that is free to whoever is next, and hold it; None where nobody can have it.

    Under `waitlist_lock`. Whom the booking's own rules refuse is left out, and waits on. The locks
    of the place are not taken, as who gets it is decided here: where somebody books it in the same
    moment, the constraint on `occupancies` refuses one of the two, and the timer is tried again.
    """
    row = await work.load(ReleasedSlot, slot_id)
    slot = None if row is None else await read.slot_of(work, row)
    lasts = None if slot is None else offer_ttl(slot.interval.start, work.now)
    if row is None or slot is None or lasts is None or await read.is_on_offer(work, row):
        return None
    entries, waiting = await read.candidates(work, row.id, slot)
    refused: set[UUID] = set()
    while len(refused) < REFUSED_MAX:
        match = best_match(slot, entries, work.now, but=refused)
        if match is None:
            return None
        entry = waiting[match.entry.id]
        try:
            held = await _held(work, entry, row, lasts)
        except DomainError:
            refused.add(entry.id)
            continue
        if match.passed_over is not None:
            over = waiting[match.passed_over]
            over.passed_over = True
            work.save(over)
        return _offer(work, entry, row, held)
    return None


async def _held(work: Work, entry: WaitlistEntry, row: ReleasedSlot, lasts: timedelta) -> Hold:
    if row.session_id is not None:
        held, _ = await holds.hold_seat(work, row.session_id, entry.patient_id, lasts)
        return held
    wanted = Wanted(
        patient_id=entry.patient_id,
        clinic_id=row.clinic_id,
        provider_id=row.provider_id,
        appointment_type_id=entry.appointment_type_id,
        starts_at=row.starts_at,
    )
    held, _ = await holds.hold(work, wanted, ttl=lasts, purpose="offer")
    return held


def _offer(work: Work, entry: WaitlistEntry, slot: ReleasedSlot, held: Hold) -> WaitlistOffer:
    offer = work.create(
        WaitlistOffer,
        id=work.new_id("waitlist_offer"),
        network_id=work.network_id,
        entry_id=entry.id,
        slot_id=slot.id,
        hold_id=held.id,
        patient_id=entry.patient_id,
        clinic_id=held.clinic_id,
        provider_id=held.provider_id,
        appointment_type_id=held.appointment_type_id,
        starts_at=held.starts_at,
        ends_at=held.ends_at,
        session_id=held.session_id,
        made_at=work.now,
        expires_at=held.expires_at,
    )
    entry.offers, entry.passed_over = entry.offers + 1, False
    work.save(entry)
    work.say(events.offer_made(offer), of=entry)
    work.timer(OFFER_EXPIRY, offer.id, offer.expires_at)
    return offer


async def answer_locks(work: Work, offer_id: UUID) -> Sequence[LockKey]:
    """What an answer changes: the list, the hold, the time, and the visit that is replaced."""
    offer = await read.found_offer(work, offer_id)
    keys = [*waitlist_lock(), *holds.hold_lock(offer.hold_id), *book_locks(_place(offer))]
    if offer.session_id is not None:
        keys.append(lock_key("session", offer.session_id))
    entry = await _entry_of(work, offer)
    if entry.replaces_appointment_id is not None:
        old = await visits.visit(work, entry.replaces_appointment_id)
        keys += [lock_key("appointment", old.id), lock_key("rooms", old.clinic_id)]
        for provider_id in (old.provider_id, *(old.further_provider_ids or ())):
            keys.append(lock_key("provider", provider_id))
    return keys


async def accept(work: Work, offer_id: UUID) -> tuple[WaitlistOffer, Appointment, str]:
    """Make a visit of what was offered, or move the visit there that it replaces. And the zone.

    Under `answer_locks`. Accepting twice gives the same visit. Raises Conflict ``offer.expired``,
    ``offer.declined``, ``offer.superseded``, and what a booking or a move raises.
    """
    offer = await read.found_offer(work, offer_id)
    if offer.appointment_id is not None:
        made = await visits.visit(work, offer.appointment_id)
        return offer, made, await visits.clinic_zone(work, made.clinic_id)
    _require_open(work, offer)
    entry = await _entry_of(work, offer)
    old = None
    if entry.replaces_appointment_id is not None:
        old = await visits.visit(work, entry.replaces_appointment_id)
    if old is not None and old.lifecycle == "booked":
        await holds.release(work, offer.hold_id)
        to = Destination(offer.starts_at, None, offer.clinic_id, offer.provider_id)
        await move(work, old, to, Reason.PATIENT_REQUEST)
        made, name = old, await visits.clinic_zone(work, old.clinic_id)
    else:
        made, name = await holds.take(work, offer.hold_id, _place(offer))
    _booked(work, offer, entry, made.id)
    return offer, made, name


async def decline(work: Work, offer_id: UUID) -> WaitlistOffer:
    """Give the time to the next; whoever declines waits on. Declining twice changes nothing.

    Under `answer_locks`. Raises Conflict as `accept`, and ``offer.accepted``.
    """
    offer = await read.found_offer(work, offer_id)
    if offer.state == "declined":
        return offer
    _require_open(work, offer)
    await holds.release(work, offer.hold_id)
    await _pass_on(work, offer, "declined")
    return offer


async def offer_due(work: Work, offer_id: UUID) -> None:
    """What the timer does: end an offer that nobody answered and pass the time on.

    Under `waitlist_lock`. One whose hold was booked at the desk for the same patient is accepted.
    """
    offer = await work.load(WaitlistOffer, offer_id)
    if offer is None or offer.state != "made":
        return
    held = await work.load(Hold, offer.hold_id)
    if held is not None and held.state == HoldState.TAKEN and held.appointment_id is not None:
        _booked(work, offer, await _entry_of(work, offer), held.appointment_id)
    elif work.now < offer.expires_at:
        work.timer(OFFER_EXPIRY, offer.id, offer.expires_at)
    else:
        await _pass_on(work, offer, "expired")


async def _pass_on(work: Work, offer: WaitlistOffer, state: str) -> None:
    entry = await _entry_of(work, offer)
    said = events.offer_declined if state == "declined" else events.offer_expired
    _end(work, offer, state)
    work.save(entry)
    work.say(said(offer), of=entry)
    work.timer(OFFER_SLOT, offer.slot_id, work.now)


def _booked(work: Work, offer: WaitlistOffer, entry: WaitlistEntry, appointment_id: UUID) -> None:
    offer.appointment_id = entry.appointment_id = appointment_id
    _end(work, offer, "accepted")
    entry.state, entry.ended_at = "booked", work.now
    work.save(entry)
    work.say(events.offer_accepted(offer, appointment_id), of=entry)


def _end(work: Work, offer: WaitlistOffer, state: str) -> None:
    offer.state, offer.ended_at = state, work.now
    work.save(offer)
    work.cancel_timer(OFFER_EXPIRY, offer.id)


def _require_open(work: Work, offer: WaitlistOffer) -> None:
    over = offer.state == "made" and work.now >= offer.expires_at
    state = "expired" if over else offer.state
    if state != "made":
        raise Conflict(f"offer.{state}", f"This offer is {state}.")


async def _entry_of(work: Work, offer: WaitlistOffer) -> WaitlistEntry:
    row = await work.load(WaitlistEntry, offer.entry_id)
    if row is None:
        raise NotFound("waitlist.not_found", "There is no such entry on the waitlist.")
    return row


def _place(offer: WaitlistOffer) -> Request:
    return Request(
        patient_id=offer.patient_id,
        clinic_id=offer.clinic_id,
        provider_id=offer.provider_id,
        appointment_type_id=offer.appointment_type_id,
        starts_at=offer.starts_at,
        hold_id=offer.hold_id,
    )
