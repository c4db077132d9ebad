"""Routes of the times that patients ask the desk for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments.api.booking import BOOKING_REFUSALS
from services.appointments.api.routes import ROUTES
from services.appointments.commands import requests
from services.appointments.queries import requests as read
from services.appointments.queries import visits
from services.appointments.schemas.requests import (
    AcceptRequest,
    AskForTime,
    DeclineRequest,
    ListRequests,
    RequestAccepted,
    RequestList,
    RequestPage,
    RequestView,
)
from services.appointments.schemas.visits import AppointmentView
from services.appointments.schemas.waitlist import OfPatient
from services.appointments.tables import AppointmentRequest
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created
from shared.web.pages import read_cursor, sign_cursor

_ACCEPTED, _DECLINED, _WITHDRAWN, _EXPIRED = (
    f"appointment_request.{state}" for state in ("accepted", "declined", "withdrawn", "expired")
)


async def _ask_locks(work: Work, call: Call[AskForTime]) -> Sequence[LockKey]:
    given = call.given
    return await requests.ask_locks(work, given.patient_id, given.appointment_type_id)


@ROUTES.post(
    "/v1/appointment-requests",
    may=May.APPOINTMENT_BOOK,
    body=AskForTime,
    reply=RequestView,
    status=201,
    refuses=(
        "appointment_request.view_only", "appointment_request.times",
        "appointment_request.in_past", "appointment_request.too_far", "appointment_request.open",
    ),
    locks_read=_ask_locks,
)  # fmt: skip
async def ask_for_time(work: Work, call: Call[AskForTime]) -> Reply:
    """Ask the desk for one of up to three times. Nothing is booked or held by that."""
    call.concerns(call.given.patient_id)
    row = await requests.ask(work, requests.Asked(**vars(call.given)))
    name = await visits.clinic_zone(work, row.clinic_id)
    return created(RequestView.of(row, name), f"/v1/appointment-requests/{row.id}")


@ROUTES.get(
    "/v1/appointment-requests", may=May.REQUEST_ANSWER, query=ListRequests, reply=RequestPage
)
async def list_requests(work: Work, call: Call[ListRequests]) -> Reply:
    """What a clinic's desk is asked for, the oldest first."""
    given = call.given
    name = await visits.named_zone(work, given.clinic_id)
    after = None
    if given.cursor is not None:
        after = _position(read_cursor(call.cursor_secret, given.cursor))
    rows = await read.requests_at(work, given.clinic_id, given.state, after, given.limit + 1)
    page = rows[: given.limit]
    call.concerns(*(row.patient_id for row in page))
    last = page[-1] if len(rows) > given.limit else None
    position = f"{last.made_at.isoformat()}|{last.id}" if last else None
    return Reply(
        RequestPage(
            items=[RequestView.of(row, name) for row in page],
            next=sign_cursor(call.cursor_secret, position) if position else None,
        )
    )


def _position(text: str) -> tuple[datetime, UUID]:
    moment, _, key = text.partition("|")
    return datetime.fromisoformat(moment), UUID(key)


@ROUTES.get(
    "/v1/appointment-requests/of-patient",
    may=May.APPOINTMENT_READ,
    query=OfPatient,
    reply=RequestList,
)
async def list_own_requests(work: Work, call: Call[OfPatient]) -> Reply:
    """What a patient has asked for, the latest first."""
    call.concerns(call.given.patient_id)
    rows = await read.requests_of(work, call.given.patient_id)
    zones = {row.clinic_id: await visits.clinic_zone(work, row.clinic_id) for row in rows}
    return Reply(RequestList(items=[RequestView.of(row, zones[row.clinic_id]) for row in rows]))


@ROUTES.get("/v1/appointment-requests/{request_id}", may=May.APPOINTMENT_READ, reply=RequestView)
async def read_request(work: Work, call: Call[None]) -> Reply:
    """One request, as it stands now."""
    return await _view(work, call, await read.found_request(work, call.id("request_id")))


def _picked(call: Call[AcceptRequest]) -> requests.Picked:
    return requests.Picked(**vars(call.given))


async def _accept_locks(work: Work, call: Call[AcceptRequest]) -> Sequence[LockKey]:
    return await requests.accept_locks(work, call.id("request_id"), _picked(call))


@ROUTES.post(
    "/v1/appointment-requests/{request_id}/accept",
    may=May.REQUEST_ANSWER,
    body=AcceptRequest,
    reply=RequestAccepted,
    refuses=(
        "appointment_request.provider", _DECLINED, _WITHDRAWN, _EXPIRED, *BOOKING_REFUSALS,
    ),
    locks_read=_accept_locks,
)  # fmt: skip
async def accept_request(work: Work, call: Call[AcceptRequest]) -> Reply:
    """Book what was asked for, by every rule of booking. Where one refuses, it stays open."""
    row, made, name = await requests.accept(work, call.id("request_id"), _picked(call))
    call.concerns(row.patient_id)
    await work.flush()
    return Reply(
        RequestAccepted(
            request=RequestView.of(row, await visits.clinic_zone(work, row.clinic_id)),
            appointment=AppointmentView.of(made, name),
        )
    )


def _lock(call: Call[Any]) -> Sequence[LockKey]:
    return requests.request_lock(call.id("request_id"))


@ROUTES.post(
    "/v1/appointment-requests/{request_id}/decline",
    may=May.REQUEST_ANSWER,
    body=DeclineRequest,
    reply=RequestView,
    refuses=(_ACCEPTED, _WITHDRAWN, _EXPIRED),
    locks=_lock,
)
async def decline_request(work: Work, call: Call[DeclineRequest]) -> Reply:
    """Say no, and why."""
    row = await requests.decline(work, call.id("request_id"), call.given.reason)
    return await _view(work, call, row)


@ROUTES.post(
    "/v1/appointment-requests/{request_id}/withdraw",
    may=May.APPOINTMENT_BOOK,
    reply=RequestView,
    refuses=(_ACCEPTED, _DECLINED, _EXPIRED),
    locks=_lock,
)
async def withdraw_request(work: Work, call: Call[None]) -> Reply:
    """Take it back."""
    return await _view(work, call, await requests.withdraw(work, call.id("request_id")))


async def _view(work: Work, call: Call[Any], row: AppointmentRequest) -> Reply:
    call.concerns(row.patient_id)
    await work.flush()
    name = await visits.clinic_zone(work, row.clinic_id)
    return Reply(RequestView.of(row, name), version=row.version)
