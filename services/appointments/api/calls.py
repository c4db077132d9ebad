"""Routes of the staff's call list."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments.api.routes import ROUTES
from services.appointments.commands import calls
from services.appointments.queries import reminders, visits
from services.appointments.schemas.reminders import CallPage, CallView, FinishCall, ListCalls
from services.appointments.tables import CallTask
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.pages import read_cursor, sign_cursor


@ROUTES.get("/v1/calls", may=May.CALL_LIST_USE, query=ListCalls, reply=CallPage)
async def list_calls(work: Work, call: Call[ListCalls]) -> Reply:
    """Whom a clinic has to call: those whom no message can reach, those of whom nobody knows
    whether it did, and those whose answer needs a person."""
    given = call.given
    await visits.named_zone(work, given.clinic_id)
    after = None
    if given.cursor is not None:
        after = _position(read_cursor(call.cursor_secret, given.cursor))
    rows = await reminders.calls_to_make(work, given.clinic_id, after, given.limit + 1)
    page = rows[: given.limit]
    call.concerns(*(row.patient_id for row in page))
    last = page[-1] if len(rows) > given.limit else None
    position = f"{last.due_by.isoformat()}|{last.id}" if last else None
    return Reply(
        CallPage(
            items=[CallView.of(row) for row in page],
            next=sign_cursor(call.cursor_secret, position) if position else None,
        )
    )


def _position(text: str) -> tuple[datetime, UUID]:
    moment, _, key = text.partition("|")
    return datetime.fromisoformat(moment), UUID(key)


def _lock(call: Call[Any]) -> Sequence[LockKey]:
    return calls.call_lock(call.id("call_id"))


def _view(call: Call[Any], row: CallTask) -> Reply:
    call.concerns(row.patient_id)
    return Reply(CallView.of(row))


@ROUTES.post(
    "/v1/calls/{call_id}/take",
    may=May.CALL_LIST_USE,
    reply=CallView,
    refuses=("call.taken", "call.done"),
    locks=_lock,
)
async def take_call(work: Work, call: Call[None]) -> Reply:
    """Take a call, so that nobody else makes it, too."""
    return _view(call, await calls.take(work, call.id("call_id")))


@ROUTES.post(
    "/v1/calls/{call_id}/give-back",
    may=May.CALL_LIST_USE,
    reply=CallView,
    refuses=("call.taken", "call.not_taken", "call.done"),
    locks=_lock,
)
async def give_call_back(work: Work, call: Call[None]) -> Reply:
    """Let somebody else make a call."""
    return _view(call, await calls.give_back(work, call.id("call_id")))


@ROUTES.post(
    "/v1/calls/{call_id}/finish",
    may=May.CALL_LIST_USE,
    body=FinishCall,
    reply=CallView,
    refuses=("call.taken", "call.not_taken", "call.done"),
    locks=_lock,
)
async def finish_call(work: Work, call: Call[FinishCall]) -> Reply:
    """Say what came of a call. Whether the patient will come is confirmed or declined by itself."""
    return _view(call, await calls.finish(work, call.id("call_id"), call.given.outcome))
