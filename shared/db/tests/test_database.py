"""Who commits, what is locked, and that nothing is acknowledged that is not kept."""

import asyncio
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.db import database as database_module
from shared.db import pool as pool_module
from shared.db.actor import Actor
from shared.db.database import CommitFailed, Database, become_app, take_locks
from shared.db.locks import LOCKS_MAX, advisory_numbers, lock_key
from shared.db.tests.conftest import Thing
from shared.db.work import Context, match_version
from shared.values.clock import FixedClock
from shared.values.errors import Conflict, Stale, VersionMissing
from shared.values.ids import new_id


def context(network_id: UUID, clock: FixedClock) -> Context:
    return Context(network_id, Actor("person", "test"), clock.now())


@pytest.fixture
def at(network_id: UUID, clock: FixedClock) -> Context:
    return context(network_id, clock)


async def test_what_is_staged_goes_in_one_statement_and_is_read_back(
    gamma: Database, at: Context
) -> None:
    thing = Thing(id=new_id(), network_id=at.network_id, size=3)
    async with gamma.work(at) as work:
        work.add(thing)
        work.audit("make_thing", "/things")
    async with gamma.work(at) as work:
        found = await work.load(Thing, thing.id)
        assert found is not None
        found.size = 4
        work.save(found)
        await work.flush()
        assert found.version == 2
        assert await work.raw.fetchval("SELECT size FROM thing WHERE id = $1", thing.id) == 4


async def test_a_row_that_moved_on_refuses_the_change(gamma: Database, at: Context) -> None:
    thing = Thing(id=new_id(), network_id=at.network_id)
    async with gamma.work(at) as work:
        work.add(thing)
    with pytest.raises(Conflict):
        async with gamma.work(at) as first:
            mine = await first.load(Thing, thing.id)
            assert mine is not None
            async with gamma.work(at) as second:
                theirs = await second.load(Thing, thing.id)
                assert theirs is not None
                theirs.size = 1
                second.save(theirs)
            mine.size = 2
            first.save(mine)
    async with gamma.work(at) as work:
        found = await work.load(Thing, thing.id)
        assert found is not None
        assert (found.size, found.version) == (1, 2)


async def test_an_error_keeps_nothing(gamma: Database, at: Context) -> None:
    thing = Thing(id=new_id(), network_id=at.network_id)
    with pytest.raises(RuntimeError):
        async with gamma.work(at) as work:
            work.add(thing)
            await work.flush()
            raise RuntimeError
    async with gamma.work(at) as work:
        assert await work.load(Thing, thing.id) is None


async def test_a_swallowed_error_is_not_acknowledged(gamma: Database, at: Context) -> None:
    with pytest.raises(CommitFailed):
        async with gamma.work(at) as work:
            with pytest.raises(asyncpg.PostgresError):
                await work.raw.execute("SELECT 1/0")


async def test_a_cancelled_wait_leaves_no_lock_behind(
    gamma: Database, at: Context, watcher: asyncpg.Connection
) -> None:
    key = lock_key("thing", new_id())
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with gamma.work(at, [key]):
            entered.set()
            await leave.wait()

    async def want() -> None:
        async with gamma.work(at, [key]):
            raise AssertionError("the lock was free")

    holder = asyncio.create_task(hold())
    await entered.wait()
    waiters = [asyncio.create_task(want()) for _ in range(2)]
    (number,) = advisory_numbers(at.network_id, [key])
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with asyncio.timeout(10):
        while await watcher.fetchval(waiting) < 2:
            await asyncio.sleep(0)
    for task in waiters:
        task.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    leave.set()
    await holder
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND ((classid::bigint << 32) | objid::bigint) = $1::bigint"
    )
    async with asyncio.timeout(10):
        while await watcher.fetchval(held, number):
            await asyncio.sleep(0)
    async with gamma.work(at, [key]) as work:
        assert await work.raw.fetchval("SELECT 1") == 1


