"""Routes of what changes a visit: move it, call it off, confirm or decline it."""

from collections.abc import Sequence
from typing import Any

from services.appointments.api.booking import BOOKING_REFUSALS, may_overbook, view_saved
from services.appointments.api.routes import ROUTES
from services.appointments.commands import booking, cancelling
from services.appointments.schemas.changes import CancelAppointment, RescheduleAppointment
from services.appointments.schemas.visits import AppointmentView
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply


async def _reschedule_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await booking.reschedule_locks(work, call.id("appointment_id"), _destination(call))


def _destination(call: Call[RescheduleAppointment]) -> booking.Destination:
    return booking.Destination(**call.given.model_dump(exclude={"reason"}))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/reschedule",
    may=May.APPOINTMENT_BOOK,
    body=RescheduleAppointment,
    reply=AppointmentView,
    versioned=True,
    refuses=("lifecycle.illegal_transition", *BOOKING_REFUSALS),
    locks_read=_reschedule_locks,
)
async def reschedule_appointment(work: Work, call: Call[RescheduleAppointment]) -> Reply:
    """Move a visit to another time, provider or clinic, as a whole or not at all."""
    row = await booking.reschedule(
        work, call.id("appointment_id"), _destination(call), call.given.reason, call.if_match,
        may_overbook=may_overbook(call),
    )  # fmt: skip
    call.concerns(row.patient_id)
    return await view_saved(work, row)


def visit_lock(call: Call[Any]) -> Sequence[LockKey]:
    """The one visit of the path."""
    return booking.visit_lock(call.id("appointment_id"))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/cancel",
    may=May.APPOINTMENT_BOOK,
    body=CancelAppointment,
    reply=AppointmentView,
    versioned=True,
    refuses=("lifecycle.illegal_transition",),
    locks=visit_lock,
)
async def cancel_appointment(work: Work, call: Call[CancelAppointment]) -> Reply:
    """Call a visit off.

    Its time is free for others, unless the reason or `frees_slot` says that nobody can have it.
    """
    why = cancelling.Cancelling(call.given.reason, call.given.frees_slot)
    row = await cancelling.cancel(work, call.id("appointment_id"), why, call.if_match)
    call.concerns(row.patient_id)
    return await view_saved(work, row)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/confirm",
    may=May.APPOINTMENT_BOOK,
    reply=AppointmentView,
    refuses=("lifecycle.illegal_transition",),
    locks=visit_lock,
)
async def confirm_appointment(work: Work, call: Call[None]) -> Reply:
    """Note that the patient will come."""
    row = await booking.confirm(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return await view_saved(work, row)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/decline",
    may=May.APPOINTMENT_BOOK,
    reply=AppointmentView,
    refuses=("lifecycle.illegal_transition",),
    locks=visit_lock,
)
async def decline_appointment(work: Work, call: Call[None]) -> Reply:
    """Note that the patient will not come. The visit stands until somebody cancels it."""
    row = await booking.decline(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return await view_saved(work, row)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/free-slot",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    locks=visit_lock,
)
async def free_slot(work: Work, call: Call[None]) -> Reply:
    """Open the time that a cancelled visit keeps closed (`keeps_time`)."""
    row = await cancelling.free_slot(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return await view_saved(work, row)
