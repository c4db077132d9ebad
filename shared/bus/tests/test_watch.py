"""What operations sees of a service's bus: right when all is well, and when something hangs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY, generate_latest

from shared.bus.consumer import Consumer
from shared.bus.port import Bus, Producer
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_schema import grant, trim
from shared.bus.relay import Relay
from shared.bus.tests.company import SERVICES, TOPIC, Company, said, until
from shared.bus.tests.harness import KafkaHarness, PostgresHarness, fresh
from shared.bus.tests.test_consumer import heard
from shared.bus.tests.test_consumer import running as consuming
from shared.bus.tests.test_relay import app_transaction, put
from shared.bus.tests.test_relay import running as relaying
from shared.bus.watch import GAUGES, READINGS, Readings, Watch
from shared.db.actor import Actor
from shared.db.provision import url_for
from shared.db.timers import ATTEMPTS_MAX, DueTimer, Timers, fire_due
from shared.db.work import Context, Work
from shared.testing.memory_bus import MemoryBus
from shared.values.errors import Conflict
from shared.values.ids import new_id

UNAPPLIED = "clinicbus_consumer_oldest_unapplied_seconds"
UNSENT = "clinicbus_outbox_oldest_unsent_seconds"
GATE = "clinicbus_relay_gate_lag_seconds"
READ_AT = "clinicbus_watch_read_at_seconds"


def shown(name: str, service: str, **labels: str) -> float | None:
    """What a scrape would show now; None where it is absent."""
    return REGISTRY.get_sample_value(name, {"service": service, **labels})


def counted(name: str, service: str, **labels: str) -> float:
    """A counter's value."""
    return shown(name, service, **labels) or 0.0


def later(seconds: float = 0.0) -> datetime:
    """A time from now, as the watch would take it."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def alphas(company: Company, relay: Relay) -> Watch:
    """The watch of alpha, which hears nothing."""
    return Watch(company.alpha, company.bus, relay, company.consumer(), ())


def betas(company: Company, consumer: Consumer) -> Watch:
    """The watch of beta, which hears alpha's topic."""
    return Watch(company.beta, company.bus, Relay(company.beta, company.bus), consumer, (TOPIC,))


@asynccontextmanager
async def watching(watch: Watch) -> AsyncIterator[None]:
    """A watch at work, looking often."""
    task = asyncio.create_task(watch.run(seconds=0.02))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def samples(watch: Watch, now: datetime) -> dict[str, float]:
    """One reading of the database, without labels."""
    return {name: value for name, labels, value in await watch.database(now) if not labels}


async def test_the_oldest_unsent_event_has_its_age_and_none_once_it_is_sent(
    company: Company,
) -> None:
    """By when it was written, whatever the clock of the business says."""
    network_id = new_id()
    await company.change(network_id, new_id(), 1)
    relay = company.relay()
    watch = alphas(company, relay)
    before = await samples(watch, later(100))
    assert 100 <= before[UNSENT] < 110
    assert before["clinicbus_relay_leads"] == 0
    sent = counted("clinicbus_relay_events_total", "alpha")
    taken = counted("clinicbus_relay_takeovers_total", "alpha")
    async with relaying(relay):
        await until(lambda: _sent(company, 1))

        async def none_left() -> bool:
            return (await samples(watch, later(100)))[UNSENT] == 0

        await until(none_left)
        after = await samples(watch, later(100))
    assert after["clinicbus_relay_leads"] == 1
    assert after["clinicbus_relay_epoch"] == 1
    assert counted("clinicbus_relay_events_total", "alpha") == sent + 1
    assert counted("clinicbus_relay_takeovers_total", "alpha") == taken + 1


async def _sent(company: Company, count: int) -> bool:
    ends = await company.bus.log_ends([TOPIC])
    return sum(ends.values()) >= count


async def test_a_worker_that_stands_by_leaves_the_outbox_to_the_one_that_leads(
    company: Company,
) -> None:
    """It would look through days of which it does not know that they are drained."""
    leader, second = company.relay(), company.relay()
    async with relaying(leader):

        async def leads() -> bool:
            return bool(leader.state()["leads"])

        await until(leads)
        assert UNSENT in await samples(alphas(company, leader), later())
        assert UNSENT not in await samples(alphas(company, second), later())


