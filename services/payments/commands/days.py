"""Closing a clinic's business day."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.payments import events
from services.payments.commands.posting import day_lock
from services.payments.domain.day import blockers, close
from services.payments.queries.books import books_of, closed_day
from services.payments.queries.days import day_of
from services.payments.tables import BusinessDay
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Conflict


def close_locks(clinic_id: UUID, business_date: date) -> Sequence[LockKey]:
    """The day itself: nobody posts into it meanwhile."""
    return (day_lock(clinic_id, business_date),)


def already_closed() -> Conflict:
    """A day is closed once."""
    return Conflict("day.already_closed", "This day is closed.")


async def close_day(work: Work, clinic_id: UUID, business_date: date) -> BusinessDay:
    """Close a day whose money is all explained, and keep its report.

    Raises Conflict ``day.unexplained`` with every reason (`domain.day.blockers`),
    ``day.already_closed``; Invalid ``day.future``.
    """
    books = await books_of(work, clinic_id)
    if await closed_day(work, clinic_id, business_date) is not None:
        raise already_closed()
    day = await day_of(work, books, business_date)
    reasons = blockers(day)
    if reasons:
        facts = {"reasons": [each.as_fact() for each in reasons]}
        raise Conflict("day.unexplained", "Some of the day's money is unexplained.", facts=facts)
    report = close(day, today=books.today)
    row = BusinessDay(
        id=work.new_id("business_day"),
        network_id=work.network_id,
        clinic_id=clinic_id,
        business_date=business_date,
        report=report.as_document(),
        closed_at=work.now,
        closed_by=str(work.actor),
    )
    work.add(row)
    work.say(events.day_closed(row, report), of=row)
    return row
