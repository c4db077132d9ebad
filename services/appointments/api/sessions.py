"""Routes of group sessions."""

from collections.abc import Sequence
from typing import Any

from services.appointments.api.booking import BOOKING_REFUSALS, SEAT_REFUSALS
from services.appointments.api.routes import ROUTES
from services.appointments.commands import booking, seats, sessions
from services.appointments.commands.places import Wanted
from services.appointments.queries import sessions as read
from services.appointments.queries import visits
from services.appointments.schemas.sessions import (
    CancelSession,
    ListSessions,
    MoveSession,
    OpenSession,
    SessionList,
    SessionSummary,
    SessionView,
    TakeSeat,
)
from services.appointments.schemas.visits import AppointmentView
from services.appointments.tables import Session
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.zones import day_bounds, zone
from shared.web.calls import Call, Reply, created


def _wanted(call: Call[OpenSession]) -> Wanted:
    return Wanted(patient_id=None, **call.given.model_dump(exclude={"seats"}))


def _open_locks(call: Call[Any]) -> Sequence[LockKey]:
    return booking.book_locks(_wanted(call))


@ROUTES.post(
    "/v1/sessions",
    may=May.VISIT_FLOW,
    body=OpenSession,
    reply=SessionView,
    status=201,
    refuses=BOOKING_REFUSALS,
    locks=_open_locks,
)
async def open_session(work: Work, call: Call[OpenSession]) -> Reply:
    """Open a group session: a provider, a room and seats that patients take."""
    row, name = await sessions.open_session(work, _wanted(call), call.given.seats)
    return created(SessionView.of(row, [], 0, name), f"/v1/sessions/{row.id}")


@ROUTES.get("/v1/sessions", may=May.VISIT_FLOW, query=ListSessions, reply=SessionList)
async def list_sessions(work: Work, call: Call[ListSessions]) -> Reply:
    """The group sessions of a clinic on a local day, or those to come; 200 at most, by start."""
    in_zone = zone(await visits.named_zone(work, call.given.clinic_id))
    day = call.given.day
    since, until = (work.now, None) if day is None else day_bounds(day, in_zone)
    rows = await read.sessions_between(work, call.given.clinic_id, since, until)
    names = SessionSummary.model_fields
    items = [SessionSummary(**{n: getattr(row, n) for n in names}) for row in rows]
    return Reply(SessionList(items=items))


@ROUTES.get("/v1/sessions/{session_id}", may=May.VISIT_FLOW, reply=SessionView)
async def read_session(work: Work, call: Call[None]) -> Reply:
    """One session, and who has its seats."""
    return await _view(work, call, await read.one_session(work, call.id("session_id")))


async def _seat_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    # First, as no answer tells who may not act for the patient whether there is such a session.
    call.concerns(call.given.patient_id)
    return await seats.seat_locks(work, call.id("session_id"), call.given.patient_id)


@ROUTES.post(
    "/v1/sessions/{session_id}/seats",
    may=May.APPOINTMENT_BOOK,
    body=TakeSeat,
    reply=AppointmentView,
    status=201,
    refuses=(*SEAT_REFUSALS, *BOOKING_REFUSALS),
    locks_read=_seat_locks,
)
async def take_seat(work: Work, call: Call[TakeSeat]) -> Reply:
    """Take a seat for a patient. It is a visit of its own; to cancel it frees the seat."""
    given = call.given
    call.concerns(given.patient_id)
    row, name = await seats.take_seat(
        work, call.id("session_id"), given.patient_id, given.overlap_reason
    )
    return created(AppointmentView.of(row, name), f"/v1/appointments/{row.id}")


async def _whole_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await sessions.whole_locks(work, call.id("session_id"))


async def _moved_to(work: Work, call: Call[MoveSession]) -> Wanted:
    row, given = await read.one_session(work, call.id("session_id")), call.given
    return sessions.moved_to(row, given.starts_at, given.provider_id, given.room_id)


async def _move_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await sessions.whole_locks(work, call.id("session_id"), await _moved_to(work, call))


@ROUTES.post(
    "/v1/sessions/{session_id}/move",
    may=May.VISIT_FLOW,
    body=MoveSession,
    reply=SessionView,
    versioned=True,
    refuses=("session.begun", "session.cancelled", *BOOKING_REFUSALS),
    locks_read=_move_locks,
)
async def move_session(work: Work, call: Call[MoveSession]) -> Reply:
    """Move a session with every seat, or none of it."""
    to = await _moved_to(work, call)
    row = await sessions.move_session(
        work, call.id("session_id"), to, call.given.reason, call.if_match
    )
    return await _view(work, call, row)


@ROUTES.post(
    "/v1/sessions/{session_id}/cancel",
    may=May.VISIT_FLOW,
    body=CancelSession,
    reply=SessionView,
    versioned=True,
    refuses=("session.begun",),
    locks_read=_whole_locks,
)
async def cancel_session(work: Work, call: Call[CancelSession]) -> Reply:
    """Call a session off, and every seat with it."""
    row = await sessions.call_session_off(
        work, call.id("session_id"), call.given.reason, call.if_match
    )
    return await _view(work, call, row)


async def _view(work: Work, call: Call[Any], row: Session) -> Reply:
    await work.flush()
    seats = await read.seats_of(work, row.id)
    call.concerns(*(seat.patient_id for seat in seats))
    name = await visits.clinic_zone(work, row.clinic_id)
    held = await read.seats_held(work, row.id)
    return Reply(SessionView.of(row, seats, held, name), version=row.version)
