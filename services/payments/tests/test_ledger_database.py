"""What Postgres itself refuses of the ledger, as app, whatever code there is above it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import pytest

from services.payments.tables import BusinessDay, LedgerEntry, LedgerLine
from shared.db.actor import Actor
from shared.db.database import Database, become_app
from shared.db.work import Context, Work
from shared.values.clock import FixedClock
from shared.values.ids import new_id

TODAY = date(2026, 11, 2)
WHOLE = "ledger_entry_whole"


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    found = Database.connect(
        "payments",
        environment["CLINICBUS_PAYMENTS_APP_URL"],
        environment["CLINICBUS_PAYMENTS_WORKER_URL"],
    )
    yield found
    await found.close()


def context(network_id: UUID, clock: FixedClock) -> Context:
    return Context(network_id, Actor("person", "test"), clock.now())


def entry(
    network_id: UUID, business_date: date = TODAY, clinic_id: UUID | None = None
) -> LedgerEntry:
    return LedgerEntry(
        id=new_id(),
        network_id=network_id,
        clinic_id=clinic_id or new_id(),
        kind="payment",
        source_id=new_id(),
        business_date=business_date,
        posted_at=datetime(2026, 11, 2, tzinfo=UTC),
        posted_by="person/test",
    )


def line(of: LedgerEntry, number: int, kind: str, cents: int, currency: str = "USD") -> LedgerLine:
    owner = None if kind in ("bank", "card_clearing", "refunds_payable") else of.clinic_id
    return LedgerLine(
        network_id=of.network_id,
        entry_id=of.id,
        line=number,
        account_kind=kind,
        owner_id=owner,
        cents=cents,
        currency=currency,
    )


def whole(of: LedgerEntry) -> list[LedgerLine]:
    return [line(of, 1, "bank", 500), line(of, 2, "revenue", -500)]


async def post(database: Database, given: Context, of: LedgerEntry, *lines: LedgerLine) -> None:
    async with database.work(given) as work:
        work.add(of, *lines)


async def kept(database: Database, given: Context) -> int:
    async with database.work(given) as work:
        return int(await work.raw.fetchval("SELECT count(*) FROM ledger_entries"))


async def test_a_whole_entry_is_kept(
    database: Database, network_id: UUID, clock: FixedClock
) -> None:
    given, of = context(network_id, clock), entry(network_id)
    await post(database, given, of, *whole(of))
    assert await kept(database, given) == 1


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("bank", 500, "USD")],
        [("bank", 500, "USD"), ("revenue", -499, "USD")],
        [("bank", 500, "USD"), ("revenue", -500, "EUR")],
        [("bank", 500, "USD"), ("revenue", -500, "USD"), ("over_short", 1, "EUR")],
        [("bank", 2**62, "USD"), ("revenue", 2**62, "USD"), ("over_short", -1, "USD")],
    ],
)
async def test_an_entry_that_is_not_whole_is_refused_when_it_is_to_be_kept(
    database: Database,
    network_id: UUID,
    clock: FixedClock,
    lines: list[tuple[str, int, str]],
) -> None:
    """M17, M18, M14: unbalanced, one leg, no leg, balanced only across currencies."""
    given, of = context(network_id, clock), entry(network_id)
    rows = [line(of, n, *each) for n, each in enumerate(lines, start=1)]
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await post(database, given, of, *rows)
    assert (caught.value.sqlstate, caught.value.constraint_name) == ("23514", WHOLE)
    assert await kept(database, given) == 0


async def test_raw_sql_that_does_not_sum_to_zero_is_refused_at_its_commit(
    environment: dict[str, str], network_id: UUID
) -> None:
    app = await asyncpg.connect(environment["CLINICBUS_PAYMENTS_APP_URL"])
    try:
        await app.execute("BEGIN")
        await app.execute("SELECT set_config('app.network', $1, true)", str(network_id))
        of = entry(network_id)
        await app.execute(
            "INSERT INTO ledger_entries VALUES ($1, $2, $3, NULL, $4, $5, $6, $7, $8)",
            of.id, of.network_id, of.clinic_id, of.kind, of.source_id, of.business_date,
            of.posted_at, of.posted_by,
        )  # fmt: skip
        await app.execute(
            "INSERT INTO ledger_lines VALUES ($1, $2, 1, 'bank', NULL, 500, 'USD')",
            network_id,
            of.id,
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await app.execute("COMMIT")
        assert await app.fetchval("SELECT count(*) FROM ledger_entries") == 0
    finally:
        await app.close()


async def test_a_batch_of_two_networks_keeps_the_whole_one_and_not_the_other(
    database: Database, network_id: UUID, clock: FixedClock
) -> None:
    """A subscriber's batch is a transaction a network, as worker that became app."""

    async def apply(given: Context, of: LedgerEntry, lines: list[LedgerLine]) -> None:
        async with database.work(given, role="worker") as work:
            await become_app(work)
            work.add(of, *lines)

    other = new_id()
    bad, good = entry(network_id), entry(other)
    with pytest.raises(asyncpg.CheckViolationError):
        await apply(context(network_id, clock), bad, whole(bad)[:1])
    await apply(context(other, clock), good, whole(good))
    assert await kept(database, context(network_id, clock)) == 0
    assert await kept(database, context(other, clock)) == 1


