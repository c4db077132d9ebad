"""`clinicbus parked` against the databases of the real services."""

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from ops import parked
from ops.errors import CannotRun
from shared.values.ids import new_id

Run = Callable[..., Result]
TOPIC = "clinicbus.patients.patient.v1"


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, told where the databases are."""
    for name, url in environment.items():
        monkeypatch.setenv(name, url)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(parked.app, list(words), catch_exceptions=True)

    return invoke


@pytest.fixture
def subject(environment: dict[str, str], postgres_superuser_url: str) -> Iterator[UUID]:
    """A key that appointments has parked, with one event."""
    database = urlsplit(environment["CLINICBUS_APPOINTMENTS_WORKER_URL"]).path
    url = urlsplit(postgres_superuser_url)._replace(path=database).geturl()
    key, network_id = new_id(), new_id()

    async def plant() -> None:
        connection = await asyncpg.connect(url)
        where = (network_id, TOPIC, f"patient/{key}")
        await connection.execute(
            "INSERT INTO parked_key VALUES ($1, $2, $3, 'poison', 'slot.taken')", *where
        )
        await connection.execute(
            "INSERT INTO parked_event VALUES ($1, $2, $3, 2, 5, 41, $4, $5, $6)",
            *where,
            str(key),
            ["ce_type", "clinicbus.patients.patient.updated.v1"],
            b'{"changed": ["secret"]}',
        )
        await connection.close()

    async def clear() -> None:
        connection = await asyncpg.connect(url)
        for table in ("operator_action", "parked_event", "parked_key"):
            await connection.execute(f"DELETE FROM {table} WHERE network_id = $1", network_id)
        await connection.close()

    asyncio.run(plant())
    yield key
    asyncio.run(clear())


def test_what_is_parked_is_listed_and_shown_without_values(run: Run, subject: UUID) -> None:
    """Kind, code and members; the value stays in the database."""
    listed = run("list", "--service", "appointments")
    assert f"patient/{subject}  poison  slot.taken  1 waiting from 2" in listed.output
    shown = run("show", f"patient/{subject}", "--service", "appointments")
    assert "of changed" in shown.output
    assert "at 5/41" in shown.output
    assert "secret" not in listed.output + shown.output


def test_a_request_is_recorded_with_who_and_why_while_no_worker_runs(
    run: Run, subject: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says so, in one sentence; it is done when the worker comes."""
    monkeypatch.setattr(parked, "PATIENCE_S", 0.05)
    words = ("retry", f"patient/{subject}", "--service", "appointments")
    asked = run(*words, "--who", "ann", "--why", "mended")
    assert isinstance(asked.exception, CannotRun)
    assert "when its worker runs" in str(asked.exception)
    shown = run("show", f"patient/{subject}", "--service", "appointments")
    assert "retry by ann: mended -> not done yet" in shown.output


def test_unknown_subjects_and_services_are_said(run: Run) -> None:
    """Nothing is recorded."""
    nobody = run("skip", f"patient/{new_id()}", "--service", "patients", "--why", "x")
    assert "not parked" in str(nobody.exception)
    nowhere = run("list", "--service", "kitchen")
    assert "no service kitchen" in str(nowhere.exception)


def test_nothing_unreadable_is_said(run: Run) -> None:
    """In one line."""
    assert run("unreadable", "list", "--service", "patients").output == "Nothing is unreadable.\n"
