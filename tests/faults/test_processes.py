"""Faults of processes: killed, frozen, restarted, with a wrong clock; events that fail or repeat.

The numbers are those of the table in this folder's README.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from operator import lt

import httpx
import pytest

from ops import child
from ops.day.databases import opened
from shared.bus import parked
from shared.bus.kafka import KafkaBus
from shared.bus.port import Message, Producer, Record
from shared.bus.postgres import PostgresBus
from shared.db.provision import SERVICES
from tests.faults import truth
from tests.faults.bus.lengths import within
from tests.faults.buses import ON_POSTGRES, SHORT_ON_POSTGRES
from tests.faults.stable import Stable
from tests.faults.town import Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), within(1800)]

CLIENTS = 6
BREATH_S = 0.02
"""Between a client's answer and its next request: what is started anew needs a processor, too."""

DYING = {
    "patients": "relay.before_cursor:exit:2",
    "appointments": "work.after_commit:exit:3",
    "eligibility": "consumer.after_event:exit:4",
    "payments": "consumer.before_bus_commit:exit:1",
    "documents": "consumer.after_offset:exit:2",
}
"""Each dies at a moment of its own; in the long list again, however often it is started anew."""


Figure = Callable[[str], None]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, town: Town, stable: Stable) -> None:
    """What dies is started again at once, as the first time, not after longer and longer pauses;
    and forked also in the long list, as it dies by the hundred."""
    monkeypatch.setattr(child, "PAUSES_S", child.PAUSES_S[:1])
    monkeypatch.setattr(town.system, "stable", stable)


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


@SHORT_ON_POSTGRES
async def test_each_dies_at_its_worst_moment_again_and_again(
    town: Town, full: bool, impatient: None
) -> None:
    """Scenarios 1, 2, 14; F7, F8, F9, F10: a round of each; FULL=1: 200."""
    rounds = 200 if full else 1
    await town.people()
    sent, said = await on_topic_and_said(town, "patients")
    bodies = await town.bookings(utc(1, 17) + timedelta(days=34), 120)
    await asyncio.gather(*(town.armed(name, DYING[name], again=full) for name in DYING))
    try:
        while dying := [name for name in DYING if town.restarts(name) < rounds]:
            now, bodies = bodies[:8], bodies[8:]
            people, visits = await asyncio.gather(
                town.register(8, "Dying"), at_once(4, [town.book(body) for body in now])
            )
            assert {answer.status_code for answer in (*people, *visits)} == {201}, dying
    finally:
        armed = [name for name in DYING if full or not town.restarts(name)]
        await asyncio.gather(*(town.armed(name) for name in armed))
    await town.whole()
    # It was sent and not noted as sent, so it was sent again: the fault did strike.
    sent_after, said_after = await on_topic_and_said(town, "patients")
    assert sent_after - sent > said_after - said


@pytest.mark.full
@ON_POSTGRES
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
                    partial(_later, epoch),
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


def _later(epoch: int, leader: tuple[str, int]) -> bool:
    return leader[1] > epoch


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
    """Four clients that register people all the time; what they were answered."""
    answered: Counter[str] = Counter()
    over = asyncio.Event()

    async def client() -> None:
        while not over.is_set():
            (answer,) = await town.register(1, "Load")
            answered[str(answer.status_code)] += 1
            await asyncio.sleep(BREATH_S)

    clients = [asyncio.create_task(client()) for _ in range(4)]
    try:
        yield answered
    finally:
        over.set()
        await asyncio.gather(*clients)


