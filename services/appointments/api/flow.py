"""Routes of the day of the visit."""

from services.appointments.api.booking import view_saved
from services.appointments.api.changes import visit_lock
from services.appointments.api.day import DOOR, door_locks, place_locks
from services.appointments.api.routes import ROUTES
from services.appointments.commands import flow
from services.appointments.domain.requirement_values import Waivers
from services.appointments.schemas.visits import AppointmentView, CheckInVisit
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply


@ROUTES.post(
    "/v1/appointments/{appointment_id}/check-in",
    may=May.VISIT_CHECK_IN,
    body=CheckInVisit,
    reply=AppointmentView,
    refuses=("checkin.for_the_desk", "checkin.requirements_open", "checkin.too_early", *DOOR),
    locks_read=door_locks,
)
async def check_in_visit(work: Work, call: Call[CheckInVisit]) -> Reply:
    """Check a patient in. What is open and not waived is named in the refusal."""
    waivers = Waivers(**call.given.model_dump())
    row, _ = await flow.check_in(work, call.id("appointment_id"), waivers)
    call.concerns(row.patient_id)
    return await view_saved(work, row)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/check-out",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=("lifecycle.illegal_transition",),
    locks_read=place_locks,
)
async def check_out_visit(work: Work, call: Call[None]) -> Reply:
    """End a visit."""
    row = await flow.check_out(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return await view_saved(work, row)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/no-show",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=("no_show.before_start", "lifecycle.illegal_transition"),
    locks=visit_lock,
)
async def mark_no_show(work: Work, call: Call[None]) -> Reply:
    """Record that nobody came; a person need not wait for the grace period."""
    row = await flow.mark_no_show(work, call.id("appointment_id"), "staff")
    call.concerns(row.patient_id)
    return await view_saved(work, row)
