"""Routes of what a visit asks for: the list, who settled what, and how ready it is."""

from services.appointments.api.changes import visit_lock
from services.appointments.api.routes import ROUTES
from services.appointments.commands import checks
from services.appointments.domain.requirement_values import State
from services.appointments.queries import requirements, visits
from services.appointments.schemas.day import (
    CheckList,
    CheckView,
    ReadinessView,
    SettleRequirement,
    VerifyRequirement,
)
from services.appointments.schemas.visits import RequirementsView, RequirementView
from services.appointments.tables import Appointment
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply

SETTLED = ("requirement.not_asked", "requirement.settled")


@ROUTES.get(
    "/v1/appointments/{appointment_id}/requirements",
    may=May.APPOINTMENT_READ,
    reply=RequirementsView,
)
async def read_requirements(work: Work, call: Call[None]) -> Reply:
    """What check-in of a visit asks for, how it stands, and who can close what is open."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return Reply(await _list(work, row))


@ROUTES.get(
    "/v1/appointments/{appointment_id}/readiness",
    may=May.APPOINTMENT_READ,
    reply=ReadinessView,
)
async def read_readiness(work: Work, call: Call[None]) -> Reply:
    """How ready a visit is, 0 to 100, and what is open: who can close it, and by which route."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return Reply(ReadinessView.of(row, await requirements.readiness_items(work, row)))


@ROUTES.get(
    "/v1/appointments/{appointment_id}/requirement-checks",
    may=May.APPOINTMENT_READ,
    reply=CheckList,
)
async def list_checks(work: Work, call: Call[None]) -> Reply:
    """Who verified or waived what of a visit, and when."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    made = await requirements.checks_of(work, row)
    names = CheckView.model_fields
    return Reply(CheckList(items=[CheckView(**{n: getattr(m, n) for n in names}) for m in made]))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/requirement-checks",
    may=May.VISIT_FLOW,
    body=VerifyRequirement,
    reply=RequirementsView,
    refuses=(*SETTLED, "requirement.not_by_hand"),
    locks=visit_lock,
)
async def verify_requirement(work: Work, call: Call[VerifyRequirement]) -> Reply:
    """Note that somebody at the desk saw what is asked for."""
    row = await checks.verify(work, call.id("appointment_id"), call.given.code)
    call.concerns(row.patient_id)
    await work.flush()
    return Reply(await _list(work, row))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/requirement-checks/withdraw",
    may=May.VISIT_FLOW,
    body=SettleRequirement,
    reply=RequirementsView,
    refuses=("requirement.settled", "requirement.nothing_said"),
    locks=visit_lock,
)
async def withdraw_check(work: Work, call: Call[SettleRequirement]) -> Reply:
    """Take back what was verified or waived."""
    given = call.given
    row = await checks.withdraw(work, call.id("appointment_id"), given.code, given.reason)
    call.concerns(row.patient_id)
    await work.flush()
    return Reply(await _list(work, row))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/waivers",
    may=May.VISIT_SUPERVISE,
    body=SettleRequirement,
    reply=RequirementsView,
    refuses=(*SETTLED, "requirement.not_open", "requirement.not_waivable"),
    locks=visit_lock,
)
async def waive_requirement(work: Work, call: Call[SettleRequirement]) -> Reply:
    """Do without a requirement, with a reason. What only the patient can give is not waived."""
    given = call.given
    row = await checks.waive(work, call.id("appointment_id"), given.code, given.reason)
    call.concerns(row.patient_id)
    await work.flush()
    return Reply(await _list(work, row))


async def _list(work: Work, row: Appointment) -> RequirementsView:
    items = await requirements.open_items(work, row)
    packet = await visits.packet_of(work, row.id)
    return RequirementsView(
        appointment_id=row.id,
        ready=all(item.state is not State.OPEN for item in items),
        items=[RequirementView.of(item) for item in items],
        chart_packet_id=packet.document_id if packet else None,
    )
