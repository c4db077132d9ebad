"""Processes are frozen for longer than their leases, connections are cut, the bus goes away."""

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from operator import le
from typing import Any

import pytest

from tests.faults.bus.lengths import within
from tests.faults.buses import SHORT_ON_POSTGRES
from tests.faults.town import Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), within(240)]

CLIENTS = 6


_WRITING = """
SELECT count(*) AS n FROM pg_stat_activity WHERE usename LIKE 'appointments%'
AND state = 'idle in transaction' AND backend_xid IS NOT NULL
"""


async def frozen_while_writing(town: Town, load: "asyncio.Task[Any]") -> int:
    """Freeze appointments with a transaction open that has written; its process id."""
    pid = town.pid("appointments")
    while not load.done():
        os.kill(pid, signal.SIGSTOP)
        if (await town.rows("appointments", _WRITING))[0]["n"]:
            return pid
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0.002)
    raise AssertionError("it was never seen to write")


async def test_a_process_that_wakes_up_after_its_leases_changes_nothing_any_more(
    town: Town,
) -> None:
    bodies = await town.bookings(utc(8, 17), 48)
    await town.ready()
    async with town.worker("appointments", "standby"):
        before, epoch = await town.leader("appointments")
        load = asyncio.create_task(at_once(CLIENTS, [town.book(b) for b in bodies]))
        await until(lambda: town.booked_on(8), lambda count: count >= 6, "the first bookings")
        frozen = await frozen_while_writing(town, load)
        try:
            # The other takes over. What the frozen one had committed is sent on, and that of the
            # other services, too, as soon as the server has ended the silent transaction.
            await until(
                lambda: town.leader("appointments"), lambda now: now[0] != before, "a new leader"
            )
            await town.settled()
        finally:
            os.kill(frozen, signal.SIGCONT)
        answers = await load
        assert [answer.status_code for answer in answers] == [201] * len(bodies)
        assert (await town.leader("appointments"))[1] > epoch
        await town.whole()
        await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
    await town.whole()


_CUT = """
SELECT count(pg_terminate_backend(pid)) AS cut FROM pg_stat_activity
WHERE backend_type = 'client backend' AND usename LIKE '%\\_%' AND pid <> pg_backend_pid()
"""


@SHORT_ON_POSTGRES
async def test_cut_connections_and_a_bus_that_goes_away_delay_and_lose_nothing(
    town: Town, broker_restart: Callable[[], None] | None
) -> None:
    bodies = await town.bookings(utc(9, 17), 30)
    await town.ready()
    going: list[Any] = [asyncio.create_task(at_once(CLIENTS, [town.book(b) for b in bodies]))]
    if broker_restart is not None:
        going.append(asyncio.create_task(asyncio.to_thread(broker_restart)))
    cut = 0
    for count in (2, 8, 14, 20):
        await until(lambda: town.booked_on(9), partial(le, count), "some bookings")
        rows = await town.rows("appointments", _CUT)
        cut += rows[0]["cut"]
    answers, *_ = await asyncio.gather(*going)
    assert cut > 20
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
