"""Routes of visits that repeat."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.appointments.api.booking import BOOKING_REFUSALS
from services.appointments.api.routes import ROUTES
from services.appointments.commands import booking, cancelling, series
from services.appointments.commands.places import Request
from services.appointments.queries import series as read
from services.appointments.schemas.series import (
    BookSeries,
    CancelSeries,
    LeftOut,
    MoveSeries,
    SeriesDone,
    SeriesView,
    SeriesVisit,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created

SERIES_REFUSALS = ("series.occurrence", "lifecycle.illegal_transition")


def _request(call: Call[BookSeries]) -> Request:
    own = {"rrule", "on_conflict", "tolerance_minutes"}
    return Request(**call.given.model_dump(exclude=own))


def _book_locks(call: Call[Any]) -> Sequence[LockKey]:
    return booking.book_locks(_request(call))


@ROUTES.post(
    "/v1/series",
    may=May.VISIT_FLOW,
    body=BookSeries,
    reply=SeriesDone,
    status=201,
    refuses=("series.rule", "series.endless", "series.too_many", "series.start",
             "series.tolerance", "series.nothing_free", *BOOKING_REFUSALS),
    locks=_book_locks,
)  # fmt: skip
async def book_series(work: Work, call: Call[BookSeries]) -> Reply:
    """Book visits that repeat, 104 at most, each a visit of its own.

    The wall time stays the same over a change of the clocks. A refusal names the occurrence.
    """
    given = call.given
    call.concerns(given.patient_id)
    tolerance = timedelta(minutes=given.tolerance_minutes)
    plan = series.Plan(given.rrule, given.on_conflict, tolerance)
    done = await series.book_series(work, _request(call), plan)
    await work.flush()
    row = done.series
    return created(SeriesDone.of(done, "booked"), f"/v1/series/{row.id}", row.version)


@ROUTES.get("/v1/series/{series_id}", may=May.APPOINTMENT_READ, reply=SeriesView)
async def read_series(work: Work, call: Call[None]) -> Reply:
    """A series, its visits, and the occurrences that are none."""
    row = await read.one_series(work, call.id("series_id"))
    call.concerns(row.patient_id)
    own = {"visits", "left_out"}
    members = {name: getattr(row, name) for name in SeriesView.model_fields if name not in own}
    names = SeriesVisit.model_fields
    visits = [
        SeriesVisit(**{name: getattr(visit, name) for name in names})
        for visit in await read.visits_of(work, row.id)
    ]
    left = [LeftOut(**each) for each in row.left_out or ()]
    return Reply(SeriesView(**members, visits=visits, left_out=left), version=row.version)


async def _move_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await series.some_locks(work, call.id("series_id"), call.given.provider_id)


@ROUTES.post(
    "/v1/series/{series_id}/reschedule",
    may=May.VISIT_FLOW,
    body=MoveSeries,
    reply=SeriesDone,
    refuses=(*SERIES_REFUSALS, "series.tolerance", *BOOKING_REFUSALS),
    locks_read=_move_locks,
)
async def move_series(work: Work, call: Call[MoveSeries]) -> Reply:
    """Move an occurrence, it and those after it, or all; what has begun stays.

    With `skip` a visit that cannot be moved stays where it is; with `fail` nothing moves.
    """
    given = call.given
    to = booking.Destination(given.starts_at, provider_id=given.provider_id)
    done = await series.move_some(
        work, call.id("series_id"), given.occurrence, given.scope, to, given.reason,
        given.on_conflict,
    )  # fmt: skip
    call.concerns(done.series.patient_id)
    await work.flush()
    return Reply(SeriesDone.of(done, "rescheduled"), version=done.series.version)


async def _some_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await series.some_locks(work, call.id("series_id"))


@ROUTES.post(
    "/v1/series/{series_id}/cancel",
    may=May.VISIT_FLOW,
    body=CancelSeries,
    reply=SeriesDone,
    refuses=SERIES_REFUSALS,
    locks_read=_some_locks,
)
async def cancel_series(work: Work, call: Call[CancelSeries]) -> Reply:
    """Call an occurrence off, it and those after it, or all; what has begun stays."""
    given = call.given
    why = cancelling.Cancelling(given.reason)
    done = await series.call_some_off(
        work, call.id("series_id"), given.occurrence, given.scope, why
    )
    call.concerns(done.series.patient_id)
    await work.flush()
    return Reply(SeriesDone.of(done, "cancelled"), version=done.series.version)
