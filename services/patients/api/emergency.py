"""Routes of break-glass."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.patients.api.people import patient_lock
from services.patients.api.routes import ROUTES
from services.patients.commands import emergency as commands
from services.patients.queries import emergency as queries
from services.patients.schemas.emergency import (
    EmergencyAccessList,
    EmergencyAccessQuery,
    EmergencyAccessView,
    OpenEmergencyAccess,
    ReviewEmergencyAccess,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.pages import read_cursor, sign_cursor


@ROUTES.post(
    "/v1/patients/{patient_id}/emergency-access",
    may=May.EMERGENCY_OPEN,
    body=OpenEmergencyAccess,
    reply=EmergencyAccessView,
    status=201,
    refuses=("patient.not_found",),
    locks=patient_lock,
    step_up=True,
)
async def open_emergency_access(work: Work, call: Call[OpenEmergencyAccess]) -> Reply:
    """Break the glass: read this patient at any clinic of the network for 60 minutes.

    It is recorded and said, and somebody else has to review it within 72 hours. It opens no money
    and nothing of another network.
    """
    call.concerns(call.id("patient_id"))
    given = call.given
    row = await commands.open_access(work, call.id("patient_id"), given.reason, given.note)
    call.detail["reason"] = row.reason
    location = f"/v1/emergency-accesses/{row.id}"
    return Reply(EmergencyAccessView.of(row, work.now), 201, location=location)


async def _locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    row = await queries.access(work, call.id("access_id"))
    return [lock_key("patient", row.patient_id)]


@ROUTES.post(
    "/v1/emergency-accesses/{access_id}/review",
    may=May.EMERGENCY_REVIEW,
    body=ReviewEmergencyAccess,
    reply=EmergencyAccessView,
    refuses=("emergency_access.own_review", "emergency_access.already_reviewed"),
    locks_read=_locks,
)
async def review_emergency_access(work: Work, call: Call[ReviewEmergencyAccess]) -> Reply:
    """Say whether the glass was broken for a good reason. It is not for oneself."""
    row = await queries.access(work, call.id("access_id"))
    call.concerns(row.patient_id)
    row = await commands.review(work, row.id, call.given.finding, call.given.note)
    return Reply(EmergencyAccessView.of(row, work.now))


@ROUTES.get(
    "/v1/emergency-accesses/{access_id}", may=May.EMERGENCY_REVIEW, reply=EmergencyAccessView
)
async def read_emergency_access(work: Work, call: Call[None]) -> Reply:
    """One emergency access."""
    row = await queries.access(work, call.id("access_id"))
    call.concerns(row.patient_id)
    return Reply(EmergencyAccessView.of(row, work.now))


@ROUTES.get(
    "/v1/emergency-accesses",
    may=May.EMERGENCY_REVIEW,
    reply=EmergencyAccessList,
    query=EmergencyAccessQuery,
    refuses=("cursor.invalid",),
)
async def list_emergency_accesses(work: Work, call: Call[EmergencyAccessQuery]) -> Reply:
    """Who broke the glass, the oldest first; those whose review is open, or done, or all."""
    query = call.given
    after = None
    if query.cursor is not None:
        moment, _, key = read_cursor(call.cursor_secret, query.cursor).partition("|")
        after = datetime.fromisoformat(moment), UUID(key)
    reviewed = None if query.review is None else query.review == "done"
    rows = await queries.accesses(work, reviewed, after, query.limit + 1)
    page = rows[: query.limit]
    call.concerns(*(row.patient_id for row in page))
    following = None
    if len(rows) > query.limit:
        last = page[-1]
        position = f"{last.opened_at.isoformat()}|{last.id}"
        following = sign_cursor(call.cursor_secret, position)
    items = [EmergencyAccessView.of(row, work.now) for row in page]
    return Reply(EmergencyAccessList(items=items, next=following))
