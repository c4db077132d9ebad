"""Routes of the day's report and close."""

from collections.abc import Sequence
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import days
from services.payments.domain.day import blockers, report
from services.payments.queries.books import books_of, closed_day
from services.payments.queries.days import day_of
from services.payments.schemas.till import CloseDay, DayReportTotals, DayReportView, ReadDay
from services.payments.tables import BusinessDay
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.minimum import Lesser


def _closed(row: BusinessDay) -> DayReportView:
    return DayReportView.of(row.report, closed_at=row.closed_at, business_day_id=row.id)


@ROUTES.get(
    "/v1/clinics/{clinic_id}/day-report",
    may=May.DAY_READ,
    query=ReadDay,
    reply=DayReportView,
    lesser=(Lesser(May.LEDGER_READ_TOTALS, DayReportTotals),),
)
async def read_day_report(work: Work, call: Call[ReadDay]) -> Reply:
    """A day in figures: as it was closed, or as it stands with what is in the way of closing."""
    books = await books_of(work, call.id("clinic_id"))
    row = await closed_day(work, books.clinic_id, call.given.business_date)
    if row is not None:
        return Reply(_closed(row))
    day = await day_of(work, books, call.given.business_date)
    return Reply(DayReportView.of(report(day).as_document(), blockers(day)))


def _locks(call: Call[Any]) -> Sequence[LockKey]:
    return days.close_locks(call.id("clinic_id"), call.given.business_date)


@ROUTES.post(
    "/v1/clinics/{clinic_id}/close-day",
    may=May.DAY_CLOSE,
    body=CloseDay,
    reply=DayReportView,
    refuses=("clinic.not_found", "day.unexplained", "day.already_closed", "day.future"),
    locks=_locks,
)
async def close_day(work: Work, call: Call[CloseDay]) -> Reply:
    """Close a clinic's day; nothing is posted into it any more.

    While any of its money is unexplained it is a conflict whose `reasons` list every rule that
    stands in the way, with the ids of the rows.
    """
    row = await days.close_day(work, call.id("clinic_id"), call.given.business_date)
    return Reply(_closed(row))
