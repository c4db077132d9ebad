"""Routes of the verdict on a visit's cover, and of its estimate."""

from collections.abc import Sequence
from typing import Any

from services.eligibility.api.routes import ROUTES
from services.eligibility.commands.asking import patient_lock
from services.eligibility.commands.reckoning import estimate_again
from services.eligibility.queries.visits import cover_of, estimate_of, visit
from services.eligibility.schemas.visits import CoverView, EstimateView
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.web.calls import Call, Reply


@ROUTES.get("/v1/visits/{appointment_id}/cover", may=May.COVERAGE_READ, reply=CoverView)
async def read_cover(work: Work, call: Call[None]) -> Reply:
    """Whether a visit is covered: active, inactive, unverified or self-pay, and why."""
    row = await visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    cover = await cover_of(work, row.appointment_id)
    if cover is None:
        return Reply(CoverView.pending(row))
    return Reply(CoverView.of(cover), version=cover.version)


@ROUTES.get("/v1/visits/{appointment_id}/estimate", may=May.ESTIMATE_READ, reply=EstimateView)
async def read_estimate(work: Work, call: Call[None]) -> Reply:
    """What a visit will likely cost the patient. There is none before price and verdict are
    known."""
    row = await visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return await _view(work, call)


async def _view(work: Work, call: Call[None]) -> Reply:
    found = await estimate_of(work, call.id("appointment_id"))
    if found is None:
        raise NotFound("estimate.not_found", "There is no estimate of this visit yet.")
    held, revision = found
    return Reply(EstimateView.of(held.patient_id, revision), version=held.version)


async def _patient_of_visit(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return patient_lock((await visit(work, call.id("appointment_id"))).patient_id)


@ROUTES.post(
    "/v1/visits/{appointment_id}/estimate",
    may=May.ELIGIBILITY_CHECK,
    reply=EstimateView,
    refuses=("estimate.not_ready",),
    locks_read=_patient_of_visit,
)
async def make_estimate(work: Work, call: Call[None]) -> Reply:
    """Work the estimate out again. It stays the same revision where nothing changed.

    `estimate.not_ready` names in `missing` what is not known yet: clinic, cover, service, fee.
    """
    row = await visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    await estimate_again(work, row)
    return await _view(work, call)
