"""Faults of processes: killed, frozen, restarted, with a wrong clock; events that fail or repeat.

The numbers are those of the table in this folder's README.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from ops import child
from tests.faults import truth
from tests.faults.town import Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1800)]

whichever_bus = pytest.mark.parametrize("bus", ["postgres"], indirect=True, scope="session")
"""For faults that are none of the bus's: once is enough."""

DYING = {
    "patients": "relay.before_cursor:exit:2",
    "appointments": "work.after_commit:exit:9",
    "eligibility": "consumer.after_event:exit:4",
    "payments": "consumer.before_bus_commit:exit:2",
    "documents": "consumer.after_offset:exit:3",
}
"""Each dies again and again at a moment of its own, however often it is started anew."""


Figure = Callable[[str], None]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dies is started again at once, as the first time, not after longer and longer pauses."""
    monkeypatch.setattr(child, "PAUSES_S", child.PAUSES_S[:1])


async def on_topic_and_said(town: Town, service: str) -> tuple[int, int]:
    """How many records the topics of a service hold, and how many events it said."""
    bus = truth.bus_of(town.system)
    try:
        records, _ = await truth.read_topics(bus)
    finally:
        await bus.close()
    sent = sum(record.topic.startswith(f"clinicbus.{service}.") for record in records)
    (row,) = await town.rows(service, "SELECT count(*) AS n FROM outbox")
    return sent, row["n"]


async def test_each_dies_at_its_worst_moment_again_and_again(
    town: Town, full: bool, impatient: None
) -> None:
    """Scenarios 1, 2, 14; F7, F8, F9, F10: 2 rounds of each; FULL=1: 200."""
    rounds = 200 if full else 2
    await town.people()
    sent, said = await on_topic_and_said(town, "patients")
    await asyncio.gather(*(town.armed(name, points) for name, points in DYING.items()))
    slots = 0
    while dying := [name for name in DYING if town.restarts(name) < rounds]:
        day, slot = 10 + slots // 100, slots % 100
        bodies = (await town.bookings(utc(day, 17), slot + 8))[slot:]
        slots += 8
        people, visits = await asyncio.gather(
            town.register(8, "Dying"), at_once(4, [town.book(body) for body in bodies])
        )
        assert {answer.status_code for answer in (*people, *visits)} == {201}, dying
    await asyncio.gather(*(town.armed(name) for name in DYING))
    await town.whole()
    # It was sent and not noted as sent, so it was sent again: the fault did strike.
    sent_after, said_after = await on_topic_and_said(town, "patients")
    assert sent_after - sent > said_after - said


@whichever_bus
async def test_relays_whose_clocks_are_an_hour_off_take_turns_all_the_same(town: Town) -> None:
    """Scenario 4: one clock an hour ahead, one an hour behind; leases go by the database's."""
    bodies = await town.bookings(utc(21, 17), 24)
    await town.armed("appointments", role="api")
    async with (
        town.worker("appointments", "ahead", ("tests.faults.skewed", "1")) as ahead,
        town.worker("appointments", "behind", ("tests.faults.skewed", "-1")) as behind,
    ):
        load = asyncio.create_task(at_once(2, [town.book(b) for b in bodies]))
        led = []
        for _ in range(2):
            name = await until(lambda: who_leads(town, ahead, behind), bool, "a leader")
            led.append(name)
            _, epoch = await town.leader("appointments")
            pid = town.freeze(name)
            since = time.monotonic()
            try:
                await until(
                    lambda: town.leader("appointments"),
                    lambda now, was=epoch: now[1] > was,
                    "another leader",
                )
                # A clock that is an hour ahead takes nothing early, one that is behind nothing
                # late: the lease lasts 3 s, and whoever waits looks at least once a second.
                assert time.monotonic() - since < 10
            finally:
                town.thaw(pid)
        answers = await load
        assert [answer.status_code for answer in answers] == [201] * len(bodies)
        assert sorted(led) == sorted([ahead, behind])
        await town.whole()
    await town.armed("appointments")
    await town.whole()


async def who_leads(town: Town, *names: str) -> str | None:
    """Which of these processes relays, by its own word."""
    for name in names:
        url = town.system.children[name].state.url
        answer = await town.http.get(f"{url}/readyz")
        if answer.json()["bus"]["relay"]["leads"]:
            return name
    return None


