"""`clinicbus parked` against the databases of the real services."""

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from ops import parked, unreadable
from ops.errors import CannotRun
from shared.testing.tokens import ISSUER, TestIssuer
from shared.values.ids import new_id

Run = Callable[..., Result]
TOPIC = "clinicbus.patients.patient.v1"


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, told where the databases are."""
    for name, url in environment.items():
        monkeypatch.setenv(name, url)

    return partial(_invoked, parked.app)


@pytest.fixture
def run_unreadable(run: Run) -> Run:
    """The command beside it."""
    return partial(_invoked, unreadable.app)


def _invoked(app: typer.Typer, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=True)


@pytest.fixture
def network() -> UUID:
    """Whose the parked key is."""
    return new_id()


@pytest.fixture
def subject(
    environment: dict[str, str], postgres_superuser_url: str, network: UUID
) -> Iterator[UUID]:
    """A key that appointments has parked, with one event."""
    database = urlsplit(environment["CLINICBUS_APPOINTMENTS_WORKER_URL"]).path
    url = urlsplit(postgres_superuser_url)._replace(path=database).geturl()
    key, network_id = new_id(), network

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
            _headers(network_id, key),
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


def _headers(network_id: UUID, key: UUID) -> list[str]:
    named = {
        "ce_specversion": "1.0",
        "ce_id": str(new_id()),
        "ce_type": "clinicbus.patients.patient.updated.v1",
        "ce_source": "/clinicbus/patients",
        "ce_subject": f"patient/{key}",
        "ce_partitionkey": str(key),
        "ce_subjectseq": "2",
        "ce_time": "2026-11-02T19:00:00Z",
        "ce_tenant": str(network_id),
        "ce_actor": "person/p1",
        "ce_correlationid": str(new_id()),
    }
    return [text for pair in named.items() for text in pair]


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


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> TestIssuer:
    """An issuer whose keys the command finds, in place of a running system's."""
    found = TestIssuer()
    made, transport = httpx.AsyncClient, httpx.MockTransport(found.answer)
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: made(transport=transport))
    variables = {**environment, "CLINICBUS_ISSUER": ISSUER}
    monkeypatch.setattr("ops.environment.of_operator", lambda _: variables)
    return found


def test_values_are_for_auditors_of_the_network_and_the_look_is_on_record(
    run: Run,
    subject: UUID,
    network: UUID,
    issuer: TestIssuer,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    postgres_superuser_url: str,
) -> None:
    """Without a token, with a wrong one, as operations or of another network: nothing is shown."""
    words = ("show", f"patient/{subject}", "--service", "appointments", "--values")
    refused = {
        "": "put a token of yours",
        "no.such.token": "not accepted",
        issuer.token(network, "ops"): "may not see",
        issuer.token(new_id(), "auditor"): "not parked",
    }
    for token, words_of_it in refused.items():
        if token:
            monkeypatch.setenv("CLINICBUS_TOKEN", token)
        answer = run(*words)
        assert words_of_it in str(answer.exception)
        assert "secret" not in answer.output
    monkeypatch.setenv("CLINICBUS_TOKEN", issuer.token(network, "auditor"))
    assert "secret" in run(*words).output

    async def looks() -> list[str]:
        path = urlsplit(environment["CLINICBUS_APPOINTMENTS_WORKER_URL"]).path
        url = urlsplit(postgres_superuser_url)._replace(path=path).geturl()
        connection = await asyncpg.connect(url)
        text = "SELECT action FROM audit WHERE network_id = $1"
        found = [row[0] for row in await connection.fetch(text, network)]
        await connection.close()
        return found

    assert asyncio.run(looks()) == ["read_event_value"]


def test_an_edit_takes_its_value_from_a_file(
    run: Run, subject: UUID, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And is recorded until the worker comes."""
    monkeypatch.setattr(parked, "PATIENCE_S", 0.05)
    file = tmp_path / "value.json"
    file.write_text('{"changed": []}')
    words = ("edit", f"patient/{subject}", "--service", "appointments", "--why", "typo")
    asked = run(*words, "--value", str(file))
    assert "when its worker runs" in str(asked.exception)
    shown = run("show", f"patient/{subject}", "--service", "appointments")
    assert "edit by" in shown.output
    assert "changed" not in shown.output.partition("edit by")[2]


def test_an_export_is_a_line_of_json_an_event_without_its_value(run: Run, subject: UUID) -> None:
    """For whatever reads dead letters elsewhere."""
    lines = [json.loads(line) for line in run("export").output.splitlines()]
    (line,) = [line for line in lines if line["subject"] == f"patient/{subject}"]
    assert (line["service"], line["sequence"], line["problem"]) == ("appointments", 2, "slot.taken")
    assert "secret" not in json.dumps(lines)


def test_nothing_unreadable_is_said(run_unreadable: Run) -> None:
    """In one line."""
    assert run_unreadable("list", "--service", "patients").output == "Nothing is unreadable.\n"


def test_an_unreadable_record_is_listed_shown_and_dropped(
    run_unreadable: Run, environment: dict[str, str]
) -> None:
    """Its bytes and texts are shown to nobody; who let them go and why is kept."""
    run = run_unreadable
    where = (new_id().hex, TOPIC, 3, 77)

    async def plant() -> None:
        connection = await asyncpg.connect(environment["CLINICBUS_PATIENTS_WORKER_URL"])
        await connection.execute(
            'INSERT INTO unreadable (bus_id, topic, partition, "offset", headers, value, reason)'
            " VALUES ($1, $2, $3, $4, $5, $6, 'no subject')",
            *where,
            ["ce_odd", "secret text"],
            b"secret bytes",
        )
        await connection.close()

    asyncio.run(plant())
    place = f"{TOPIC}/3/77"
    listed = run("list", "--service", "patients").output
    shown = run("show", place, "--service", "patients").output
    assert f"{place}  no subject  12 bytes" in listed
    assert "'ce_odd'  11 letters" in shown
    dropped = run("drop", place, "--service", "patients", "--who", "ann", "--why", "a test probe")
    assert dropped.output == f"{place}: dropped.\n"
    assert place not in run("list", "--service", "patients").output
    after = run("list", "--service", "patients", "--dropped").output
    assert f"{place}  no subject  0 bytes" in after
    assert "dropped by ann: a test probe" in after
    again = run("drop", place, "--service", "patients", "--why", "again")
    assert "was dropped before" in again.output
    assert "secret" not in listed + shown + after
    nothing = run("show", f"{TOPIC}/3/78", "--service", "patients")
    assert "no such record" in str(nothing.exception)
    nonsense = run("drop", "here", "--service", "patients", "--why", "x")
    assert "is not topic/partition/offset" in str(nonsense.exception)
