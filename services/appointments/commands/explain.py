"""Judging a booking without making it."""

from uuid import UUID

from services.appointments.commands.places import Request, facts_of, wish_of
from services.appointments.domain.booking import Booking
from services.appointments.domain.explain import explain, named
from services.appointments.domain.hold import HoldState
from services.appointments.domain.rules import RuleKind
from services.appointments.queries.holds import found_hold, rule_of
from services.appointments.queries.visits import visit
from shared.db.work import Work
from shared.values.errors import Conflict, DomainError, Forbidden, Invalid


async def explain_booking(
    work: Work, request: Request, moving: UUID | None, *, may_overbook: bool
) -> tuple[Booking | None, tuple[DomainError, ...]]:
    """The booking that there would be, or every refusal of it. Nothing is written or locked.

    moving: the visit that would be moved, whose own time is not in the way; nor is that of a hold
    of the caller which the booking would take. Raises NotFound, as booking does, for what is not
    there.
    """
    if moving is not None:
        await visit(work, moving)
    known = await facts_of(work, request, may_overbook)
    try:
        wish = wish_of(work, request, known)
    except (Conflict, Forbidden, Invalid) as error:
        return None, (named(error),)
    ignoring = moving
    if ignoring is None and request.hold_id is not None:
        row = await found_hold(work, request.hold_id)
        if rule_of(row).stands_at(work.now) is HoldState.HELD and row.held_by == str(work.actor):
            ignoring, known = row.id, known.waiving(RuleKind.LEAD_TIME)
    return explain(wish, known.facts, work.now, ignoring=ignoring)
