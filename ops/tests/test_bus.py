"""`clinicbus bus` against the databases of the real services and the bus beside them."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from ops import bus
from ops.errors import CannotRun
from shared.bus.postgres import PostgresBus
from shared.contracts.catalogue import topics_said_by
from shared.contracts.envelope import PARTITIONS
from shared.contracts.partition import partition_of
from shared.values.ids import new_id

TOPIC = "clinicbus.patients.patient.v1"


@pytest.fixture
def variables(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The command is told where everything is, as by a shell."""
    for name, url in environment.items():
        monkeypatch.setenv(name, url)
    return environment


def run(*words: str) -> Result:
    return CliRunner().invoke(bus.app, list(words), catch_exceptions=True)


@pytest.fixture
def key(variables: dict[str, str], postgres_superuser_url: str) -> Iterator[str]:
    """The key of an event of patients that was sent and is not on the bus."""
    path = urlsplit(variables["CLINICBUS_PATIENTS_WORKER_URL"]).path
    url = urlsplit(postgres_superuser_url)._replace(path=path).geturl()
    made = str(new_id())

    async def run_all(*statements: tuple[Any, ...]) -> None:
        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(*statement)
        await connection.close()

    forget = (("DELETE FROM outbox",), ("DELETE FROM relay_lease",))
    event_id = new_id()
    asyncio.run(
        run_all(
            *forget,
            (
                "INSERT INTO outbox (network_id, event_id, type, subject, subject_seq,"
                " correlation_id, occurred_at, topic, partition, key, headers, value)"
                " VALUES ($1, $2, 't', $3, 1, $2, now(), $4, $5, $6, $7, '{}')",
                *(new_id(), event_id, f"patient/{made}", TOPIC, partition_of(made), made),
                ["ce_id", str(event_id)],
            ),
            (
                "INSERT INTO relay_lease (producer, owner, epoch, expires_at, cursor_xid,"
                " cursor_id) SELECT 'patients', 'nobody', 1, now(), xid, id FROM outbox",
            ),
        )
    )
    yield made
    asyncio.run(run_all(*forget))


async def keys_on(owner_url: str) -> list[str | None]:
    """The keys of all that is on the topic."""
    found = PostgresBus(owner_url)
    starts = await found.log_starts([TOPIC])
    records = await found.read(starts, 10_000, 0.1)
    await found.close()
    return [record.key for record in records]


def test_what_the_bus_lacks_is_counted_first_and_then_sent(
    variables: dict[str, str], key: str
) -> None:
    owner_url = variables["CLINICBUS_BUS_OWNER_URL"]
    counted = run("republish", "patients", "--dry-run")
    assert "patients: 1 said, 1 missing on the bus, would be sent again." in counted.output
    assert f"{TOPIC}  1" in counted.output
    assert key not in asyncio.run(keys_on(owner_url))
    assert "1 missing on the bus, sent again." in run("republish", "patients").output
    assert asyncio.run(keys_on(owner_url)).count(key) == 1
    assert "0 missing" in run("republish", "patients").output
    assert set(topics_said_by("patients")) >= {TOPIC}


def test_offsets_go_to_the_start_and_nowhere_else(variables: dict[str, str]) -> None:
    answer = run("reset-offsets", "--to", "start", "documents")
    assert answer.exit_code == 0
    number = int(answer.output.split()[1])
    assert number % PARTITIONS == 0 < number
    with pytest.raises(CannotRun, match="not to 'end'"):
        raise run("reset-offsets", "--to", "end").exception or AssertionError
    with pytest.raises(CannotRun, match="no service kitchen"):
        raise run("republish", "kitchen").exception or AssertionError


def test_a_bus_that_is_away_is_said_in_a_sentence(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = variables["CLINICBUS_BUS_OWNER_URL"].replace("clinicbus_bus", "nothing_here")
    monkeypatch.setenv("CLINICBUS_BUS_OWNER_URL", url)
    with pytest.raises(CannotRun, match="The bus does not do it: BusUnavailable"):
        raise run("reset-offsets", "--to", "start", "patients").exception or AssertionError
