"""Routes of the day of the visit."""

from collections.abc import Sequence
from typing import Any

from services.appointments.api.booking import view_saved
from services.appointments.api.changes import visit_lock
from services.appointments.api.routes import ROUTES
from services.appointments.commands import flow
from services.appointments.domain.requirements import State, Waivers
from services.appointments.queries import visits
from services.appointments.schemas.visits import (
    AppointmentView,
    CheckInVisit,
    RequirementsView,
    RequirementView,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply


@ROUTES.get(
    "/v1/appointments/{appointment_id}/requirements",
    may=May.APPOINTMENT_READ,
    reply=RequirementsView,
)
async def read_requirements(work: Work, call: Call[None]) -> Reply:
    """What check-in of a visit asks for, how it stands, and who can close what is open."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    items = await visits.open_items(work, row)
    packet = await visits.packet_of(work, row.id)
    view = RequirementsView(
        appointment_id=row.id,
        ready=all(item.state is not State.OPEN for item in items),
        items=[RequirementView.of(item) for item in items],
        chart_packet_id=packet.document_id if packet else None,
    )
    return Reply(view)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/check-in",
    may=May.VISIT_CHECK_IN,
    body=CheckInVisit,
    reply=AppointmentView,
    refuses=("checkin.for_the_desk", "checkin.requirements_open", "lifecycle.illegal_transition"),
    locks=visit_lock,
)
async def check_in_visit(work: Work, call: Call[CheckInVisit]) -> Reply:
    """Check a patient in. What is open and not waived is named in the refusal."""
    waivers = Waivers(**call.given.model_dump())
    row, _ = await flow.check_in(work, call.id("appointment_id"), waivers)
    call.concerns(row.patient_id)
    return await view_saved(work, row)


async def _patient_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await flow.patient_locks(work, call.id("appointment_id"))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/check-out",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=("lifecycle.illegal_transition",),
    locks_read=_patient_locks,
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
