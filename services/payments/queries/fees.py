"""Reading fee schedules."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.payments.domain.fees import Fee
from services.payments.tables import FeePrice
from shared.db.work import Work
from shared.values.money import Money


def fee_of(row: FeePrice) -> Fee:
    """A price as the rules take it."""
    return Fee(
        row.code, Money(row.amount_cents, row.currency), row.effective_from, row.effective_to
    )


async def prices_of(work: Work, clinic_id: UUID, codes: Sequence[str]) -> list[FeePrice]:
    """The prices of some codes at a clinic, of all days."""
    where = "clinic_id = $2 AND code = ANY ($3) ORDER BY code, effective_from"
    return await work.load_where(FeePrice, where, clinic_id, list(codes))


async def list_prices(
    work: Work, clinic_id: UUID, day: date | None, after: tuple[str, date] | None, limit: int
) -> list[FeePrice]:
    """A clinic's prices by code and first day, those that hold on a day where one is given."""
    where = (
        "clinic_id = $2 AND ($3::date IS NULL OR (effective_from <= $3"
        " AND (effective_to IS NULL OR effective_to > $3)))"
        " AND ($4::text IS NULL OR (code, effective_from) > ($4, $5::date))"
        " ORDER BY code, effective_from LIMIT $6"
    )
    code, first_day = after or (None, None)
    return await work.load_where(FeePrice, where, clinic_id, day, code, first_day, limit)
