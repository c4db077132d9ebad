"""Relay and consumer of two services together, on the transports that go between processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus, GroupBroken
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_schema import grant
from shared.bus.process import BusProcess, Subscriptions
from shared.bus.tests.company import SERVICES, TOPIC, Company, until
from shared.bus.tests.harness import PostgresHarness
from shared.db.provision import url_for
from shared.testing.memory_bus import MemoryBus
from shared.values.ids import new_id

Connect = Callable[[str], Bus]
NOTHING = Subscriptions({}, lambda _event: ())


@asynccontextmanager
async def process(company: Company, name: str, bus: Bus) -> AsyncIterator[BusProcess]:
    """A service's bus at work, stopped properly in the end."""
    database = company.alpha if name == "alpha" else company.beta
    found = BusProcess(name, bus)
    hears = company.subscriptions if name == "beta" else NOTHING
    task = asyncio.create_task(found.run(database, company.clock, hears))
    try:
        yield found
    finally:
        await found.stop()
        async with asyncio.timeout(5):
            await task
        await found.close()


@pytest.fixture
async def on_postgres(
    postgres_bus: PostgresHarness, postgres_superuser_url: str, company: Company
) -> Connect:
    """Each service as its own worker role, with its own grants."""
    for name in SERVICES:
        said, heard = ([TOPIC], []) if name == "alpha" else ([], [TOPIC])
        role = f"{name}_worker"
        await grant(postgres_bus.owner_url, role, service=name, appends=said, reads=heard)
    assert company.bus is not None

    def connect(name: str) -> Bus:
        role = f"{name}_worker"
        return PostgresBus(
            url_for(postgres_superuser_url, role, f"test-{role}", postgres_bus.database)
        )

    return connect


async def goes_through(company: Company, connect: Connect) -> None:
    """Many things changed by many at once; each event takes effect once, in order, soon."""
    network_id, things = new_id(), [new_id() for _ in range(10)]
    async with (
        process(company, "alpha", connect("alpha")) as alpha,
        process(company, "beta", connect("beta")) as beta,
    ):

        async def ready() -> bool:
            states = alpha.state(), beta.state()
            return bool(
                states[0].get("relay", {}).get("leads")
                and states[1].get("consumer", {}).get("partitions")
            )

        await until(ready)

        async def write(number: int) -> None:
            for value in range(20):
                await company.change(network_id, things[number], value)

        await asyncio.gather(*(write(number) for number in range(10)))

        async def ours() -> int:
            # On a broker that other tests use as well there is more on the topic.
            return sum(e["network_id"] == network_id for e in await company.effects())

        async def all_there() -> bool:
            return await ours() >= 200

        await until(all_there)
        started = asyncio.get_running_loop().time()
        await company.change(network_id, things[0], 99)

        async def last_there() -> bool:
            return await ours() >= 201

        await until(last_there)
        assert asyncio.get_running_loop().time() - started < 1.0
        assert beta.state()["consumer"]["problem"] is None
    assert [await company.values(thing) for thing in things] == [
        [*range(20), 99],
        *([list(range(20))] * 9),
    ]


async def test_events_go_through_on_postgres(company: Company, on_postgres: Connect) -> None:
    """As each service's own role."""
    await goes_through(company, on_postgres)


async def test_events_go_through_on_kafka(company: Company, kafka_bootstrap: str) -> None:
    """The topics are made by the processes themselves."""
    await goes_through(company, lambda _name: KafkaBus(kafka_bootstrap))


async def test_a_process_without_an_address_does_not_start() -> None:
    """It names the transport that it misses."""
    with pytest.raises(ValueError, match="kafka"):
        BusProcess.connect("alpha", kind="kafka", postgres_url="postgresql://", kafka=None)


class Cancelling(MemoryBus):
    """A bus whose client ends what runs in it, as aiokafka may."""

    async def subscribe(self, *_: Any, **__: Any) -> Any:
        raise asyncio.CancelledError


async def test_a_bus_that_is_cancelled_from_within_has_failed(company: Company) -> None:
    """It was not told to stop: its process would go on, look alive and do nothing."""
    found = BusProcess("beta", Cancelling())
    running = asyncio.create_task(found.run(company.beta, company.clock, company.subscriptions))
    await asyncio.wait([running], timeout=10)
    assert not running.cancelled()
    assert isinstance(running.exception(), GroupBroken)


async def test_a_bus_that_is_cancelled_from_outside_has_not_failed(company: Company) -> None:
    """As when its process stops by itself."""
    found = BusProcess("beta", MemoryBus())
    running = asyncio.create_task(found.run(company.beta, company.clock, company.subscriptions))
    await until(lambda: _consumes(found))
    running.cancel()
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()


async def _consumes(process: BusProcess) -> bool:
    return bool(process.state().get("consumer", {}).get("partitions"))
