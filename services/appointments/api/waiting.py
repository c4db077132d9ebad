"""Routes of the waiting room, the rooms, and the screen."""

from collections.abc import Sequence
from hashlib import sha256

from services.appointments.api.changes import visit_lock
from services.appointments.api.routes import ROUTES
from services.appointments.commands import rooms as cleaning
from services.appointments.commands import setup, steps, waiting
from services.appointments.queries import rooms, visits
from services.appointments.queries import waiting as queue
from services.appointments.schemas.waiting import (
    CallView,
    CleanedView,
    DisplayView,
    QueueItemView,
    QueueView,
    RoomBoard,
    RoomStateView,
    SetPriority,
    WaitView,
    code_of,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.web.calls import Call, Reply, unless_known


@ROUTES.get("/v1/clinics/{clinic_id}/waiting-room", may=May.VISIT_FLOW, reply=QueueView)
async def read_waiting_room(work: Work, call: Call[None]) -> Reply:
    """Who waits at a clinic, the next one first, and what each was promised."""
    place = await setup.clinic(work, call.id("clinic_id"))
    found = await queue.queue(work, place.id)
    call.concerns(*(row.patient_id for _, row in found))
    items = [QueueItemView.at(n, entry, row) for n, (entry, row) in enumerate(found, 1)]
    return Reply(QueueView(items=items))


@ROUTES.get("/v1/appointments/{appointment_id}/wait", may=May.APPOINTMENT_READ, reply=WaitView)
async def read_wait(work: Work, call: Call[None]) -> Reply:
    """The wait of a visit: what was promised when it began, and how long it was."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    entry = await queue.last_entry_of(work, row.id)
    if entry is None:
        raise NotFound("queue.no_wait", "Nobody has waited for this visit.")
    return Reply(WaitView.of(entry, row))


@ROUTES.post(
    "/v1/appointments/{appointment_id}/priority",
    may=May.VISIT_FLOW,
    body=SetPriority,
    reply=WaitView,
    refuses=("queue.not_waiting", "override.reason_required"),
    locks=visit_lock,
)
async def set_priority(work: Work, call: Call[SetPriority]) -> Reply:
    """Put somebody before others who wait, with a reason, or back among them."""
    given, key = call.given, call.id("appointment_id")
    entry = await waiting.set_priority(work, key, given.priority, given.reason)
    row = await visits.visit(work, key)
    call.concerns(row.patient_id)
    return Reply(WaitView.of(entry, row))


@ROUTES.get("/v1/clinics/{clinic_id}/room-board", may=May.VISIT_FLOW, reply=RoomBoard)
async def read_room_board(work: Work, call: Call[None]) -> Reply:
    """The rooms of a clinic: free, occupied and by whom, to be cleaned."""
    place = await setup.clinic(work, call.id("clinic_id"))
    found = await rooms.board(work, place.id)
    call.concerns(*(row.patient_id for room in found for _, row in room.visits))
    return Reply(RoomBoard(items=[RoomStateView.of(room) for room in found]))


def _room_lock(call: Call[None]) -> Sequence[LockKey]:
    return (steps.room_lock(call.id("room_id")),)


@ROUTES.post(
    "/v1/rooms/{room_id}/clean",
    may=May.VISIT_FLOW,
    reply=CleanedView,
    refuses=("room.occupied",),
    locks=_room_lock,
)
async def clean_room(work: Work, call: Call[None]) -> Reply:
    """Note that a room was cleaned: it is free."""
    room, _ = await cleaning.clean(work, call.id("room_id"))
    return Reply(CleanedView(id=room.id, state="free"))


@ROUTES.get(
    "/v1/clinics/{clinic_id}/display",
    may=May.DISPLAY_READ,
    reply=DisplayView,
    also={304: None},
)
async def read_display(work: Work, call: Call[None]) -> Reply:
    """What a screen shows: codes that wait, and codes that are called with their room.

    No name, no id, no time, no provider. Ask again with `If-None-Match`: 304 says that nothing has
    changed.
    """
    place = await setup.clinic(work, call.id("clinic_id"))
    called = [
        CallView(code=code_of(row), state="called", room=found.room.name)
        for found in await rooms.board(work, place.id)
        for _, row in found.visits
    ]
    waits = [
        CallView(code=code_of(row), state="waiting", room=None)
        for _, row in await queue.queue(work, place.id)
    ]
    view = DisplayView(calls=[*sorted(called, key=lambda c: c.code), *waits])
    tag = sha256(view.model_dump_json().encode()).hexdigest()[:32]
    return unless_known(Reply(view), tag, call.if_none_match)
