"""Who asks, bound to whom they may act for now, before anything else of a request is done."""

from dataclasses import replace

from starlette.responses import Response

from shared.contracts.permissions import Permission
from shared.db.database import Database
from shared.db.proxies import acting, may_act
from shared.db.work import Context, Work
from shared.web.tokens import Principal
from shared.web.transactions import Plan, in_transaction


async def backed(
    database: Database, context: Context, principal: Principal, may: Permission
) -> Principal:
    """The principal, with those of `acts_for` whom the register of proxies backs for a permission.

    In a transaction before the route's own: what that waits for, locks, reads first and gives
    again has to know. Who acts for nobody costs nothing.
    """
    found = principal
    if not may_act(principal.actor, may):
        return found

    async def look(work: Work) -> Response:
        nonlocal found
        actor = await acting(work, principal.actor, principal.patient_id, may)
        found = replace(principal, actor=actor)
        return Response()

    await in_transaction(database, Plan(context), look, {})
    return found
