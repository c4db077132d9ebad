"""Processes are frozen for longer than their leases, connections are cut, the bus goes away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from operator import le
from typing import Any

import pytest

from ops.ports import Ports
from ops.programs import Program
from tests.faults.town import Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CLIENTS = 6
STANDBY = "appointments_standby"


@asynccontextmanager
async def standby(town: Town) -> AsyncIterator[None]:
    """A second worker of appointments, ready to take over."""
    port = Ports.free().of["appointments"]
    app = "services.appointments.app:service"
    program = Program(
        STANDBY,
        ("shared.web.run", app, "--role", "worker", "--port", str(port)),
        port,
        environment=town.system.environment_of("appointments"),
    )
    child = await town.system.start_program(program)
    try:
        await child.wait_until_ready()
        yield
    finally:
        await town.system.children.pop(STANDBY).stop()


async def leader(town: Town) -> tuple[str, int]:
    """Who relays what appointments says, and since which epoch."""
    (row,) = await town.rows("appointments", "SELECT owner, epoch FROM relay_lease")
    return row["owner"], row["epoch"]


async def booked_on(town: Town, day: int) -> int:
    """How many visits there are on a day."""
    text = "SELECT count(*) AS n FROM appointments WHERE starts_at >= $1 AND starts_at < $2"
    (row,) = await town.rows("appointments", text, utc(day, 0), utc(day + 1, 0))
    return int(row["n"])


async def test_a_process_that_wakes_up_after_its_lease_changes_nothing_any_more(
    town: Town,
) -> None:
    bodies = await town.bookings(utc(8, 17), 24)
    await town.ready()
    async with standby(town):
        before, epoch = await leader(town)
        load = asyncio.create_task(at_once(CLIENTS, [town.book(b) for b in bodies]))
        await until(lambda: booked_on(town, 8), lambda count: count >= 6, "the first bookings")
        frozen = town.pid("appointments")
        os.kill(frozen, signal.SIGSTOP)
        try:
            # The other takes over, and sends on what the frozen one had committed.
            await until(lambda: leader(town), lambda now: now[0] != before, "a new leader")
            await town.settled()
        finally:
            os.kill(frozen, signal.SIGCONT)
        answers = await load
        assert [answer.status_code for answer in answers] == [201] * len(bodies)
        assert (await leader(town))[1] > epoch
        await town.whole()
        await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
    await town.whole()


_CUT = """
SELECT count(pg_terminate_backend(pid)) AS cut FROM pg_stat_activity
WHERE backend_type = 'client backend' AND usename LIKE '%\\_%' AND pid <> pg_backend_pid()
"""


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
        await until(lambda: booked_on(town, 9), partial(le, count), "some bookings")
        rows = await town.rows("appointments", _CUT)
        cut += rows[0]["cut"]
    answers, *_ = await asyncio.gather(*going)
    assert cut > 20
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
