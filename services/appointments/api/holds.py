"""Routes of holds."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.appointments.api.booking import BOOKING_REFUSALS, may_overbook
from services.appointments.api.routes import ROUTES
from services.appointments.commands import holds
from services.appointments.commands.places import Wanted
from services.appointments.queries import visits
from services.appointments.queries.holds import found_hold, rule_of
from services.appointments.schemas.holds import ExtendHold, HoldView, PlaceHold
from services.appointments.tables import Hold
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created


def _wanted(call: Call[PlaceHold]) -> Wanted:
    return Wanted(**call.given.model_dump(exclude={"ttl_minutes"}))


def _hold_locks(call: Call[Any]) -> Sequence[LockKey]:
    return holds.hold_locks(_wanted(call), call.principal.actor)


@ROUTES.post(
    "/v1/holds",
    may=May.APPOINTMENT_BOOK,
    body=PlaceHold,
    reply=HoldView,
    status=201,
    refuses=("hold.too_many", *BOOKING_REFUSALS),
    locks=_hold_locks,
)
async def place_hold(work: Work, call: Call[PlaceHold]) -> Reply:
    """Hold a time for some minutes, for a patient or for nobody yet.

    It occupies what a booking would. Book it by `hold_id`; after `expires_at` it is free again.
    """
    if call.given.patient_id is not None:
        call.concerns(call.given.patient_id)
    ttl = timedelta(minutes=call.given.ttl_minutes)
    row, time_zone = await holds.hold(work, _wanted(call), ttl=ttl, may_overbook=may_overbook(call))
    return created(HoldView.of(row, row.state, time_zone), f"/v1/holds/{row.id}")


@ROUTES.get("/v1/holds/{hold_id}", may=May.APPOINTMENT_READ, reply=HoldView)
async def read_hold(work: Work, call: Call[None]) -> Reply:
    """One hold, as it stands now."""
    return await _view(work, call, await found_hold(work, call.id("hold_id")))


async def _extend_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await holds.extend_locks(work, call.id("hold_id"))


@ROUTES.post(
    "/v1/holds/{hold_id}/extend",
    may=May.APPOINTMENT_BOOK,
    body=ExtendHold,
    reply=HoldView,
    refuses=("hold.anothers", "hold.expired", "hold.released", "hold.taken",
             "hold.extended_already"),
    locks_read=_extend_locks,
)  # fmt: skip
async def extend_hold(work: Work, call: Call[ExtendHold]) -> Reply:
    """Let a hold last longer, once at the most."""
    ttl = timedelta(minutes=call.given.ttl_minutes)
    row = await holds.extend(work, call.id("hold_id"), ttl)
    return await _view(work, call, row)


def _hold_lock(call: Call[Any]) -> Sequence[LockKey]:
    return holds.hold_lock(call.id("hold_id"))


@ROUTES.post(
    "/v1/holds/{hold_id}/release",
    may=May.APPOINTMENT_BOOK,
    reply=HoldView,
    refuses=("hold.taken",),
    locks=_hold_lock,
)
async def release_hold(work: Work, call: Call[None]) -> Reply:
    """Give a hold back. One that is over stays as it ended."""
    return await _view(work, call, await holds.release(work, call.id("hold_id")))


async def _view(work: Work, call: Call[Any], row: Hold) -> Reply:
    if row.patient_id is not None:
        call.concerns(row.patient_id)
    await work.flush()
    state = rule_of(row).stands_at(work.now).value
    name = await visits.clinic_zone(work, row.clinic_id)
    return Reply(HoldView.of(row, state, name), version=row.version)