async def test_killed_at_random_over_and_over_nothing_is_lost_and_nothing_doubled(
    town: Town, full: bool, dice: random.Random, impatient: None, figure: Figure
) -> None:
    """kill -9 of any process, the database among them, under load: somebody is answered between
    two of them. 25 rounds on each bus; FULL=1: 200."""
    await town.people()
    rounds, started = 0, time.monotonic()
    async with steady_load(town) as answered:
        while rounds < (200 if full else 25):
            ready = [p.name for p in town.system.state().processes if p.state == "ready"]
            victims = sorted({*town.system.urls, "postgres"} & {*ready})
            if victims:
                before = answered.total()
                await killed(town, dice.choice(victims))
                rounds += 1
                await until(partial(_total, answered), partial(lt, before), "an answer")
            await asyncio.sleep(dice.uniform(0.1, 0.4))
        took = time.monotonic() - started
    await town.whole()
    assert set(answered) == {"201"}
    figure(f"killed {rounds} times in {took:.1f} s, {rounds / took:.1f} a second")
    figure(f"people registered meanwhile: {answered.total()}")


async def _total(answered: Counter[str]) -> int:
    return answered.total()


async def killed(town: Town, name: str) -> None:
    """Kill a process that runs, and see it end."""
    pid = town.kill(name)
    await until(lambda: pid_of(town, name), lambda now: now != pid, f"the end of {name}")


async def pid_of(town: Town, name: str) -> int | None:
    """The id of a process, None while there is none."""
    (state,) = [p for p in town.system.state().processes if p.name == name]
    return state.pid


@ON_POSTGRES
async def test_services_restarted_one_by_one_under_load_fail_no_request(
    town: Town, full: bool
) -> None:
    """Scenario 28, F37: one round; FULL=1: 50. A client connects anew where it is refused, for as
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
                await asyncio.sleep(BREATH_S)

    patient = (await town.people())[0]
    reads = [
        client("patients", f"/v1/patients/{patient}", "front_desk"),
        client("appointments", "/v1/clinics", "front_desk"),
        client("payments", f"/v1/accounts/{patient}", "biller"),
    ]
    async with steady_load(town) as answered:
        clients = [asyncio.create_task(one) for one in reads]
        before = Counter(town.lived_through)
        for _ in range(50 if full else 1):
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


# ── events that fail, and events that come again ────────────────────────────────────────────────

_PLANTED = """
CREATE FUNCTION planted_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.starts_at, NEW.patient_id) IN (VALUES {bad}) THEN RAISE EXCEPTION 'planted'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER planted BEFORE INSERT ON known_visits
  FOR EACH ROW EXECUTE FUNCTION planted_poison()
