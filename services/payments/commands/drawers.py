"""Opening drawers with a float and closing them with a count."""

from collections.abc import Sequence
from uuid import UUID

from services.payments import events
from services.payments.commands.posting import Source, day_lock, post
from services.payments.domain import drawer as rules
from services.payments.domain import postings
from services.payments.domain.card_data import without_card_data
from services.payments.queries.books import Books, books_of, require_open_day
from services.payments.queries.drawers import drawer_of, expected_in
from services.payments.tables import Drawer
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict, Invalid
from shared.values.money import Money


def drawer_lock(drawer_id: UUID) -> LockKey:
    """A drawer session, and what goes into it and out of it."""
    return lock_key("drawer", drawer_id)


def open_already() -> Conflict:
    """One session of a drawer at a time."""
    return Conflict("drawer.open_already", "This drawer is open; close it first.")


async def opening_locks(work: Work, clinic_id: UUID) -> Sequence[LockKey]:
    """The clinic's day."""
    books = await books_of(work, clinic_id)
    return (day_lock(clinic_id, books.today),)


async def open_drawer(work: Work, clinic_id: UUID, name: str, float_cents: int) -> Drawer:
    """Open a drawer with a float, which comes from the safe.

    Raises Invalid ``drawer.float``, Conflict ``drawer.open_already``, ``ledger.day_closed``.
    """
    books = await books_of(work, clinic_id)
    await require_open_day(work, books)
    without_card_data(name, pointer="/name")
    where = "clinic_id = $2 AND name = $3 AND status <> 'closed'"
    if await work.load_where(Drawer, where, clinic_id, name):
        raise open_already()
    row = Drawer(
        id=work.new_id("drawer"),
        network_id=work.network_id,
        clinic_id=clinic_id,
        name=name,
        status=rules.Status.OPEN.value,
        currency=books.currency,
        float_cents=rules.opening_float(float_cents),
        business_date=books.today,
        opened_at=work.now,
        opened_by=str(work.actor),
    )
    work.add(row)
    entry = postings.drawer_opened(clinic_id, Money(row.float_cents, row.currency))
    if entry is not None:
        await post(work, entry, books, Source(row.id, row.business_date))
    work.say(events.drawer_opened(row), of=row)
    return row


async def closing_locks(work: Work, drawer_id: UUID) -> Sequence[LockKey]:
    """The drawer, and the day that it belongs to."""
    row = await drawer_of(work, drawer_id)
    return (drawer_lock(drawer_id), day_lock(row.clinic_id, row.business_date))


async def close_drawer(
    work: Work, drawer_id: UUID, counted: rules.Tally, reason: str | None
) -> Drawer:
    """Count a drawer and close it; what was counted goes to the safe, on the drawer's own day.

    Raises Conflict ``drawer.variance_unexplained`` with the variance where there is one and no
    reason, IllegalTransition where it is closed already.
    """
    row = await drawer_of(work, drawer_id)
    books = await books_of(work, row.clinic_id)
    after_count = rules.next_status(rules.Status(row.status), rules.Move.COUNT)
    if reason is not None:
        without_card_data(reason, pointer="/reason")
    expected = await expected_in(work, row)
    closing = rules.close(expected, counted, reason)
    row.status = rules.next_status(after_count, rules.Move.CLOSE).value
    row.expected_cents, row.counted_cents = expected.cash_cents, counted.cash_cents
    row.expected_check_count, row.counted_check_count = expected.check_count, counted.check_count
    row.expected_check_cents, row.counted_check_cents = expected.check_cents, counted.check_cents
    row.variance_reason = closing.reason
    row.closed_at, row.closed_by = work.now, str(work.actor)
    work.save(row)
    entry = postings.drawer_closed(
        row.clinic_id,
        expected=Money(expected.cash_cents, row.currency),
        counted=Money(counted.cash_cents, row.currency),
    )
    if entry is not None:
        await post(work, entry, books, Source(row.id, row.business_date))
    closed = events.drawer_closed(row, expected.cash_cents, counted.cash_cents, work.now)
    work.say(closed, of=row)
    return row


async def require_takes_money(work: Work, books: Books, drawer_id: UUID) -> Drawer:
    """An open drawer of this clinic and of today, which may take money or give some.

    Raises NotFound, Invalid ``drawer.other_clinic``, Conflict ``drawer.not_open`` and
    ``drawer.other_day``.
    """
    row = await drawer_of(work, drawer_id)
    if row.clinic_id != books.clinic_id:
        raise Invalid(
            "drawer.other_clinic", "The drawer is another clinic's.", pointer="/drawer_id"
        )
    rules.takes_money(rules.Status(row.status))
    if row.business_date != books.today:
        raise Conflict("drawer.other_day", "This drawer is of another day; close it first.")
    return row