async def test_locks_come_before_a_transaction_id(gamma: Database, at: Context) -> None:
    async with gamma.work(at, [lock_key("thing", "a"), lock_key("thing", "b")]) as work:
        await take_locks(work, [lock_key("thing", "c")])
        found = await work.raw.fetchval("SELECT pg_current_xact_id_if_assigned()::text")
        assert found is None


async def test_a_pass_has_a_limit(at: Context) -> None:
    with pytest.raises(ValueError, match="256 at most"):
        advisory_numbers(at.network_id, [lock_key("x", n) for n in range(LOCKS_MAX + 1)])


async def test_a_worker_writes_a_services_rows_only_as_app(gamma: Database, at: Context) -> None:
    thing = Thing(id=new_id(), network_id=at.network_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with gamma.work(at, role="worker") as work:
            work.add(thing)
    async with gamma.work(at, role="worker") as work:
        await become_app(work)
        work.add(thing)
    async with gamma.work(at) as work:
        assert await work.load(Thing, thing.id) is not None


async def test_another_network_neither_sees_nor_writes(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing = Thing(id=new_id(), network_id=at.network_id)
    async with gamma.work(at) as work:
        work.add(thing)
    other = context(new_id(), clock)
    async with gamma.work(other) as work:
        assert await work.raw.fetchval("SELECT count(*) FROM thing") == 0
        assert await work.raw.fetchval("UPDATE thing SET size = 9 RETURNING 1") is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with gamma.work(other) as work:
            work.add(Thing(id=new_id(), network_id=at.network_id))


def test_versions_are_matched() -> None:
    match_version(3, 3)
    with pytest.raises(Stale):
        match_version(2, 3)
    with pytest.raises(VersionMissing):
        match_version(None, 3)


async def test_a_lock_timeout_leaves_a_connection_that_can_be_used(
    gamma_urls: dict[str, str], at: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT", "50ms")
    narrow = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=2)
    key = lock_key("thing", new_id())
    async with narrow.work(at, [key]):
        for _ in range(3):
            with pytest.raises(asyncpg.LockNotAvailableError):
                async with narrow.work(at, [key]):
                    raise AssertionError("the lock was free")
    for _ in range(3):
        async with narrow.work(at, [key]) as work:
            assert await work.raw.fetchval("SELECT 1") == 1
    await narrow.close()


async def test_a_connection_that_the_server_ended_is_not_handed_out_again(
    gamma_urls: dict[str, str], at: Context, watcher: asyncpg.Connection
) -> None:
    narrow = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=1)
    async with narrow.work(at) as work:
        pid = await work.raw.fetchval("SELECT pg_backend_pid()")
    await watcher.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    # Whether the end has been heard of by the first use is a matter of luck; by the second it has.
    with suppress(*pool_module.BROKEN, asyncpg.PostgresError):
        async with narrow.work(at) as work:
            await work.raw.fetchval("SELECT 1")
    async with narrow.work(at) as work:
        assert await work.raw.fetchval("SELECT 1") == 1
    await narrow.close()


async def test_saving_what_did_not_change_writes_nothing(gamma: Database, at: Context) -> None:
    thing = Thing(id=new_id(), network_id=at.network_id)
    async with gamma.work(at) as work:
        work.add(thing)
    async with gamma.work(at) as work:
        found = await work.load(Thing, thing.id)
        assert found is not None
        work.save(found)
    async with gamma.work(at) as work:
        again = await work.load(Thing, thing.id)
        assert again is not None
        assert again.version == 1


async def test_a_transaction_that_falls_silent_is_ended_with_its_locks(
    gamma: Database, at: Context
) -> None:
    thing, lock = Thing(id=new_id(), network_id=at.network_id), lock_key("thing", new_id())
    async with gamma.work(at, role="worker") as work:
        text = "SHOW idle_in_transaction_session_timeout"
        assert await work.raw.fetchval(text) == pool_module.SILENCE_TIMEOUT
    with pytest.raises(pool_module.AWAY):
        async with gamma.work(at, [lock]) as frozen:
            frozen.add(thing)
            await frozen.flush()
            await frozen.raw.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            # Whoever waits for the same gets it as soon as the server has had enough.
            async with asyncio.timeout(4), gamma.work(at, [lock]) as other:
                assert await other.load(Thing, thing.id) is None
            await frozen.raw.fetchval("SELECT 1")
    async with gamma.work(at, [lock]) as work:
        assert await work.load(Thing, thing.id) is None


async def test_a_cancelled_use_gives_its_connection_up_and_the_pool_makes_another(
    gamma_urls: dict[str, str], at: Context, watcher: asyncpg.Connection
) -> None:
    narrow = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=1)
    entered = asyncio.Event()
    pids: list[int] = []

    async def use() -> None:
        async with narrow.work(at) as work:
            pids.append(await work.raw.fetchval("SELECT pg_backend_pid()"))
            entered.set()
            await work.raw.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with narrow.work(at) as work:
        assert await work.raw.fetchval("SELECT pg_backend_pid()") not in pids
    await narrow.close()
    # Its statement was cancelled with it: the server does not sleep on with what it holds.
    async with asyncio.timeout(10):
        while await watcher.fetchval("SELECT 1 FROM pg_stat_activity WHERE pid = $1", pids[0]):
            await asyncio.sleep(0)