"""
_MENDED = "DROP TRIGGER planted ON known_visits; DROP FUNCTION planted_poison()"


async def retried(town: Town, service: str, subject: str) -> str:
    """Ask for a parked key to be applied again, as an operator does; what came of it."""
    async with opened(town.system.superuser_url, service) as raw:
        key = await parked.find(raw, subject)
        asked = await parked.ask(raw, key, "retry", who="a test", why="the cause is mended")
        outcome: str = await until(
            lambda: parked.outcome(raw, key.network_id, asked), bool, "the outcome of a retry"
        )
        return outcome


@ON_POSTGRES
async def test_poisoned_keys_wait_with_their_followers_while_others_flow(
    town: Town, full: bool, dice: random.Random
) -> None:
    """Scenarios 19, 20, 26; F16: the first, one in the middle and the last of 40 visits, mended
    while followers arrive; FULL=1: of 400, and 1 % of the others by chance."""
    count = 400 if full else 40
    bodies = await town.bookings(utc(1, 17) + timedelta(days=48), count)
    bad = {0, count // 2, count - 1} | set(dice.sample(range(count), count // 100))
    planted = ", ".join(
        f"(timestamptz '{bodies[n]['starts_at']}', uuid '{bodies[n]['patient_id']}')"
        for n in sorted(bad)
    )
    await town.system.children["payments"].stop()
    answers = await at_once(CLIENTS, [town.book(body) for body in bodies])
    visits = [answer.json()["id"] for answer in answers]
    async with opened(town.system.superuser_url, "payments") as connection:
        await connection.execute(_PLANTED.format(bad=planted))
    await town.armed("payments")
    stuck = [visits[number] for number in sorted(bad)]

    async def waiting() -> int:
        (row,) = await town.rows("payments", "SELECT count(*) AS n FROM parked_key")
        return int(row["n"])

    since = time.monotonic()
    await until(waiting, lambda n: n == len(stuck), "the parking of what is poisoned")
    known = (
        "SELECT appointment_id::text AS id FROM known_visits WHERE appointment_id::text = ANY($1)"
    )
    flowed = await until(
        lambda: town.rows("payments", known, visits),
        lambda rows: len(rows) == count - len(stuck),
        "the visits that are not poisoned",
    )
    assert {row["id"] for row in flowed} == set(visits) - set(stuck)
    assert time.monotonic() - since < 60  # F16: others flow within a minute
    before, during, after = stuck[0], stuck[len(stuck) // 2], stuck[-1]
    assert (await town.cancel(before)).status_code == 200
    held = "SELECT count(*) AS n FROM parked_event WHERE subject = $1"
    await until(
        lambda: town.rows("payments", held, f"appointment/{before}"),
        lambda rows: rows[0]["n"] > 1,
        "the followers of a parked key",
    )
    # A retry before anything is mended keeps all of it.
    assert await retried(town, "payments", f"appointment/{after}") != "applied"
    assert await waiting() == len(stuck)
    async with opened(town.system.superuser_url, "payments") as connection:
        await connection.execute(_MENDED)
    outcomes, _ = await asyncio.gather(
        asyncio.gather(*(retried(town, "payments", f"appointment/{key}") for key in stuck)),
        town.cancel(during),
    )
    await town.cancel(after)
    assert await waiting() == 0, outcomes
    await town.whole()
    states = "SELECT state, count(*) AS n FROM known_visits WHERE appointment_id::text = ANY($1)"
    rows = await town.rows("payments", states + " GROUP BY 1 ORDER BY 1", visits)
    gone = len({before, during, after})
    assert {row["state"]: row["n"] for row in rows} == {"booked": count - gone, "cancelled": gone}


@SHORT_ON_POSTGRES
async def test_every_event_that_ever_was_comes_again_and_changes_nothing(
    town: Town, full: bool
) -> None:
    """Scenario 21, F17: all topics are sent anew; FULL=1: ten times over."""
    await town.people()
    await town.settled()
    before = await projections(town)
    bus = truth.bus_of(town.system)
    try:
        records, ends = await truth.read_topics(bus)
        await again(town, records, 10 if full else 1)
        _, longer = await truth.read_topics(bus)
    finally:
        await bus.close()
    assert sum(longer.values()) >= sum(ends.values()) + len(records)
    await town.whole()
    assert await projections(town) == before


async def again(town: Town, records: list[Record], times: int) -> None:
    """Append records once more, as the relays that sent them would."""
    for service in SERVICES:
        environment = town.system.environment_of(service)
        address = environment[f"CLINICBUS_{service.upper()}_BUS_URL"]
        kafka = town.system.options.bus == "kafka"
        bus = KafkaBus(environment["CLINICBUS_KAFKA"]) if kafka else PostgresBus(address)
        _, epoch = await town.leader(service)
        messages = [
            Message(r.topic, r.key or "", r.partition, r.headers, r.value)
            for r in records
            if r.topic.startswith(f"clinicbus.{service}.")
        ]
        try:
            for _ in range(times):
                for start in range(0, len(messages), 500):
                    await bus.append(Producer(service, epoch), messages[start : start + 500])
        finally:
            await bus.close()


async def projections(town: Town) -> dict[str, int]:
    """How many rows each table has that events are applied to."""
    found = {}
    for service in SERVICES:
        tables = "SELECT relname AS name FROM pg_class WHERE relname ~ '^(known_|visit_|outbox$)'"
        for row in await town.rows(service, tables + " AND relkind IN ('r', 'p')"):
            (count,) = await town.rows(service, f"SELECT count(*) AS n FROM {row['name']}")
            found[f"{service}.{row['name']}"] = count["n"]
    assert len(found) > 10
    return found
