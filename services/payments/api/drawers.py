"""Routes of drawers."""

from collections.abc import Sequence
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import drawers
from services.payments.domain.drawer import counted
from services.payments.queries.drawers import drawer_of
from services.payments.schemas.till import CloseDrawer, DrawerView, OpenDrawer
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created


async def _opening_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await drawers.opening_locks(work, call.given.clinic_id)


@ROUTES.post(
    "/v1/drawers",
    may=May.DRAWER_USE,
    body=OpenDrawer,
    reply=DrawerView,
    status=201,
    refuses=("clinic.not_found", "drawer.float", "drawer.open_already", "ledger.day_closed",
             "card.data"),
    locks_read=_opening_locks,
)  # fmt: skip
async def open_drawer(work: Work, call: Call[OpenDrawer]) -> Reply:
    """Open a drawer with a float. One of a name is open at a clinic at a time."""
    given = call.given
    row = await drawers.open_drawer(work, given.clinic_id, given.name, given.float_cents)
    return created(DrawerView.of(row), f"/v1/drawers/{row.id}")


@ROUTES.get("/v1/drawers/{drawer_id}", may=May.DRAWER_USE, reply=DrawerView)
async def read_drawer(work: Work, call: Call[None]) -> Reply:
    """One drawer session."""
    row = await drawer_of(work, call.id("drawer_id"))
    return Reply(DrawerView.of(row), version=row.version)


async def _closing_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await drawers.closing_locks(work, call.id("drawer_id"))


@ROUTES.post(
    "/v1/drawers/{drawer_id}/close",
    may=May.DRAWER_USE,
    body=CloseDrawer,
    reply=DrawerView,
    refuses=("drawer.not_found", "drawer.illegal_transition", "drawer.variance_unexplained",
             "drawer.count", "card.data"),
    locks_read=_closing_locks,
)  # fmt: skip
async def close_drawer(work: Work, call: Call[CloseDrawer]) -> Reply:
    """Count a drawer and close it.

    A count that is not as expected is a conflict that tells the variance, until a reason is given.
    """
    given = call.given
    tally = counted(
        given.counted_cents, check_count=given.check_count, check_cents=given.check_cents
    )
    row = await drawers.close_drawer(work, call.id("drawer_id"), tally, given.reason)
    await work.flush()
    return Reply(DrawerView.of(row), version=row.version)
