"""The days of an outbox: made in time, dropped when nobody needs them, restored elsewhere."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import asyncpg
import pytest

from shared.bus.relay import Relay
from shared.bus.tests.company import Company, until
from shared.bus.tests.test_relay import on_bus, put, running, sequences
from shared.db.bus_tables import DAYS_AHEAD
from shared.db.housekeeping import drop_outbox_days
from shared.values.ids import new_id

_CHILDREN = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'outbox'::regclass ORDER BY 1
"""
HIGHER = 10**12
"""How much higher the transaction ids of the cluster were that a dump came from."""


async def days(company: Company) -> list[str]:
    """The days there are, as their tables are called."""
    return [row[0] for row in await company.alpha_super.fetch(_CHILDREN)]


async def today(company: Company) -> date:
    """The database's date."""
    found: date = await company.alpha_super.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return found


async def make_day(company: Company, day: date) -> str:
    """A day of the past, as it stands after its time."""
    name = f"outbox_{day:%Y%m%d}"
    for text in (
        f"CREATE TABLE IF NOT EXISTS {name} (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"ALTER TABLE {name} OWNER TO alpha_owner",
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE outbox ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')",
    ):
        await company.alpha_super.execute(text)
    return name


async def said_on(company: Company, day: date, network_id: UUID, thing_id: UUID, seq: int) -> None:
    """A row of that day."""
    async with company.alpha_super.transaction():
        await put(company.alpha_super, network_id, thing_id, seq)
        await company.alpha_super.execute(
            "UPDATE outbox SET recorded_on = $1 WHERE network_id = $2 AND subject_seq = $3",
            day,
            network_id,
            seq,
        )


async def relayed(company: Company, count: int) -> None:
    """Let a relay run until so many records are on the bus and the cursor has followed."""
    relay = company.relay()
    async with running(relay):

        async def sent() -> bool:
            waits = await company.alpha_super.fetchval(
                "SELECT NOT EXISTS (SELECT 1 FROM relay_lease) OR EXISTS ("
                "SELECT 1 FROM outbox, relay_lease WHERE (xid, id) > (cursor_xid, cursor_id))"
            )
            return len(on_bus(company)) >= count and not waits

        await until(sent)


@pytest.fixture
async def old(company: Company) -> tuple[date, str]:
    """A day forty days back, and its table."""
    day = await today(company) - timedelta(days=40)
    return day, await make_day(company, day)


async def test_a_day_goes_when_it_is_sent_and_old_and_not_before(
    company: Company, old: tuple[date, str]
) -> None:
    """Row security of a day that stays is as it was."""
    day, name = old
    network_id, thing_id = new_id(), new_id()
    assert await drop_outbox_days(company.alpha, 30) == 0  # nobody has ever relayed
    await relayed(company, 0)
    await said_on(company, day, network_id, thing_id, 1)
    assert await drop_outbox_days(company.alpha, 30) == 0
    assert name in await days(company)
    forced = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = $1"
    assert await company.alpha_super.fetchval(forced, name)
    await relayed(company, 1)
    before = await days(company)
    assert await drop_outbox_days(company.alpha, 50) == 0
    assert await drop_outbox_days(company.alpha, 30) == 1
    assert await days(company) == [child for child in before if child != name]
    await company.change(network_id, new_id(), 1)


async def test_a_day_that_somebody_reads_is_dropped_an_hour_later(
    company: Company, old: tuple[date, str]
) -> None:
    """DROP would make every writer wait behind it."""
    _, name = old
    await relayed(company, 0)
    async with company.alpha_super.transaction():
        await company.alpha_super.fetchval("SELECT count(*) FROM outbox")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await drop_outbox_days(company.alpha, 30)
    assert name in await days(company)
    assert await drop_outbox_days(company.alpha, 30) == 1


