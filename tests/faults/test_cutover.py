"""A loaded system moves from the Postgres bus to Kafka and back; nothing is lost or doubled."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from ops import bus_choice, cutover, seed
from ops.bus_choice import Choice, Kind
from ops.errors import CannotRun
from ops.layout import Layout
from ops.options import Options
from ops.ports import Ports
from shared.values.ids import new_id
from shared.web.clocks import SharedClock
from tests.faults.audited import audited
from tests.faults.bus.lengths import within
from tests.faults.conftest import NOW
from tests.faults.stable import ForkingSystem, Stable
from tests.faults.town import Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="module"), within(240)]

CLIENTS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moving(kafka_bootstrap: str, forking: Stable | None) -> AsyncIterator[Town]:
    """A town on the Postgres bus, where a broker can be had: one of its own, as what another town
    said on a broker would be heard here as well."""
    with (
        tempfile.TemporaryDirectory(prefix="cb-moving-") as name,
        pytest.MonkeyPatch.context() as p,
    ):
        p.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        clock.set(NOW)
        options = Options(clock_file=folder / "clock")
        system = ForkingSystem(Layout(folder / "data"), Ports.free(), options)
        system.stable = forking
        await system.start()
        try:
            async with httpx.AsyncClient(timeout=30) as http:
                network = new_id()
                facts = await seed.seed(system.urls, system.token, network)
                yield Town(system, http, network, facts)
        finally:
            await system.stop()


async def moved_under_load(town: Town, to: Kind, day: int) -> cutover.Moved:
    """Book on a day while the system moves; all of it is there afterwards."""
    bodies = await town.bookings(utc(day, 17), 40)
    load = asyncio.create_task(at_once(CLIENTS, [town.book(body) for body in bodies]))
    await until(lambda: town.booked_on(day), lambda count: count >= 4, "the first bookings")
    moved = await cutover.move(town.system, to, lambda _: None)
    answers = await load
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    assert town.system.state().bus == to
    assert bus_choice.kept(town.system.layout) == Choice(to)
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
    await audited(town)
    return moved


async def test_to_kafka_and_back_under_load(moving: Town) -> None:
    """Scenario 28. The way back finds its history there and copies what was said meanwhile."""
    there = await moved_under_load(moving, "kafka", 14)
    back = await moved_under_load(moving, "postgres", 15)
    assert there.events["appointments"] > back.events["appointments"] > 0
    assert (await cutover.move(moving.system, "postgres", lambda _: None)).events == {}


async def test_a_move_that_was_broken_off_is_finished_by_the_next_start(moving: Town) -> None:
    """The supervisor died when some services were on the new bus already."""
    system = moving.system
    bodies = await moving.bookings(utc(16, 17), 8)
    answers = await at_once(CLIENTS, [moving.book(body) for body in bodies[:4]])
    await system.use_bus("kafka")
    bus_choice.keep(system.layout, Choice("postgres", moving_to="kafka"))
    await moving.armed("appointments")
    answers += await at_once(CLIENTS, [moving.book(body) for body in bodies[4:]])
    await system.stop()

    with pytest.raises(CannotRun, match="being moved to kafka"):
        bus_choice.to_run_on(system.layout, "postgres")
    assert bus_choice.to_run_on(system.layout, None) == "kafka"
    await system.start()
    assert bus_choice.kept(system.layout) == Choice("kafka")
    await moving.whole()
    await moving.visits_are_everywhere([answer.json()["id"] for answer in answers])
    await audited(moving)
    with pytest.raises(CannotRun, match="are on kafka"):
        bus_choice.to_run_on(system.layout, "postgres")


async def clinicbus(town: Town, *words: str) -> str:
    """What an operator's command says; it must succeed."""
    data = ("--data", str(town.system.layout.root))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.cli", *words, *data,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_wiped_broker_is_healed_by_two_commands(moving: Town) -> None:
    """F4 as an operator meets it: the broker's disk is new, all else has gone on meanwhile."""
    system = moving.system
    assert system.state().bus == "kafka"
    answers = [await moving.book(body) for body in await moving.bookings(utc(17, 17), 4)]
    await moving.whole()

    async def broker_state() -> tuple[str, int]:
        (found,) = [each for each in system.state().processes if each.name == "kafka"]
        return found.state, found.restarts

    broker = moving.freeze("kafka")  # it writes no more while its disk is taken away
    shutil.rmtree(system.layout.kafka)
    os.kill(broker, signal.SIGKILL)
    await until(broker_state, lambda now: now == ("ready", 1), "the new broker")
    answers += [await moving.book(body) for body in await moving.bookings(utc(17, 19), 4)]
    sent = await clinicbus(moving, "bus", "republish")
    assert "0 missing on the bus" not in sent.splitlines()[0]
    await clinicbus(moving, "bus", "reset-offsets", "--to", "start")
    await moving.whole()
    await moving.visits_are_everywhere([answer.json()["id"] for answer in answers])
    await audited(moving)
