"""Routes of on-call shifts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.appointments.api.routes import ROUTES
from services.appointments.commands import on_call
from services.appointments.domain.on_call import at, gaps
from services.appointments.domain.slots import WINDOW_MAX
from services.appointments.schemas.on_call import (
    AddShift,
    GapView,
    ListShifts,
    OnCallList,
    OnCallQuery,
    ShiftList,
    ShiftView,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.interval import Interval
from shared.web.calls import Call, Reply, created

_MOMENT = timedelta(seconds=1)


def _role_lock(call: Call[AddShift]) -> Sequence[LockKey]:
    return on_call.role_lock(call.given.role)


@ROUTES.post(
    "/v1/on-call-shifts",
    may=May.CLINIC_WRITE,
    body=AddShift,
    reply=ShiftView,
    status=201,
    refuses=(
        "on_call.overlaps", "on_call.same_person", "on_call.zone", "on_call.too_long",
        "provider.not_found", "clinic.not_found", "time.nonexistent", "time.ambiguous",
    ),
    locks=_role_lock,
)  # fmt: skip
async def add_shift(work: Work, call: Call[AddShift]) -> Reply:
    """Enter who is on call for a role. Of each rank there is one at a time."""
    row = await on_call.add_shift(work, on_call.Request(**call.given.model_dump()))
    return created(ShiftView.of(row), f"/v1/on-call-shifts/{row.id}")


@ROUTES.get("/v1/on-call-shifts", may=May.CLINIC_READ, query=ListShifts, reply=ShiftList)
async def list_shifts(work: Work, call: Call[ListShifts]) -> Reply:
    """The shifts of a window of at most 93 days, and the gaps in which nobody is primary."""
    given = call.given
    window = Interval(given.since, given.until)
    if window.length > WINDOW_MAX:
        raise Invalid("query.too_wide", "The window is longer than 93 days.", pointer="/until")
    rows = await on_call.shifts_in(work, window, given.role, given.clinic_id)
    missing = gaps(on_call.shifts_of(rows), window, given.role)
    return Reply(
        ShiftList(
            items=[ShiftView.of(row) for row in rows], gaps=[GapView.of(gap) for gap in missing]
        )
    )


@ROUTES.get("/v1/on-call", may=May.CLINIC_READ, query=OnCallQuery, reply=OnCallList)
async def who_is_on_call(work: Work, call: Call[OnCallQuery]) -> Reply:
    """Who is on call now, or at an instant."""
    given = call.given
    moment = given.at or work.now
    window = Interval(moment, moment + _MOMENT)
    rows = await on_call.shifts_in(work, window, given.role, given.clinic_id)
    by_id = {row.id: row for row in rows}
    found = at(on_call.shifts_of(rows), window.start)
    return Reply(OnCallList(items=[ShiftView.of(by_id[shift.id]) for shift in found]))


async def _shift_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await on_call.shift_locks(work, call.id("shift_id"))


@ROUTES.post(
    "/v1/on-call-shifts/{shift_id}/withdraw",
    may=May.CLINIC_WRITE,
    reply=ShiftView,
    locks_read=_shift_locks,
)
async def withdraw_shift(work: Work, call: Call[None]) -> Reply:
    """Take a shift back."""
    return Reply(ShiftView.of(await on_call.withdraw_shift(work, call.id("shift_id"))))