@pytest.mark.parametrize("role", ["app", "worker"])
async def test_a_transaction_that_changes_its_network_keeps_nothing(
    database: Database, network_id: UUID, clock: FixedClock, role: str
) -> None:
    """At its end the rows of the first network are not seen: what is not seen is refused."""
    given, other = context(network_id, clock), new_id()

    async def mixed(work: Work, lines: int) -> None:
        first, second = entry(network_id), entry(other)
        work.add(first, *whole(first)[:lines])
        await work.flush()
        await work.raw.execute("SELECT set_config('app.network', $1, true)", str(other))
        work.add(second, *whole(second))

    for lines in (1, 2):
        with pytest.raises(asyncpg.CheckViolationError):
            async with database.work(given, role="worker" if role == "worker" else "app") as work:
                if role == "worker":
                    await become_app(work)
                await mixed(work, lines)
    assert await kept(database, given) == 0
    assert await kept(database, context(other, clock)) == 0


async def test_lines_that_come_later_are_refused_even_in_balance(
    database: Database, network_id: UUID, clock: FixedClock
) -> None:
    given, of = context(network_id, clock), entry(network_id)
    await post(database, given, of, *whole(of))
    for late in (
        [line(of, 3, "over_short", 1)],
        [line(of, 3, "over_short", 1), line(of, 4, "cash_safe", -1)],
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            async with database.work(given) as work:
                work.add(*late)
    async with database.work(given) as work:
        assert await work.raw.fetchval("SELECT count(*) FROM ledger_lines") == 2


async def test_an_account_stands_once_in_an_entry_and_a_line_is_never_nothing(
    database: Database, network_id: UUID, clock: FixedClock
) -> None:
    """M19."""
    given, of = context(network_id, clock), entry(network_id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await post(database, given, of, line(of, 1, "bank", 5), line(of, 2, "bank", -5))
    of = entry(network_id)
    with pytest.raises(asyncpg.CheckViolationError):
        await post(database, given, of, *whole(of), line(of, 3, "cash_safe", 0))


async def test_what_is_posted_for_one_source_is_posted_once(
    database: Database, network_id: UUID, clock: FixedClock
) -> None:
    given, first, twin = context(network_id, clock), entry(network_id), entry(network_id)
    twin.source_id = first.source_id
    await post(database, given, first, *whole(first))
    with pytest.raises(asyncpg.UniqueViolationError):
        await post(database, given, twin, *whole(twin))


LASTING = (
    "ledger_entries",
    "ledger_lines",
    "allocations",
    "charge_lines",
    "business_days",
    "receipt_pdfs",
)


@pytest.mark.parametrize("table", LASTING)
async def test_app_may_neither_change_nor_remove_what_lasts(
    environment: dict[str, str], network_id: UUID, table: str
) -> None:
    app = await asyncpg.connect(environment["CLINICBUS_PAYMENTS_APP_URL"])
    owner = await asyncpg.connect(environment["CLINICBUS_PAYMENTS_OWNER_URL"])
    try:
        await app.execute("SELECT set_config('app.network', $1, false)", str(network_id))
        for statement in (
            f"UPDATE {table} SET network_id = network_id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(statement)
        # Not even the owner, by accident.
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(f"TRUNCATE {table} CASCADE")
    finally:
        await app.close()
        await owner.close()


async def test_app_may_change_the_state_of_a_receipts_pdf_and_nothing_else_of_it(
    environment: dict[str, str],
) -> None:
    owner = await asyncpg.connect(environment["CLINICBUS_PAYMENTS_OWNER_URL"])
    rows = await owner.fetch(
        "SELECT column_name FROM information_schema.column_privileges"
        " WHERE grantee = 'payments_app' AND table_name = 'receipts' AND privilege_type = 'UPDATE'"
    )
    await owner.close()
    assert {row["column_name"] for row in rows} == {"pdf_state", "version"}


async def test_nothing_is_posted_into_a_closed_day(
    database: Database, network_id: UUID, clock: FixedClock
) -> None:
    """M22, held by Postgres too."""
    given, clinic_id = context(network_id, clock), new_id()
    async with database.work(given) as work:
        work.add(
            BusinessDay(
                id=new_id(),
                network_id=network_id,
                clinic_id=clinic_id,
                business_date=TODAY,
                report={},
                closed_at=clock.now(),
                closed_by="person/test",
            )
        )
    late = entry(network_id, TODAY, clinic_id)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await post(database, given, late, *whole(late))
    assert caught.value.constraint_name == "ledger_day_open"
    next_day = entry(network_id, date(2026, 11, 3), clinic_id)
    await post(database, given, next_day, *whole(next_day))
    assert await kept(database, given) == 1