async def test_the_gate_has_an_age_while_an_open_transaction_holds_back_a_later_commit(
    company: Company,
) -> None:
    """And none when nothing is held back, however long nothing happened."""
    network_id = new_id()
    watch = alphas(company, company.relay())
    start = later()
    assert (await samples(watch, start - timedelta(seconds=3)))[GATE] == 0
    async with app_transaction(company, network_id) as raw:
        await put(raw, network_id, new_id())
        await company.change(network_id, new_id(), 1)
        # As old as it may be: it began after the look before, three seconds earlier.
        assert (await samples(watch, start))[GATE] <= 3
        age = (await samples(watch, start + timedelta(seconds=40)))[GATE]
        assert 40 <= age <= 43
        await raw.execute("ROLLBACK")

    async def free() -> bool:
        return (await samples(watch, start + timedelta(seconds=50)))[GATE] == 0

    await until(free)


async def test_the_oldest_unapplied_event_is_seen_while_a_handler_hangs(
    company: Company,
) -> None:
    """0 when drained, its age while it waits, 0 again; and it is shown to a scrape."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hang(_work: Work, value: int) -> None:
        if value == 2:
            entered.set()
            await leave.wait()

    company.failing = hang
    network_id, thing_id = new_id(), new_id()
    await company.append(said(network_id, thing_id, 1, 1, ce_recordedtime=_ago(300)))
    consumer = company.consumer()
    async with consuming(consumer), watching(betas(company, consumer)):
        await heard(company)
        await until(lambda: _shows(0.0, 0.0))
        await company.append(said(network_id, thing_id, 2, 2, ce_recordedtime=_ago(300)))
        await entered.wait()
        await until(lambda: _shows(300.0, 330.0))
        leave.set()
        await heard(company)
        await until(lambda: _shows(0.0, 0.0))
    assert shown(UNAPPLIED, "beta", topic=TOPIC) is None


async def _shows(least: float, most: float) -> bool:
    found = shown(UNAPPLIED, "beta", topic=TOPIC)
    return found is not None and least <= found <= most


def _ago(seconds: float) -> str:
    return later(-seconds).isoformat()


async def test_a_halted_subscriber_is_behind_by_the_oldest_event_that_is_left(
    company: Company, postgres_bus: PostgresHarness, postgres_superuser_url: str
) -> None:
    """History is gone below; what is left waits since it was appended, on a real bus."""
    for name in SERVICES:
        said_by, heard_by = ([TOPIC], []) if name == "alpha" else ([], [TOPIC])
        role = f"{name}_worker"
        await grant(postgres_bus.owner_url, role, service=name, appends=said_by, reads=heard_by)
    role = "beta_worker"
    bus = PostgresBus(url_for(postgres_superuser_url, role, f"test-{role}", postgres_bus.database))
    company.bus = await postgres_bus.bus()
    await company.bus.create_topics([TOPIC])
    message = said(new_id(), new_id(), 1, 1)
    await company.append(message)
    consumer = company.consumer(bus)
    try:
        async with consuming(consumer):
            await heard(company)
        await company.append(message, message)
        await trim(postgres_bus.owner_url, TOPIC, message.partition, 2)
        halted = company.consumer(bus)
        async with consuming(halted):

            async def says_so() -> bool:
                return str(halted.problem).startswith("halted")

            await until(says_so)
            watch = Watch(company.beta, bus, Relay(company.beta, bus), halted, (TOPIC,))
            ((_, _, age),) = await watch.bus(later(600))
        assert 600 <= age < 630
    finally:
        await bus.close()


async def behind_on(company: Company, bus: Bus) -> None:
    """A subscriber that never began is behind on each partition, and told of the oldest."""
    topic = fresh("watched")
    await bus.create_topics([topic])
    messages = [said(new_id(), new_id(), 1, n)._replace(topic=topic) for n in range(100)]
    assert len({message.partition for message in messages}) == 12
    await bus.append(Producer("alpha", 1), messages)
    relay, consumer = Relay(company.beta, bus), company.consumer(bus)
    watch = Watch(company.beta, bus, relay, consumer, (topic,))
    assert len(await watch._waiting(later())) == 12
    ((_, labels, age),) = await watch.bus(later(600))
    assert labels == (topic,)
    assert 600 <= age < 630


async def test_a_subscriber_that_never_began_is_behind_on_postgres(
    company: Company, postgres_bus: PostgresHarness
) -> None:
    """By when the bus took the record."""
    await behind_on(company, await postgres_bus.bus())


async def test_a_subscriber_that_never_began_is_behind_on_kafka(
    company: Company, kafka_bus: KafkaHarness
) -> None:
    """By the record's timestamp."""
    await behind_on(company, await kafka_bus.bus())