# ── killed, and restarted politely, under load ──────────────────────────────────────────────────


@asynccontextmanager
async def steady_load(town: Town) -> AsyncIterator[Counter[str]]:
    """Four clients that register people without a pause; what they were answered."""
    answered: Counter[str] = Counter()
    over = asyncio.Event()

    async def client() -> None:
        while not over.is_set():
            (answer,) = await town.register(1, "Load")
            answered[str(answer.status_code)] += 1

    clients = [asyncio.create_task(client()) for _ in range(4)]
    try:
        yield answered
    finally:
        over.set()
        await asyncio.gather(*clients)


KILL_SECONDS = 12.0


async def test_killed_at_random_over_and_over_nothing_is_lost_and_nothing_doubled(
    town: Town, full: bool, dice: random.Random, impatient: None, figure: Figure
) -> None:
    """kill -9 of any process, the database among them: as many rounds as fit into 12 s, 50 at
    most; FULL=1: 200 rounds however long they take."""
    await town.people()
    victims = [*town.system.urls, "postgres"]
    rounds, started = 0, time.monotonic()
    async with steady_load(town) as answered:
        while rounds < (200 if full else 50):
            if not full and time.monotonic() - started > KILL_SECONDS:
                break
            name = dice.choice(victims)
            if await killed(town, name):
                rounds += 1
            await asyncio.sleep(dice.uniform(0.05, 0.3))
        took = time.monotonic() - started
    await town.whole()
    assert set(answered) == {"201"}
    assert rounds >= 10
    figure(f"killed {rounds} times in {took:.1f} s, {rounds / took:.1f} a second")
    figure(f"people registered meanwhile: {answered.total()}")


async def killed(town: Town, name: str) -> bool:
    """Kill a process if it runs; whether it was there to be killed."""
    (state,) = [p for p in town.system.state().processes if p.name == name]
    if state.pid is None or state.state != "ready":
        return False
    os.kill(state.pid, signal.SIGKILL)
    await until(lambda: pid_of(town, name), lambda pid: pid != state.pid, f"the end of {name}")
    return True


async def pid_of(town: Town, name: str) -> int | None:
    """The id of a process, None while there is none."""
    (state,) = [p for p in town.system.state().processes if p.name == name]
    return state.pid


@whichever_bus
async def test_services_restarted_one_by_one_under_load_fail_no_request(
    town: Town, full: bool
) -> None:
    """Scenario 28, F37: 2 rounds; FULL=1: 50. A client connects anew where it is refused, for as
    long as a drain lasts, and never has to ask again for another reason."""
    await town.people()
    failed: Counter[str] = Counter()
    over = asyncio.Event()
    done = 0

    async def client(service: str, path: str, role: str) -> None:
        nonlocal done
        # No connection is kept: what is sent on an old one while it ends may fail, as in HTTP.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=30, limits=limits) as http:
            while not over.is_set():
                headers, _ = town.headers(role)
                try:
                    answer = await http.get(town.system.urls[service] + path, headers=headers)
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
                    continue
                except httpx.TransportError as error:
                    failed[f"{service}: {type(error).__name__}"] += 1
                    continue
                if answer.status_code != 200:
                    failed[f"{service}: {answer.status_code}"] += 1
                done += 1

    patient = (await town.people())[0]
    reads = [
        client("patients", f"/v1/patients/{patient}", "front_desk"),
        client("appointments", "/v1/clinics", "front_desk"),
        client("payments", f"/v1/accounts/{patient}", "biller"),
    ]
    async with steady_load(town) as answered:
        clients = [asyncio.create_task(one) for one in reads]
        before = Counter(town.lived_through)
        for _ in range(50 if full else 2):
            for name in town.system.urls:
                await town.armed(name)
        over.set()
        await asyncio.gather(*clients)
    lived = Counter(town.lived_through) - before
    assert failed == {}
    assert done > 50
    assert set(answered) == {"201"}
    # Writers keep their connections, as clients do: one that ends under a request is the refusal.
    assert not [what for what in lived if what.isdigit() and what != "503"], lived
    await town.whole()
