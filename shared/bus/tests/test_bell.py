"""One NOTIFY for many commits, and none after the end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.bus.bell import GAP_SECONDS, Bell
from shared.bus.relay import CHANNEL
from shared.bus.tests.company import Company
from shared.db.database import Database

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'clinicbus-alpha-app'"


@pytest.fixture
async def told(company: Company) -> AsyncIterator[list[str]]:
    """What a listener in alpha's database has been told so far."""
    heard: list[str] = []
    await company.alpha_super.add_listener(CHANNEL, lambda *given: heard.append(given[-1]))
    yield heard
    await company.alpha_super.reset()


async def _until(told: list[str], *kinds: str) -> None:
    async with asyncio.timeout(5):
        while told != list(kinds):
            await asyncio.sleep(0)


async def test_the_first_ring_is_told_at_once_and_those_of_a_gap_together(
    company: Company, told: list[str]
) -> None:
    bell = Bell(company.alpha)
    bell.ring(["outbox"])
    await _until(told, "outbox")
    began = asyncio.get_running_loop().time()
    for kind in ("timer", "outbox", "timer"):
        bell.ring([kind])
    await _until(told, "outbox", "outbox,timer")
    assert asyncio.get_running_loop().time() - began > GAP_SECONDS / 2
    await bell.close()


async def test_what_was_rung_last_is_told_and_nothing_is_opened_afterwards(
    company: Company, told: list[str]
) -> None:
    """As at the end of a process, in which a connection that is opened now is closed by nobody."""
    bell = Bell(company.alpha)
    bell.ring(["outbox"])
    bell.ring(["timer"])
    await bell.close()
    bell.ring(["outbox"])
    await company.alpha.close()
    await _until(told, "outbox,timer")
    assert len(asyncio.all_tasks()) == 1
    async with asyncio.timeout(5):
        while await company.alpha_super.fetchval(OPEN):
            pass


async def test_a_ring_while_the_database_is_away_is_lost_and_the_next_one_is_not(
    company: Company, told: list[str]
) -> None:
    nowhere = "postgresql://alpha_app:x@127.0.0.1:1/clinicbus_alpha"
    database = Database.connect("alpha", nowhere, None)
    bell = Bell(database)
    bell.ring(["outbox"])
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
    database.app.url = company.alpha.app.url
    bell.ring(["timer"])
    await _until(told, "timer")
    await bell.close()
    await database.close()
