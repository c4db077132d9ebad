"""Fixtures: the made-up services on each bus, with a proxy in every link."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from ops import postgres
from ops.errors import CannotRun
from ops.postgres import Server
from shared.bus.kafka import KafkaBus
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_schema import grant, install
from shared.bus.tests.company import TOPIC, Company, migrate
from shared.db.database import Database
from shared.db.provision import provision, roles_of, service_environment, url_for
from tests.faults.bus.broker import FaultyBroker
from tests.faults.bus.pair import MADE_UP, Pair
from tests.faults.proxy import Proxy
from tests.faults.stable import Stable

SERVICES = ("alpha", "beta", "gamma")
PASSWORDS = {role: f"test-{role}" for role in roles_of(SERVICES)}
SUFFIX = "_faults"
_numbers = count(1)


@pytest.fixture(scope="session")
def pair_server() -> Iterator[Server]:
    """A server that listens on a port, too, for the proxies."""
    folder = Path(tempfile.mkdtemp(prefix="cb-pair-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = postgres.start(folder, port, durable=False)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pair_stable(full: bool) -> Iterator[Stable | None]:
    """Where the made-up services come from in the short list."""
    if full:
        yield None
        return
    with Stable(MADE_UP) as found:
        yield found


@pytest.fixture(scope="session")
def pair_urls(pair_server: Server) -> dict[str, str]:
    """The databases of the made-up services, migrated once a run."""

    async def make() -> dict[str, str]:
        url = pair_server.superuser_url
        await provision(url, PASSWORDS, SERVICES, suffix=SUFFIX)
        found = service_environment(url, PASSWORDS, SERVICES, suffix=SUFFIX)
        for service in SERVICES:
            await migrate(found[f"CLINICBUS_{service.upper()}_OWNER_URL"], service)
        return found

    return asyncio.run(make())


@pytest.fixture(scope="session")
def broker(seed: int) -> Iterator[FaultyBroker]:
    """A broker behind a proxy. Skips where none of our own can be had, and the run says so."""
    with (
        tempfile.TemporaryDirectory(prefix="cb-broker-", ignore_cleanup_errors=True) as name,
        Proxy("127.0.0.1", 1, seed=seed) as link,
    ):
        found = FaultyBroker(Path(name) / "kafka", link)
        try:
            try:
                found.start()
            except CannotRun as error:
                if os.environ.get("REQUIRE_KAFKA") == "1":
                    pytest.fail(f"REQUIRE_KAFKA=1, but there is no broker. {error}", pytrace=False)
                pytest.skip(f"no broker: {error}")
            if not found.ours:
                pytest.skip("no broker: it must be one of our own, with a proxy before it")
            yield found
        finally:
            found.close()


@pytest.fixture(params=["postgres", "kafka"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each bus."""
    found: str = request.param
    return found


@pytest.fixture
async def pair(
    request: pytest.FixtureRequest,
    kind: str,
    pair_server: Server,
    pair_urls: dict[str, str],
    pair_stable: Stable | None,
    seed: int,
    tmp_path: Path,
) -> AsyncIterator[Pair]:
    """The services with empty tables and an empty bus; no process runs yet."""
    url, urls = pair_server.superuser_url, dict(pair_urls)
    supers = {}
    for service in SERVICES:
        name = f"/clinicbus_{service}{SUFFIX}"
        supers[service] = await asyncpg.connect(urlsplit(url)._replace(path=name).geturl())
        own = "thing" if service == "alpha" else "effect"
        await supers[service].execute(
            "TRUNCATE outbox, relay_lease, bus_offset, applied, parked_event, parked_key,"
            f" unreadable, operator_action, {own}"
        )
    databases = {
        service: Database.connect(
            service,
            urls[f"CLINICBUS_{service.upper()}_APP_URL"],
            urls[f"CLINICBUS_{service.upper()}_WORKER_URL"],
        )
        for service in SERVICES[:2]
    }
    bus: KafkaBus | PostgresBus
    owner_url = None
    broker: FaultyBroker | None = None
    if kind == "kafka":
        broker = request.getfixturevalue("broker")
        assert isinstance(broker, FaultyBroker)
        # It runs already, but where a test before this one failed in the middle.
        await asyncio.to_thread(broker.start)
        broker.link.heal()
        bus = KafkaBus(broker.bootstrap)
        await empty_topic(broker, bus)
    else:
        owner_url = await new_bus(url, urls)
        bus = PostgresBus(owner_url)
    assert pair_server.port is not None
    company = Company(databases["alpha"], databases["beta"], supers["alpha"], supers["beta"], bus)
    found = Pair(
        company=company,
        urls=urls,
        kind=kind,
        server=("127.0.0.1", pair_server.port),
        folder=tmp_path,
        seed=seed,
        supers=supers,
        bus_owner_url=owner_url,
        broker=broker,
        stable=pair_stable,
    )
    try:
        yield found
    finally:
        await found.close()
        await company.bus.close()
        for database in databases.values():
            await database.close()
        for connection in supers.values():
            await connection.close()


async def new_bus(superuser_url: str, urls: dict[str, str]) -> str:
    """A new, empty Postgres bus, put into the URLs; its owner's URL."""
    name = f"bus_faults_{next(_numbers)}"
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER bus_owner")
    finally:
        await connection.close()
    owner_url = url_for(superuser_url, "bus_owner", PASSWORDS["bus_owner"], name)
    await install(owner_url)
    for service in SERVICES:
        role = f"{service}_worker"
        said, heard = ([TOPIC], []) if service == "alpha" else ([], [TOPIC])
        await grant(owner_url, role, service=service, appends=said, reads=heard)
        urls[f"CLINICBUS_{service.upper()}_BUS_URL"] = url_for(
            superuser_url, role, PASSWORDS[role], name
        )
    return owner_url


async def empty_topic(broker: FaultyBroker, bus: KafkaBus) -> None:
    """The topic anew, with nothing on it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        if TOPIC in await admin.list_topics():
            await admin.delete_topics([TOPIC])
            while TOPIC in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await bus.create_topics([TOPIC])
