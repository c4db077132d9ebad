"""A small day on a whole system; then each fault is planted, and the day no longer holds."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from ops.day import ahead, checks, command, report
from ops.day.check import Check
from ops.day.databases import opened
from ops.day.desk import Desk
from ops.day.plan import CLINICS, PROVIDERS_A_CLINIC
from ops.day.story import DATE, Story
from ops.layout import CHECKOUT, Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from shared.web.clocks import SharedClock

# The system is started and a whole day is played within the first test's time.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

VISITS, SEED = 24, 1
NPI = "http://hl7.org/fhir/sid/us-npi"
RUN = CliRunner()
TWICE, LEDGER, DRAWER, APPLIED, EFFECTS, CLOCKS, HOLIDAYS = (
    "nothing is booked twice",
    "the ledger sums to zero",
    "drawer equals report",
    "every event is applied once by every subscriber",
    "every effect is there once",
    "wall times hold when clocks change",
    "nobody comes on a holiday",
)


@dataclass(slots=True)
class Day:
    """A day that was played, and the system that it was played on."""

    folder: Path
    url: str
    story: Story
    desk: Desk
    reports: list[dict[str, Any]]

    async def checks(self) -> list[Check]:
        """Every check, now."""
        return await checks.all_of(self.url, self.story, self.reports)

    async def broken(self) -> list[str]:
        """The names of the checks that do not hold; the exit code is 1 where there is one."""
        found = await self.checks()
        names = [check.name for check in found if not check.ok]
        assert checks.exit_code(found) == bool(names)
        return names

    async def by_sql(self, service: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of a statement that is run as nobody may: past every trigger and foreign key."""
        async with opened(self.url, service) as connection:
            await connection.execute("SET session_replication_role = replica")
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day() -> AsyncIterator[Day]:
    """Played once."""
    with tempfile.TemporaryDirectory(prefix="cb-day-") as name:
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        options = Options(
            clock_file=folder / "clock",
            durable=False,
            environment={"CLINICBUS_PAYER_TIMEOUT_SECONDS": "1"},
        )
        async with (
            LocalSystem(Layout(folder / "data"), Ports.free(), options) as system,
            httpx.AsyncClient(timeout=30) as http,
        ):
            story, desk, reports = await command.play(system, http, clock, VISITS, SEED)
            await checks.settled(system.superuser_url)
            yield Day(folder / "data", system.superuser_url, story, desk, reports)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day has settled: a fault that is planted does not go away, and is not waited for."""
    monkeypatch.setattr(checks, "SETTLE_SECONDS", 0.0)


async def test_the_day_holds_and_every_check_saw_something(day: Day) -> None:
    found = await day.checks()
    assert [check.as_dict() for check in found if not check.ok] == []
    assert checks.exit_code(found) == 0
    counted = {check.name: check.counted for check in found}
    assert list(counted) == [TWICE, LEDGER, DRAWER, APPLIED, EFFECTS, CLOCKS, HOLIDAYS]
    assert counted[TWICE] > VISITS
    assert counted[DRAWER] == 2
    assert counted[EFFECTS] == len(checks.EFFECTS)
    assert counted[APPLIED] > 10 * VISITS
    assert counted[CLOCKS] == CLINICS * PROVIDERS_A_CLINIC
    assert counted[HOLIDAYS] == sum(map(len, ahead.HOLIDAYS))


async def test_the_figures_are_the_databases_and_the_players_own(day: Day) -> None:
    figures = await report.figures(day.url, day.story, day.reports, day.desk.steps)
    outcomes = figures["outcomes"]
    assert day.story.ahead == 2 * CLINICS * PROVIDERS_A_CLINIC
    assert sum(outcomes.values()) == VISITS + day.story.ahead
    by_hand = {p.outcome for p in day.story.played}
    assert by_hand <= set(outcomes) | {"sent_away"}
    booked = VISITS + day.story.ahead - outcomes.get("sent_away", 0)
    assert figures["events"]["appointments.appointment.booked.v1"] == booked
    assert figures["ledger_cents"] == 0
    taken = {name: cents for name, cents in figures["money_cents"].items() if cents}
    assert taken == {name: cents for name, cents in day.story.money.items() if cents}
    assert figures["slowest"]


async def test_a_planted_second_booking_breaks_its_check(day: Day) -> None:
    taken = (
        "INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane, starts_at,"
        " ends_at, appointment_id, active) SELECT gen_random_uuid(), network_id, resource_kind,"
        " resource_id, lane + {above}, starts_at, ends_at, appointment_id, true FROM occupancies"
        " WHERE active AND resource_kind = '{kind}' ORDER BY id LIMIT 1 RETURNING id"
    )
    # In the same lane no SQL gets it in: the constraint is the proof.
    with pytest.raises(asyncpg.ExclusionViolationError):
        await day.by_sql("appointments", taken.format(kind="provider", above=0))
    for kind in ("provider", "patient", "room"):
        (row,) = await day.by_sql("appointments", taken.format(kind=kind, above=1))
        assert await day.broken() == [TWICE], kind
        await day.by_sql("appointments", "DELETE FROM occupancies WHERE id = $1", row["id"])
    assert await day.broken() == []


_ENTRY = (
    "INSERT INTO ledger_entries SELECT (json_populate_record(e, json_build_object("
    "'id', gen_random_uuid(), 'source_id', gen_random_uuid()))).* FROM"
    " (SELECT e FROM ledger_entries e WHERE kind = 'payment' ORDER BY id LIMIT 1) one RETURNING id"
)
_LINES = (
    "INSERT INTO ledger_lines SELECT (json_populate_record(l, json_build_object('entry_id',"
    " $1::uuid))).* FROM ledger_lines l WHERE entry_id = (SELECT id FROM ledger_entries"
    " WHERE kind = 'payment' AND id <> $1 ORDER BY id LIMIT 1) ORDER BY line LIMIT $2"
)


async def forget_entry(day: Day, entry_id: Any) -> None:
    for table, column in (("ledger_lines", "entry_id"), ("ledger_entries", "id")):
        await day.by_sql("payments", f"DELETE FROM {table} WHERE {column} = $1", entry_id)


async def test_a_planted_entry_with_one_leg_breaks_the_ledgers_check(day: Day) -> None:
    (row,) = await day.by_sql("payments", _ENTRY)
    await day.by_sql("payments", _LINES, row["id"], 1)
    # It is a payment that nobody made, too.
    assert await day.broken() == [LEDGER, EFFECTS]
    await forget_entry(day, row["id"])
    assert await day.broken() == []


async def test_a_planted_leg_that_is_gone_breaks_the_ledgers_check_alone(day: Day) -> None:
    gone = (
        "DELETE FROM ledger_lines WHERE (entry_id, line) = (SELECT entry_id, line"
        " FROM ledger_lines ORDER BY 1, 2 LIMIT 1) RETURNING row_to_json(ledger_lines)::text"
    )
    (row,) = await day.by_sql("payments", gone)
    assert await day.broken() == [LEDGER]
    back = "INSERT INTO ledger_lines SELECT * FROM json_populate_record(NULL::ledger_lines, $1)"
    await day.by_sql("payments", back, row[0])
    assert await day.broken() == []


async def test_a_planted_cent_in_a_drawer_breaks_its_check(day: Day) -> None:
    drawer = day.story.places[1].drawer_id
    # Even so the table wants a reason for a count that is off.
    change = (
        "UPDATE drawers SET counted_cents = counted_cents + $2, variance_reason = $3 WHERE id = $1"
    )
    for cents in (1, -1):
        await day.by_sql("payments", change, drawer, cents, "planted")
        assert await day.broken() == [DRAWER]
        await day.by_sql("payments", change, drawer, -cents, None)
    assert await day.broken() == []


@pytest.mark.parametrize("service", ["appointments", "patients", "eligibility", "documents"])
async def test_a_planted_event_that_a_subscriber_missed_breaks_its_check(
    day: Day, service: str
) -> None:
    subject = (
        "SELECT network_id, topic, subject FROM applied WHERE topic LIKE '%.appointment.%'"
        " OR topic LIKE '%.account.%' OR topic LIKE '%.patient.%' ORDER BY 3 LIMIT 1"
    )
    ((network, topic, name),) = await day.by_sql(service, subject)
    change = "UPDATE applied SET seq = seq + $4 WHERE (network_id, topic, subject) = ($1, $2, $3)"
    await day.by_sql(service, change, network, topic, name, -1)
    found = await day.checks()
    await day.by_sql(service, change, network, topic, name, 1)
    assert [check.name for check in found if not check.ok] == [APPLIED]
    (problem,) = next(check for check in found if check.name == APPLIED).problems
    assert problem.startswith(f"{service}: {name} applied up to ")
    assert checks.exit_code(found) == 1


async def test_a_planted_event_that_was_never_said_breaks_its_check(day: Day) -> None:
    gone = (
        "DELETE FROM outbox WHERE event_id = (SELECT event_id FROM outbox WHERE subject_seq = 1"
        " AND type LIKE '%.appointment.booked.%' ORDER BY id LIMIT 1)"
        " RETURNING row_to_json(outbox)::text"
    )
    (row,) = await day.by_sql("appointments", gone)
    assert set(await day.broken()) == {APPLIED, EFFECTS}
    # With its old transaction id it is behind the relay's cursor, so it is not sent again.
    back = "INSERT INTO outbox SELECT * FROM json_populate_record(NULL::outbox, $1)"
    await day.by_sql("appointments", back, row[0])
    assert await day.broken() == []


async def test_a_planted_key_that_waits_breaks_the_check_of_events(day: Day) -> None:
    parked = (
        "INSERT INTO parked_key (network_id, topic, subject, kind, problem)"
        " SELECT network_id, topic, subject, 'poison', 'planted' FROM applied LIMIT 1"
    )
    await day.by_sql("payments", parked)
    assert await day.broken() == [APPLIED]
    await day.by_sql("payments", "DELETE FROM parked_key WHERE problem = 'planted'")
    assert await day.broken() == []


async def test_a_planted_second_effect_breaks_its_check_alone(day: Day) -> None:
    # A payment that is posted twice, both times in balance.
    (row,) = await day.by_sql("payments", _ENTRY)
    await day.by_sql("payments", _LINES, row["id"], 2)
    assert await day.broken() == [EFFECTS]
    await forget_entry(day, row["id"])
    # A visit that a subscriber took in twice.
    twice = (
        "INSERT INTO known_visits SELECT (json_populate_record(v, json_build_object("
        "'appointment_id', gen_random_uuid()))).* FROM known_visits v LIMIT 1"
        " RETURNING appointment_id"
    )
    for service in ("eligibility", "documents", "patients", "payments"):
        (row,) = await day.by_sql(service, twice)
        assert await day.broken() == [EFFECTS], service
        forget = "DELETE FROM known_visits WHERE appointment_id = $1"
        await day.by_sql(service, forget, row["appointment_id"])
    assert await day.broken() == []


async def test_a_planted_hour_between_two_sides_of_a_change_breaks_its_check(day: Day) -> None:
    # By a rule that knows no summer time: the second visit is an hour late by the clinic's clocks.
    last = "SELECT id FROM appointments ORDER BY starts_at DESC, id LIMIT 1"
    (row,) = await day.by_sql("appointments", last)
    change = (
        "UPDATE appointments SET starts_at = starts_at + $2, ends_at = ends_at + $2 WHERE id = $1"
    )
    for hours in (1, -1):
        by = timedelta(hours=hours)
        await day.by_sql("appointments", change, row["id"], by)
        assert await day.broken() == [CLOCKS]
        await day.by_sql("appointments", change, row["id"], -by)
    offset = "UPDATE appointments SET utc_offset_minutes = utc_offset_minutes + $1"
    await day.by_sql("appointments", offset, 60)
    assert await day.broken() == [CLOCKS]
    await day.by_sql("appointments", offset, -60)
    assert await day.broken() == []


async def test_a_planted_visit_on_a_holiday_breaks_its_check(day: Day) -> None:
    rows = await day.by_sql("appointments", "SELECT id, holidays::text AS holidays FROM clinics")
    closed = "UPDATE clinics SET holidays = holidays || $1::jsonb"
    await day.by_sql("appointments", closed, json.dumps([{"day": DATE.isoformat()}]))
    assert await day.broken() == [HOLIDAYS]
    for row in rows:
        back = "UPDATE clinics SET holidays = $2::jsonb WHERE id = $1"
        await day.by_sql("appointments", back, row["id"], row["holidays"])
    assert await day.broken() == []


@pytest.mark.parametrize("problem", [None, "off by a cent"])
@pytest.mark.parametrize("as_json", [True, False])
async def test_the_command_ends_with_what_the_checks_say(
    day: Day, monkeypatch: pytest.MonkeyPatch, problem: str | None, as_json: bool
) -> None:
    found = await day.checks()
    if problem:
        found[2] = Check(found[2].name, found[2].counted, found[2].unit, [problem])
    outcome = {
        "ok": checks.exit_code(found) == 0,
        "visits": VISITS,
        "seed": SEED,
        "bus": "postgres",
        "seconds": {"start": 1.0, "play": 2.0, "check": 0.1},
        **await report.figures(day.url, day.story, day.reports, day.desk.steps),
        "checks": [check.as_dict() for check in found],
    }
    # The day itself was played: only playing it once more is left out.
    monkeypatch.setattr(asyncio, "run", lambda playing: playing.close() or outcome)
    said = RUN.invoke(command.app, ["--json"] if as_json else [])
    assert said.exit_code == (1 if problem else 0)
    if as_json:
        told = json.loads(said.output)
        assert told["ok"] is not bool(problem)
        assert [check["ok"] for check in told["checks"]].count(False) == bool(problem)
    else:
        assert ("FAIL drawer equals report" in said.output) == bool(problem)
        assert ("The day holds." in said.output) != bool(problem)
        assert "The ledger sums to $0.00." in said.output


async def clinicbus(day: Day, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and error output of a command on the system of the day."""
    network = ("--network", str(day.story.network), "--data", str(day.folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", *arguments, *network),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_a_visit_of_the_day_is_traced_through_the_services(day: Day) -> None:
    played = next(p for p in day.story.played if p.outcome == "fulfilled" and p.payments)
    code, output, errors = await clinicbus(day, "trace", played.appointment_id)
    assert (code, errors) == (0, "")
    told = [line.split() for line in output.splitlines()]
    assert [at for at, *_ in told] == sorted(at for at, *_ in told)
    said = [(service, what) for _, service, kind, what, *_ in told if kind == "event"]
    for step in (
        ("appointments", "appointments.appointment.booked.v1"),
        ("eligibility", "eligibility.estimate.created.v1"),
        ("payments", "payments.payment.posted.v1"),
        ("appointments", "appointments.patient.checked_in.v1"),
        ("appointments", "appointments.visit.checked_out.v1"),
        ("documents", "documents.packet.ready.v1"),
    ):
        assert step in said, step
    assert all(line[-1].split("/")[0] in ("person", "timer", "service") for line in told)
    code, output, errors = await clinicbus(day, "trace", str(day.story.network))
    assert (code, output) == (1, "")
    assert errors == "Nothing is known of this id in this network.\n"


async def test_a_file_of_people_is_imported_into_the_running_system(
    day: Day, tmp_path: Path
) -> None:
    path = tmp_path / "people.json"
    person = {"name": [{"family": "Zimmermann", "given": ["Io"]}], "birthDate": "1931-01-31"}
    doctor = {"name": [{"family": "Y"}], "identifier": [{"system": NPI, "value": "9941339108"}]}
    entries = [
        {"resource": {"resourceType": "Patient", **person}},
        {"resource": {"resourceType": "Practitioner", **doctor}},
    ]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    first = await clinicbus(day, "import-fhir", str(path))
    assert first[0] == 0, first
    assert "Patient entered as patient" in first[1]
    assert "Warning: its NPI is left out" in first[1]
    assert await clinicbus(day, "import-fhir", str(path)) == first
    path.write_text(json.dumps({"resourceType": "Patient", "birthDate": "1931-01-31"}))
    code, output, errors = await clinicbus(day, "import-fhir", str(path))
    assert (code, output) == (1, "people.json: Patient refused: name.missing /name\n")
    assert errors == "1 could not be entered; the reasons are above.\n"
    path.write_text("not JSON")
    code, output, errors = await clinicbus(day, "import-fhir", str(path))
    assert (code, output) == (1, "")
    assert errors == "people.json cannot be read as JSON (JSONDecodeError).\n"
