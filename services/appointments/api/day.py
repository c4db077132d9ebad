"""Routes of who comes, where they are, and what is taken back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.appointments.api.booking import BOOKING_REFUSALS, view_saved
from services.appointments.api.routes import ROUTES
from services.appointments.commands import arrival, booking, flow, steps
from services.appointments.commands.places import Request
from services.appointments.domain.status import Move
from services.appointments.queries import visits
from services.appointments.schemas.day import StepList, StepView, TakeRoom, UndoStep, WalkIn
from services.appointments.schemas.visits import AppointmentView
from services.appointments.tables import Appointment, VisitStep
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.web.calls import Call, Reply, created

DOOR = ("lifecycle.illegal_transition", "flow.illegal_transition", "arrival.not_today",
        "queue.already_waiting", "queue.codes_used_up")  # fmt: skip
ON = ("lifecycle.illegal_transition", "flow.illegal_transition")
ROOM = (*ON, "room.not_found", "room.occupied", "room.to_be_cleaned")


async def door_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    """What arriving changes."""
    return await steps.door_locks(work, call.id("appointment_id"))


async def place_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    """What moving on changes."""
    wanted = getattr(call.given, "room_id", None)
    return await steps.place_locks(work, call.id("appointment_id"), wanted)


async def _told(work: Work, call: Call[Any], row: Appointment) -> Reply:
    call.concerns(row.patient_id)
    return await view_saved(work, row)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/arrive",
    may=May.VISIT_CHECK_IN,
    reply=AppointmentView,
    refuses=DOOR,
    locks_read=door_locks,
)
async def arrive_visit(work: Work, call: Call[None]) -> Reply:
    """Note that the patient is here, on the day of the visit; they wait from now on."""
    return await _told(work, call, await arrival.arrive(work, call.id("appointment_id")))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/came-late",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=DOOR,
    locks_read=door_locks,
)
async def come_late(work: Work, call: Call[None]) -> Reply:
    """Note that somebody who was given up is here after all, on the same day of the clinic."""
    return await _told(work, call, await arrival.come_late(work, call.id("appointment_id")))


def _walk_in(call: Call[WalkIn], now: datetime) -> Request:
    members = call.given.model_dump(exclude={"starts_at"})
    begins = call.given.starts_at or now.replace(second=0, microsecond=0)
    return Request(**members, starts_at=begins, walk_in=True)


async def _walk_in_locks(work: Work, call: Call[WalkIn]) -> Sequence[LockKey]:
    keys = booking.book_locks(_walk_in(call, work.now))
    return (*keys, lock_key("queue", call.given.clinic_id))


@ROUTES.post(
    "/v1/walk-ins",
    may=May.VISIT_FLOW,
    body=WalkIn,
    reply=AppointmentView,
    status=201,
    refuses=(*BOOKING_REFUSALS, *DOOR),
    locks_read=_walk_in_locks,
)
async def walk_in(work: Work, call: Call[WalkIn]) -> Reply:
    """Book somebody who stands at the desk by the rules of booking, and let them wait."""
    call.concerns(call.given.patient_id)
    row, time_zone = await arrival.walk_in(
        work,
        _walk_in(call, work.now),
        may_overbook=May.APPOINTMENT_OVERBOOK in call.principal.permissions,
    )
    await work.flush()
    view = AppointmentView.of(row, time_zone)
    return created(view, f"/v1/appointments/{row.id}", row.version)


@ROUTES.post(
    "/v1/appointments/{appointment_id}/undo-arrival",
    may=May.VISIT_FLOW,
    body=UndoStep,
    reply=AppointmentView,
    refuses=ON,
    locks_read=door_locks,
)
async def undo_arrival(work: Work, call: Call[UndoStep]) -> Reply:
    """Take an arrival back that was none."""
    key, reason = call.id("appointment_id"), call.given.reason
    return await _told(work, call, await arrival.undo_arrival(work, key, reason))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/undo-check-in",
    may=May.VISIT_FLOW,
    body=UndoStep,
    reply=AppointmentView,
    refuses=ON,
    locks_read=door_locks,
)
async def undo_check_in(work: Work, call: Call[UndoStep]) -> Reply:
    """Take a check-in back; the patient is still here and waits on."""
    key, reason = call.id("appointment_id"), call.given.reason
    return await _told(work, call, await arrival.undo_check_in(work, key, reason))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/enter-in-error",
    may=May.VISIT_SUPERVISE,
    body=UndoStep,
    reply=AppointmentView,
    refuses=("lifecycle.illegal_transition",),
    locks_read=place_locks,
)
async def enter_in_error(work: Work, call: Call[UndoStep]) -> Reply:
    """Say that there never was such a visit. What it holds is free."""
    key, reason = call.id("appointment_id"), call.given.reason
    return await _told(work, call, await arrival.enter_in_error(work, key, reason))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/room",
    may=May.VISIT_FLOW,
    body=TakeRoom,
    reply=AppointmentView,
    refuses=ROOM,
    locks_read=place_locks,
)
async def room_visit(work: Work, call: Call[TakeRoom]) -> Reply:
    """Take a patient who is checked in to a room that is free."""
    key = call.id("appointment_id")
    return await _told(work, call, await flow.room(work, key, call.given.room_id))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/change-room",
    may=May.VISIT_FLOW,
    body=TakeRoom,
    reply=AppointmentView,
    refuses=ROOM,
    locks_read=place_locks,
)
async def change_room(work: Work, call: Call[TakeRoom]) -> Reply:
    """Take a patient to another room."""
    key = call.id("appointment_id")
    return await _told(work, call, await flow.change_room(work, key, call.given.room_id))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/with-nurse",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=ON,
    locks_read=place_locks,
)
async def with_nurse(work: Work, call: Call[None]) -> Reply:
    """Note that a nurse is with the patient."""
    key = call.id("appointment_id")
    return await _told(work, call, await flow.reach(work, key, Move.SEE_NURSE))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/with-provider",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=ON,
    locks_read=place_locks,
)
async def with_provider(work: Work, call: Call[None]) -> Reply:
    """Note that the provider is with the patient."""
    key = call.id("appointment_id")
    return await _told(work, call, await flow.reach(work, key, Move.SEE_PROVIDER))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/ready",
    may=May.VISIT_FLOW,
    reply=AppointmentView,
    refuses=ON,
    locks_read=place_locks,
)
async def ready_for_checkout(work: Work, call: Call[None]) -> Reply:
    """Note that the patient is ready to check out."""
    key = call.id("appointment_id")
    return await _told(work, call, await flow.reach(work, key, Move.FINISH))


@ROUTES.get("/v1/appointments/{appointment_id}/steps", may=May.APPOINTMENT_READ, reply=StepList)
async def list_steps(work: Work, call: Call[None]) -> Reply:
    """How a visit went: each move, by whom, when, and why where something was taken back."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    made = await work.load_where(VisitStep, "appointment_id = $2 ORDER BY at, id", row.id)
    names = StepView.model_fields
    return Reply(StepList(items=[StepView(**{n: getattr(m, n) for n in names}) for m in made]))
