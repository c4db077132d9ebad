"""Routes of the waitlist."""

from collections.abc import Sequence
from typing import Any

from services.appointments.api.booking import BOOKING_REFUSALS, SEAT_REFUSALS
from services.appointments.api.routes import ROUTES
from services.appointments.commands import waitlist, wishes
from services.appointments.queries import visits
from services.appointments.queries import waitlist as read
from services.appointments.schemas.visits import AppointmentView
from services.appointments.schemas.waitlist import (
    Accepted,
    ChangeWaitlistEntry,
    EnterWaitlist,
    OfClinic,
    OfferList,
    OfferView,
    OfPatient,
    WaitlistEntryView,
    WaitlistView,
)
from services.appointments.tables import WaitlistEntry
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created

_OVER = ("offer.expired", "offer.declined", "offer.superseded")


def _list_lock(_: Call[Any]) -> Sequence[LockKey]:
    return waitlist.waitlist_lock()


@ROUTES.post(
    "/v1/waitlist",
    may=May.APPOINTMENT_BOOK,
    body=EnterWaitlist,
    reply=WaitlistEntryView,
    status=201,
    refuses=("waitlist.for_the_desk",),
    locks=_list_lock,
)
async def enter_waitlist(work: Work, call: Call[EnterWaitlist]) -> Reply:
    """Wait for a time. When one becomes free that suits, it is held for whoever is next."""
    call.concerns(call.given.patient_id)
    row = await wishes.enter(work, wishes.Waiting(**call.given.model_dump()))
    return created(WaitlistEntryView.of(row), f"/v1/waitlist/{row.id}")


@ROUTES.get("/v1/waitlist", may=May.VISIT_FLOW, query=OfClinic, reply=WaitlistView)
async def list_waitlist(work: Work, call: Call[OfClinic]) -> Reply:
    """Who waits by the list of a clinic's desk, the longest first."""
    await visits.named_zone(work, call.given.clinic_id)
    return _list(call, await read.waiting_at(work, call.given.clinic_id))


@ROUTES.get(
    "/v1/waitlist/of-patient", may=May.APPOINTMENT_READ, query=OfPatient, reply=WaitlistView
)
async def list_own_waitlist(work: Work, call: Call[OfPatient]) -> Reply:
    """What a patient waits or has waited for, the latest first."""
    call.concerns(call.given.patient_id)
    return _list(call, await read.entries_of(work, call.given.patient_id))


@ROUTES.get("/v1/waitlist-offers", may=May.APPOINTMENT_READ, query=OfPatient, reply=OfferList)
async def list_offers(work: Work, call: Call[OfPatient]) -> Reply:
    """What was offered to a patient, the latest first."""
    call.concerns(call.given.patient_id)
    rows = await read.offers_of(work, call.given.patient_id)
    zones = {row.clinic_id: await visits.clinic_zone(work, row.clinic_id) for row in rows}
    return Reply(OfferList(items=[OfferView.of(row, zones[row.clinic_id]) for row in rows]))


@ROUTES.get("/v1/waitlist/{entry_id}", may=May.APPOINTMENT_READ, reply=WaitlistEntryView)
async def read_waitlist_entry(work: Work, call: Call[None]) -> Reply:
    """One entry, as it stands now."""
    row = await read.found_entry(work, call.id("entry_id"))
    call.concerns(row.patient_id)
    return Reply(WaitlistEntryView.of(row), version=row.version)


@ROUTES.patch(
    "/v1/waitlist/{entry_id}",
    may=May.APPOINTMENT_BOOK,
    body=ChangeWaitlistEntry,
    reply=WaitlistEntryView,
    refuses=("waitlist.over", "waitlist.for_the_desk"),
    locks=_list_lock,
)
async def change_waitlist_entry(work: Work, call: Call[ChangeWaitlistEntry]) -> Reply:
    """Wish for something else by a merge patch; whoever waits keeps their place."""
    asked = call.given.model_dump(exclude_unset=True)
    row = await wishes.change(work, call.id("entry_id"), asked, call.if_match)
    call.concerns(row.patient_id)
    await work.flush()
    return Reply(WaitlistEntryView.of(row), version=row.version)


async def _withdraw_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await waitlist.withdraw_locks(work, call.id("entry_id"))


@ROUTES.post(
    "/v1/waitlist/{entry_id}/withdraw",
    may=May.APPOINTMENT_BOOK,
    reply=WaitlistEntryView,
    refuses=("waitlist.booked",),
    locks_read=_withdraw_locks,
)
async def withdraw(work: Work, call: Call[None]) -> Reply:
    """Wait no longer. What was offered goes to the next."""
    row = await waitlist.withdraw(work, call.id("entry_id"))
    call.concerns(row.patient_id)
    await work.flush()
    return Reply(WaitlistEntryView.of(row), version=row.version)


async def _answer_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await waitlist.answer_locks(work, call.id("offer_id"))


@ROUTES.post(
    "/v1/waitlist-offers/{offer_id}/accept",
    may=May.APPOINTMENT_BOOK,
    reply=Accepted,
    refuses=(*_OVER, *BOOKING_REFUSALS, *SEAT_REFUSALS),
    locks_read=_answer_locks,
)
async def accept_offer(work: Work, call: Call[None]) -> Reply:
    """Take the time that is held: it becomes a visit, or the visit to replace moves there."""
    offer, made, name = await waitlist.accept(work, call.id("offer_id"))
    call.concerns(offer.patient_id)
    await work.flush()
    return Reply(
        Accepted(offer=OfferView.of(offer, name), appointment=AppointmentView.of(made, name))
    )


@ROUTES.post(
    "/v1/waitlist-offers/{offer_id}/decline",
    may=May.APPOINTMENT_BOOK,
    reply=OfferView,
    refuses=("offer.accepted", "offer.expired", "offer.superseded"),
    locks_read=_answer_locks,
)
async def decline_offer(work: Work, call: Call[None]) -> Reply:
    """Not this time: it goes to the next, and they wait on."""
    offer = await waitlist.decline(work, call.id("offer_id"))
    call.concerns(offer.patient_id)
    return Reply(OfferView.of(offer, await visits.clinic_zone(work, offer.clinic_id)))


def _list(call: Call[Any], rows: Sequence[WaitlistEntry]) -> Reply:
    for row in rows:
        call.concerns(row.patient_id)
    return Reply(WaitlistView(items=[WaitlistEntryView.of(row) for row in rows]))
