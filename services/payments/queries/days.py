"""Reading all that a clinic's business day holds."""

from datetime import date
from uuid import UUID

from services.payments.domain import drawer, payment
from services.payments.domain.accounts import Account, Kind
from services.payments.domain.charge import NoChargeReason
from services.payments.domain.day import Day, DrawerFact, PaymentFact, VisitFact
from services.payments.domain.ledger import Line
from services.payments.queries.books import Books
from services.payments.tables import Drawer
from shared.db.work import Work
from shared.values.zones import day_bounds

_MONEY = """
SELECT id, method, status, amount_cents, drawer_id FROM {table}
WHERE network_id = $1 AND clinic_id = $2 AND business_date = $3 ORDER BY id
"""
_VISITS = """
SELECT v.appointment_id, n.reason, EXISTS (SELECT 1 FROM charges c
  WHERE c.network_id = v.network_id AND c.appointment_id = v.appointment_id
  AND c.status = 'captured') AS charged
FROM known_visits v LEFT JOIN no_charges n
  ON n.network_id = v.network_id AND n.appointment_id = v.appointment_id
WHERE v.network_id = $1 AND v.clinic_id = $2 AND v.starts_at >= $3 AND v.starts_at < $4
  AND v.state = 'checked_out' ORDER BY v.appointment_id
"""
_LINES = """
SELECT l.account_kind, l.owner_id, l.currency, sum(l.cents)::bigint AS cents
FROM ledger_entries e
JOIN ledger_lines l ON l.network_id = e.network_id AND l.entry_id = e.id
WHERE e.network_id = $1 AND e.clinic_id = $2 AND e.business_date = $3
GROUP BY l.account_kind, l.owner_id, l.currency
"""


async def day_of(work: Work, books: Books, business_date: date) -> Day:
    """A clinic's day as it stands: payments, refunds, drawers, visits and ledger sums."""
    where = "clinic_id = $2 AND business_date = $3 ORDER BY id"
    drawers = await work.load_where(Drawer, where, books.clinic_id, business_date)
    return Day(
        clinic_id=books.clinic_id,
        business_date=business_date,
        currency=books.currency,
        payments=await _money(work, "payments", books.clinic_id, business_date),
        refunds=await _money(work, "refunds", books.clinic_id, business_date),
        drawers=[_drawer_fact(row) for row in drawers],
        visits=await _visits(work, books, business_date),
        lines=await _lines(work, books.clinic_id, business_date),
    )


async def _money(work: Work, table: str, clinic_id: UUID, business_date: date) -> list[PaymentFact]:
    text = _MONEY.format(table=table)
    rows = await work.raw.fetch(text, work.network_id, clinic_id, business_date)
    return [
        PaymentFact(
            row["id"],
            payment.Method(row["method"]),
            payment.Status(row["status"]),
            row["amount_cents"],
            row["drawer_id"],
        )
        for row in rows
    ]


async def _visits(work: Work, books: Books, business_date: date) -> list[VisitFact]:
    since, until = day_bounds(business_date, books.zone)
    rows = await work.raw.fetch(_VISITS, work.network_id, books.clinic_id, since, until)
    return [
        VisitFact(
            row["appointment_id"],
            row["charged"],
            # A charge outweighs what was said before it.
            NoChargeReason(row["reason"]) if row["reason"] and not row["charged"] else None,
        )
        for row in rows
    ]


async def _lines(work: Work, clinic_id: UUID, business_date: date) -> list[Line]:
    rows = await work.raw.fetch(_LINES, work.network_id, clinic_id, business_date)
    return [
        Line(Account(Kind(row["account_kind"]), row["owner_id"]), row["cents"], row["currency"])
        for row in rows
    ]


def _drawer_fact(row: Drawer) -> DrawerFact:
    return DrawerFact(row.id, drawer.Status(row.status), row.float_cents, closing_of(row))


def closing_of(row: Drawer) -> drawer.Closing | None:
    """How a drawer was closed; None while it is not."""
    if (
        row.expected_cents is None
        or row.expected_check_count is None
        or row.expected_check_cents is None
        or row.counted_cents is None
        or row.counted_check_count is None
        or row.counted_check_cents is None
    ):
        return None
    return drawer.Closing(
        drawer.Tally(row.expected_cents, row.expected_check_count, row.expected_check_cents),
        drawer.Tally(row.counted_cents, row.counted_check_count, row.counted_check_cents),
        row.variance_reason,
    )
