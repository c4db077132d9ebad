"""A client that stops in the middle of a statement does not hold its locks for ever."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.db.database import Database
from shared.db.pool import AWAY, SILENCE_TIMEOUT
from shared.db.silence import end_silent, run_silence

_STATES = """
SELECT state || ' ' || coalesce(wait_event, '') FROM pg_stat_activity WHERE pid = $1
"""
_HELD = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'advisory'"


async def _let_go(watcher: asyncpg.Connection, pid: int) -> None:
    """Wait until the session's lock is free: who ends a session does not wait for its end."""
    async with asyncio.timeout(5):
        while await watcher.fetchval(_HELD, pid):
            pass


@pytest.fixture(params=["APP", "WORKER"])
async def halted(
    request: pytest.FixtureRequest, gamma_urls: dict[str, str]
) -> AsyncIterator[asyncpg.Connection]:
    """A session with a lock, left between the parts of a statement."""
    settings = {"idle_in_transaction_session_timeout": "50ms"}
    url = gamma_urls[f"CLINICBUS_GAMMA_{request.param}_URL"]
    connection = await asyncpg.connect(url, server_settings=settings)
    await connection.execute("BEGIN; SELECT pg_advisory_xact_lock(77), pg_current_xact_id()")
    await connection.prepare("SELECT 77")
    yield connection
    connection.terminate()


async def test_who_is_frozen_in_a_statement_is_ended_with_its_locks(
    gamma: Database, watcher: asyncpg.Connection, halted: asyncpg.Connection
) -> None:
    pid = halted.get_server_pid()
    # The 50 ms after which the server ends who is silent have passed: it takes this one for busy.
    await watcher.execute("SELECT pg_sleep(0.2)")
    assert await watcher.fetchval(_STATES, pid) == "active ClientRead"
    assert await end_silent(gamma, SILENCE_TIMEOUT) == 0
    assert await watcher.fetchval(_HELD, pid) == 1
    assert await end_silent(gamma, "0.1s") == 1
    await _let_go(watcher, pid)
    with pytest.raises(AWAY):
        await halted.fetchval("SELECT 1")


async def test_who_is_at_work_or_between_two_transactions_is_let_be(
    gamma: Database, gamma_urls: dict[str, str], watcher: asyncpg.Connection
) -> None:
    idle, busy = [await asyncpg.connect(gamma_urls["CLINICBUS_GAMMA_APP_URL"]) for _ in range(2)]
    working = asyncio.create_task(busy.fetchval("SELECT 1 FROM pg_sleep(0.5)"))
    async with asyncio.timeout(5):
        while await watcher.fetchval(_STATES, busy.get_server_pid()) != "active PgSleep":
            pass
    assert await end_silent(gamma, "0s") == 0
    assert await working == 1
    assert await idle.fetchval("SELECT 1") == 1
    await idle.close()
    await busy.close()


async def test_it_goes_on_looking_and_says_what_it_ended(
    gamma: Database, watcher: asyncpg.Connection, halted: asyncpg.Connection
) -> None:
    with capture_logs() as logs:
        looking = asyncio.create_task(run_silence(gamma, 0.01, "0.1s"))
        async with asyncio.timeout(5):
            while not logs:
                await asyncio.sleep(0)
        await _let_go(watcher, halted.get_server_pid())
        looking.cancel()
        await asyncio.wait([looking])
    # More than once where the session's end takes longer than the time to the next look.
    assert {(entry["event"], entry["count"]) for entry in logs} == {("silence.ended", 1)}


async def test_a_database_that_is_away_is_looked_at_again() -> None:
    nowhere = "postgresql://gamma_app:x@127.0.0.1:1/clinicbus_gamma_db"
    away = Database.connect("gamma", nowhere, nowhere)
    with capture_logs() as logs:
        looking = asyncio.create_task(run_silence(away, 0.001))
        async with asyncio.timeout(5):
            while len(logs) < 2:
                await asyncio.sleep(0)
    looking.cancel()
    await asyncio.wait([looking])
    assert {entry["event"] for entry in logs} == {"silence.unread"}