async def test_nobody_but_a_worker_drops_or_rebases(company: Company) -> None:
    """And at least a day is kept."""
    async with company.alpha.raw("app") as raw:
        for text in ("SELECT outbox_drop_days(1)", "SELECT outbox_rebase()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await raw.execute(text)
    with pytest.raises(asyncpg.RaiseError):
        await drop_outbox_days(company.alpha, 0)


async def test_a_machine_that_slept_for_ten_days_has_its_days_within_a_second(
    company: Company,
) -> None:
    """The leader sees a new date as it renews its lease, and makes what is missing."""
    relay = company.relay()
    async with running(relay):
        await until(lambda: _leads(relay))
        now = await today(company)
        ahead = [f"outbox_{now + timedelta(days=n):%Y%m%d}" for n in range(1, DAYS_AHEAD + 1)]
        assert set(ahead) <= set(await days(company))
        for child in ahead:
            await company.alpha_super.execute(f"DROP TABLE {child}")
        # As a date that passed while nothing ran: the one that it had seen last was another.
        relay._machine._today = now - timedelta(days=10)

        async def made() -> bool:
            return ahead == [child for child in await days(company) if child in ahead]

        await until(made)


async def _leads(relay: Relay) -> bool:
    return bool(relay.state()["leads"])


async def restored(company: Company) -> None:
    """As after a dump was restored into a cluster whose transaction ids are lower."""
    await company.alpha_super.execute(
        "UPDATE outbox SET xid = (xid::text::bigint + $1)::text::xid8", HIGHER
    )
    await company.alpha_super.execute(
        "UPDATE relay_lease SET cursor_xid = (cursor_xid::text::bigint + $1)::text::xid8,"
        " expires_at = now() - interval '1 second'",
        HIGHER,
    )


async def test_a_restored_outbox_goes_on_where_it_was(company: Company) -> None:
    """Sent rows stay sent, unsent ones go out in order, and so do those written since."""
    network_id, thing_id, other = new_id(), new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2)
    await relayed(company, 2)
    await company.change(network_id, thing_id, 3)
    await company.change(network_id, other, 1)
    await company.change(network_id, thing_id, 4)
    await restored(company)
    await company.change(network_id, thing_id, 5)  # before any relay has looked
    await relayed(company, 6)
    assert sequences(company, thing_id) == [1, 2, 3, 4, 5]
    assert sequences(company, other) == [1]
    await company.change(network_id, thing_id, 6)
    await relayed(company, 7)
    assert sequences(company, thing_id) == [1, 2, 3, 4, 5, 6]
    assert len(on_bus(company)) == 7


async def test_a_restored_outbox_with_everything_sent_sends_what_is_new(company: Company) -> None:
    """The cursor of the old cluster would have hidden it for ever."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1)
    await relayed(company, 1)
    await restored(company)
    await relayed(company, 1)
    await company.change(network_id, thing_id, 2)
    await relayed(company, 2)
    assert sequences(company, thing_id) == [1, 2]


async def test_writers_during_a_rebase_wait_and_lose_nothing(company: Company) -> None:
    """The outbox is locked while its rows are changed."""
    network_id, things = new_id(), [new_id() for _ in range(6)]
    for thing_id in things:
        await company.change(network_id, thing_id, 1)
    await relayed(company, 6)
    await restored(company)

    async def write(thing_id: UUID) -> None:
        for seq in range(2, 12):
            await company.change(network_id, thing_id, seq)

    relay = company.relay()
    async with running(relay):
        await asyncio.gather(*(write(thing_id) for thing_id in things))

        async def sent() -> bool:
            return all(sequences(company, t)[-1:] == [11] for t in things)

        await until(sent)
    for thing_id in things:
        seen = sequences(company, thing_id)
        assert sorted(set(seen)) == list(range(1, 12))
        firsts = [seen.index(seq) for seq in range(1, 12)]
        assert firsts == sorted(firsts)


async def test_a_transaction_that_outlives_its_days_is_not_passed_by(company: Company) -> None:
    """As of a machine that slept with one open: its rows are of the day on which it began."""
    network_id, thing_id, other = new_id(), new_id(), new_id()
    day = await today(company) - timedelta(days=5)
    await make_day(company, day)
    relay = company.relay()
    open_one = company.alpha_super.transaction()
    await open_one.start()
    await put(company.alpha_super, network_id, thing_id)
    await company.alpha_super.execute("UPDATE outbox SET recorded_on = $1", day)
    async with running(relay):
        await until(lambda: _looked_twice(relay))
        await company.change(network_id, other, 1)
        await open_one.commit()

        async def both() -> bool:
            return sequences(company, other) == [1]

        await until(both)
        await until(lambda: _said(company, thing_id))


async def _looked_twice(relay: Relay) -> bool:
    return relay._machine.epoch is not None and relay._machine._idle > 0.1


async def _said(company: Company, thing_id: UUID) -> bool:
    return sequences(company, thing_id) == [1]