async def test_what_comes_back_in_a_transaction_is_rolled_back(
    gamma_urls: dict[str, str],
) -> None:
    narrow = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=1)
    with capture_logs() as logs:
        async with narrow.raw("app") as raw:
            await raw.execute("BEGIN")
    assert [entry["event"] for entry in logs] == ["pool.in_transaction"]
    async with narrow.raw("app") as raw:
        assert not raw.is_in_transaction()
    await narrow.close()


async def test_a_pool_is_busy_while_most_of_it_is_in_use(
    gamma_urls: dict[str, str], at: Context
) -> None:
    database = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=2)
    assert not database.app.busy()
    async with database.work(at) as one, database.work(at) as two:
        pids = {await work.raw.fetchval("SELECT pg_backend_pid()") for work in (one, two)}
        assert len(pids) == 2
        assert database.app.busy()
    assert not database.app.busy()
    await database.close()


async def test_a_pool_that_does_not_get_a_connection_back_closes_all_the_same(
    gamma_urls: dict[str, str], watcher: asyncpg.Connection
) -> None:
    narrow = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=1)
    async with narrow.raw("app") as raw:
        pid = await raw.fetchval("SELECT pg_backend_pid()")
        with capture_logs() as logs:
            await narrow.close()
    assert [entry["event"] for entry in logs] == ["pool.left_open"]
    async with asyncio.timeout(10):
        while await watcher.fetchval("SELECT 1 FROM pg_stat_activity WHERE pid = $1", pid):
            await asyncio.sleep(0)


async def test_who_waits_for_a_connection_gets_it_in_turn_or_is_told(
    gamma_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = Database.connect("gamma", gamma_urls["CLINICBUS_GAMMA_APP_URL"], None, app_pool=2)
    served: list[int] = []

    async def use(number: int) -> None:
        async with narrow.raw("app") as raw:
            await raw.fetchval("SELECT 1")
            served.append(number)

    await asyncio.gather(*(use(number) for number in range(50)))
    assert sorted(served) == list(range(50))
    monkeypatch.setattr(pool_module, "WAIT_SECONDS", 0.02)
    async with narrow.raw("app"), narrow.raw("app"):
        with pytest.raises(TimeoutError):
            await use(50)
        monkeypatch.setattr(pool_module, "WAIT_SECONDS", 60.0)
        waiting = asyncio.create_task(use(51))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await use(52)
    assert served[-1] == 52
    await narrow.close()


async def test_a_server_that_is_away_costs_no_connection(gamma_urls: dict[str, str]) -> None:
    url = gamma_urls["CLINICBUS_GAMMA_APP_URL"].replace("clinicbus_gamma_db", "clinicbus_none")
    narrow = Database.connect("gamma", url, None, app_pool=1)
    for _ in range(3):
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            async with narrow.raw("app"):
                raise AssertionError("there is no such database")
    await narrow.close()