async def test_what_cannot_be_read_is_absent_and_says_since_when(company: Company) -> None:
    """Never the last value as if it were of now."""
    assert isinstance(company.bus, MemoryBus)
    log = company.bus.log
    consumer = company.consumer()
    async with watching(betas(company, consumer)):
        await until(lambda: _shows(0.0, 0.0))
        log.down = True

        async def absent() -> bool:
            return shown(UNAPPLIED, "beta", topic=TOPIC) is None

        async def database_is_read() -> bool:
            return shown("clinicbus_parked_events", "beta") == 0

        await until(absent)
        since = shown(READ_AT, "beta", part="bus")
        await until(database_is_read)  # all the same, in its own time
        log.down = False
        await until(lambda: _shows(0.0, 0.0))
        again = shown(READ_AT, "beta", part="bus")
        assert since is not None
        assert again is not None
        assert again > since


async def test_a_timer_that_nobody_fires_any_more_is_counted(company: Company) -> None:
    network_id, name = new_id(), "clinicbus_timers_given_up"
    context = Context(network_id, Actor("person", "p1"), company.clock.now())
    async with company.alpha.work(context) as work:
        work.timer("never", new_id(), company.clock.now())

    async def refuse(_work: Work, _due: DueTimer) -> None:
        raise Conflict("thing.not_now", "Not now.")

    timers = Timers({"never": refuse}, lambda _: ())
    watch = alphas(company, company.relay())
    for failed in range(ATTEMPTS_MAX + 1):
        assert (await samples(watch, later()))[name] == (failed == ATTEMPTS_MAX)
        await fire_due(company.alpha, timers, company.clock)
    async with company.alpha.work(context) as work:
        work.timer("never", new_id(), company.clock.now() + timedelta(hours=1))
    assert (await samples(watch, later()))[name] == 1


async def test_parked_keys_and_outcomes_are_counted(company: Company) -> None:
    """One poisoned key with two events, one hole, one repeat, one unreadable record."""
    outcomes = ("applied", "repeat", "parked", "unreadable")
    name = "clinicbus_consumer_events_total"
    before = {o: counted(name, "beta", outcome=o) for o in outcomes}
    network_id, good, bad, gap = new_id(), new_id(), new_id(), new_id()
    company.poisons = {13}
    first = said(network_id, good, 1, 1)
    await company.append(first, first, said(network_id, good, 2, 2, ce_subject="nobody"))
    await company.append(said(network_id, bad, 1, 13), said(network_id, bad, 2, 2))
    await company.append(said(network_id, gap, 2, 2))
    consumer = company.consumer()
    async with consuming(consumer):
        await heard(company)
    readings = await betas(company, consumer).database(later(60))
    found = {(n, labels): value for n, labels, value in readings}
    assert found["clinicbus_parked_keys", ("poison",)] == 1
    assert found["clinicbus_parked_keys", ("hole",)] == 1
    assert found["clinicbus_parked_keys", ("retry",)] == 0
    assert found["clinicbus_parked_events", ()] == 3
    assert found["clinicbus_parked_deepest", ()] == 2
    assert found["clinicbus_unreadable_records", ()] == 1
    assert 0 < found["clinicbus_parked_oldest_seconds", ("hole",)] < 30
    after = {o: counted(name, "beta", outcome=o) - before[o] for o in outcomes}
    assert after == {"applied": 1, "repeat": 1, "parked": 3, "unreadable": 1}
    seconds = REGISTRY.get_sample_value(
        "clinicbus_handler_seconds_count",
        {"service": "beta", "type": "clinicbus.alpha.thing.changed.v1"},
    )
    assert seconds is not None
    assert seconds >= 2  # also the one that failed


def test_no_label_of_a_gauge_is_an_id() -> None:
    """Services, kinds, topics and parts are few; ids would be without end, and of patients."""
    assert {label for _, labels in GAUGES.values() for label in labels} == {"kind", "topic", "part"}


def test_every_gauge_is_offered_to_a_scrape() -> None:
    """Under its name, and once: the collector of the process is registered."""
    names = {f.name for f in Readings().collect()}
    assert names == set(GAUGES)
    assert READINGS in REGISTRY._collector_to_names
    assert b"clinicbus_relay_leads" in generate_latest()


@pytest.mark.parametrize("part", ["database", "bus"])
def test_a_dropped_part_leaves_the_other(part: str) -> None:
    """Each is known by itself."""
    readings = Readings()
    for each, name in (("database", "clinicbus_relay_epoch"), ("bus", UNAPPLIED)):
        labels = (TOPIC,) if each == "bus" else ()
        readings.keep("alpha", each, [(name, labels, 1.0)], later())  # type: ignore[arg-type]
    readings.drop("alpha", part)  # type: ignore[arg-type]
    left = {f.name for f in readings.collect() if f.samples}
    assert left == {READ_AT, "clinicbus_relay_epoch" if part == "bus" else UNAPPLIED}
