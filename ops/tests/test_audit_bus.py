"""`clinicbus audit-bus` on a played day; then each exception is planted, and it is named."""

import asyncio
import importlib
import json
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from ops.audit_bus.command import as_dict, lines_of
from ops.audit_bus.ledger import PROBLEMS_MAX, Heard, Problem, Problems, Seen, TopicLedger, tail_of
from ops.audit_bus.reading import _DROPPED, Found, audit, hearers_of, seen_of, table_of
from ops.day import checks, command
from ops.day.databases import opened
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from ops.running import bus_of, superuser_url, variables_of
from ops.tests.monitored import take
from ops.tests.systems import python, read_until
from shared.bus.port import Message, Producer, Record
from shared.contracts.catalogue import PRODUCERS, all_topics
from shared.contracts.partition import partition_of
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web.clocks import SharedClock

# The system is started and a day is played within the first test's time.
whole = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

VISITS, SEED = 12, 3
REST_SECONDS = 60
TOPIC = "clinicbus.appointments.appointment.v1"
HEARERS = ["eligibility", "payments", "documents", "patients"]


@dataclass(slots=True)
class Played:
    """A system on which a day was played."""

    data: Path
    url: str
    system: LocalSystem

    async def audit(self, *services: str) -> Found:
        """What the command finds now."""
        bus = bus_of(variables_of(self.data))
        try:
            return await (audit(self.url, bus, services) if services else audit(self.url, bus))
        finally:
            await bus.close()

    async def audit_at_rest(self) -> Found:
        """What it finds once nothing is on its way: after a played day, timers and answers of
        payers still say one thing and another."""
        until = asyncio.get_running_loop().time() + REST_SECONDS
        while True:
            found = await self.audit()
            if not found.total("flight/") + found.total("waiting") + found.total("new"):
                return found
            assert asyncio.get_running_loop().time() < until, "events stay on their way"

    async def said(self) -> int:
        """How many events all services have said."""
        said = [await self.by_sql(s, "SELECT count(*) AS n FROM outbox") for s in SERVICES]
        return sum(row[0]["n"] for row in said)

    async def named(self) -> list[tuple[str, str, str, int | None, str | None]]:
        """Each exception: kind, service, subject, number, event."""
        found = await self.audit()
        return [(p.kind, p.service, p.subject, p.seq, p.event_id) for p in found.problems.found]

    async def by_sql(self, service: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of a statement that is run as nobody may."""
        async with opened(self.url, service) as connection:
            await connection.execute("SET session_replication_role = replica")
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day() -> AsyncIterator[Played]:
    """Played once."""
    with tempfile.TemporaryDirectory(prefix="cb-audit-") as name:
        folder = Path(name)
        clock = SharedClock(folder / "clock")
        options = Options(
            clock_file=folder / "clock",
            durable=False,
            environment={"CLINICBUS_PAYER_TIMEOUT_SECONDS": "1"},
        )
        data = folder / "data"
        async with (
            LocalSystem(Layout(data), Ports.free(), options) as system,
            httpx.AsyncClient(timeout=30) as http,
        ):
            await command.play(system, http, clock, VISITS, SEED)
            await checks.settled(system.superuser_url)
            yield Played(data, superuser_url(data), system)


class TestOnAPlayedDay:
    """From the databases and the bus alone."""

    pytestmark = whole

    async def test_nothing_is_wrong_and_everything_was_looked_at(self, day: Played) -> None:
        assert day.url == day.system.superuser_url
        async with asyncio.timeout(REST_SECONDS):
            total, found = await day.said(), await day.audit_at_rest()
            while total != await day.said():
                total, found = await day.said(), await day.audit_at_rest()
        assert found.problems.found == []
        assert found.told == []
        assert [topic.topic for topic in found.topics] == sorted(
            all_topics(), key=lambda t: (list(SERVICES).index(t.split(".")[1]), t)
        )
        assert found.total("events") == found.total("on_topic") == total > 10 * VISITS
        (visits,) = [t for t in found.topics if t.topic == TOPIC]
        for service in HEARERS:
            assert visits.counts[f"applied/{service}"] == visits.counts["events"] > VISITS
        assert sorted(HEARERS) == sorted(hearers_of(TOPIC))
        assert [check.ok for check in found.checks] == [True, True]

    async def test_the_command_says_so_and_ends_with_0(self, day: Played) -> None:
        with python("-m", "ops.cli", "audit-bus", "--data", str(day.data)) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "One change, one event, one effect: no exception." in said
        until = asyncio.get_running_loop().time() + REST_SECONDS
        while True:
            with python("-m", "ops.cli", "audit-bus", "--json", "--data", str(day.data)) as process:
                said, _ = process.communicate(timeout=60)
            told = json.loads(said)
            assert told["ok"] is True
            assert told["events"] >= told["on_topic"] > 0
            assert told["doubled"] == 0
            if told["flight"] == told["waiting"] == told["new"] == 0:
                break
            assert asyncio.get_running_loop().time() < until, "events stay on their way"
        assert told["events"] == told["on_topic"]

    async def test_its_audit_is_verified_and_tells_who_saw_a_patient(self, day: Played) -> None:
        def said(*arguments: str) -> tuple[int, str]:
            told = ("-m", "ops.cli", "audit", *arguments, "--data", str(day.data))
            with python(*told) as process:
                words, _ = process.communicate(timeout=60)
            return process.returncode, words

        code, words = said("verify")
        assert code == 0, words
        assert "seals hold" in words
        (one,) = await day.by_sql(
            "patients",
            "SELECT id::text, network_id::text AS network FROM patients ORDER BY id LIMIT 1",
        )
        code, words = said("who-saw", one["id"], "--network", one["network"])
        assert code == 0, words
        assert "register_patient" in words
        assert "patients " in words
        code, words = said("who-saw", one["network"], "--network", one["network"])
        assert code == 1
        assert "Nobody" in words
        (row,) = await day.by_sql(
            "patients",
            "UPDATE audit SET actor = 'person/nobody' WHERE id = (SELECT id FROM audit"
            " ORDER BY xid, id LIMIT 1) RETURNING id",
        )
        code, words = said("verify")
        assert code == 1
        assert f"row {row['id']} of seal 1 was altered" in words

    async def test_an_event_that_is_not_on_its_topic_is_named(self, day: Played) -> None:
        (row,) = await day.by_sql(
            "appointments",
            "SELECT network_id, event_id::text, subject, subject_seq, key FROM outbox"
            " WHERE topic = $1 AND subject_seq = 2 ORDER BY id LIMIT 1",
            TOPIC,
        )
        (gone,) = await day.by_sql(
            "bus",
            "DELETE FROM log_record WHERE key = $1 AND headers LIKE '%' || $2 || '%'"
            " RETURNING row_to_json(log_record)::text",
            row["key"],
            row["event_id"],
        )
        named = await day.named()
        back = "INSERT INTO log_record SELECT * FROM json_populate_record(NULL::log_record, $1)"
        await day.by_sql("bus", back, gone[0])
        assert named == [("missing", "appointments", row["subject"], 2, row["event_id"])]
        assert await day.named() == []

    async def test_a_stranger_on_a_topic_is_named(self, day: Played) -> None:
        """It looks like an event in all; in no outbox is it. Subscribers take it at its word."""
        (row,) = await day.by_sql(
            "appointments",
            "SELECT headers, key, subject, event_id::text, value FROM outbox"
            " WHERE topic = $1 AND subject_seq = 1 ORDER BY id LIMIT 1",
            TOPIC,
        )
        key, event_id = str(new_id()), str(new_id())
        flat = [h.replace(row["key"], key).replace(row["event_id"], event_id)
                for h in row["headers"]]  # fmt: skip
        foreign = Message(
            TOPIC, key, partition_of(key), tuple(zip(flat[::2], flat[1::2], strict=True)), b"{}"
        )
        bus = bus_of(variables_of(day.data))
        (offset,) = await bus.append(Producer("stranger", 1), [foreign])
        await bus.close()
        subject = f"appointment/{key}"
        named = await day.named()
        assert ("foreign", "appointments", subject, 1, event_id) in named
        # Its data cannot be read, so it is parked by all who hear of it, once they come to it.
        rest = {n for n in named if n[0] != "foreign"}
        assert rest <= {("parked", service, subject, None, None) for service in HEARERS}
        for service in HEARERS:
            await _until_parked(day, service, subject)
        named = await day.named()
        assert {n[:3] for n in named} == {
            ("foreign", "appointments", subject),
            *(("parked", service, subject) for service in HEARERS),
        }
        for service in HEARERS:
            for table in ("parked_event", "parked_key", "applied"):
                await day.by_sql(service, f"DELETE FROM {table} WHERE subject = $1", subject)
        await day.by_sql(
            "bus", 'DELETE FROM log_record WHERE key = $1 AND "offset" = $2', key, offset
        )
        assert await day.named() == []

    async def test_a_record_that_names_no_subject_is_named_by_its_place(self, day: Played) -> None:
        bus = bus_of(variables_of(day.data))
        (offset,) = await bus.append(
            Producer("stranger", 2), [Message(TOPIC, "?", 0, (("x", "y"),), b"secret")]
        )
        await bus.close()
        found = await day.audit()
        foreign = [p for p in found.problems.found if p.kind == "foreign"]
        assert [(p.subject, p.seq, p.event_id) for p in foreign] == [("(no subject)", None, None)]
        assert f"{TOPIC}/0 offset {offset}" in foreign[0].text
        assert "secret" not in "\n".join(lines_of(found, as_dict(found, 1.0)))
        for service in HEARERS:
            async with asyncio.timeout(60):
                while not await day.by_sql(service, "DELETE FROM unreadable RETURNING 1"):
                    await asyncio.sleep(0.1)
        await day.by_sql("bus", "DELETE FROM log_record WHERE key = '?'")
        assert await day.named() == []

    @pytest.mark.parametrize("service", HEARERS)
    async def test_an_event_that_a_subscriber_passed_over_is_named(
        self, day: Played, service: str
    ) -> None:
        (row,) = await day.by_sql(
            "appointments",
            "SELECT event_id::text, subject, subject_seq FROM outbox WHERE topic = $1"
            " ORDER BY subject, subject_seq DESC LIMIT 1",
            TOPIC,
        )
        change = "UPDATE applied SET seq = seq + $3 WHERE topic = $1 AND subject = $2"
        await day.by_sql(service, change, TOPIC, row["subject"], -1)
        named = await day.named()
        await day.by_sql(service, change, TOPIC, row["subject"], 1)
        assert named == [
            ("not_applied", service, row["subject"], row["subject_seq"], row["event_id"])
        ]

    async def test_what_was_heard_and_never_said_is_named(self, day: Played) -> None:
        change = "UPDATE applied SET seq = seq + $1 WHERE subject = $2"
        ((subject, seq),) = await day.by_sql(
            "payments", "SELECT subject, seq FROM applied WHERE topic = $1 LIMIT 1", TOPIC
        )
        await day.by_sql("payments", change, 1, subject)
        named = await day.named()
        await day.by_sql("payments", change, -1, subject)
        assert named == [("applied_unsaid", "payments", subject, seq + 1, None)]

    async def test_a_change_that_was_not_said_is_named(self, day: Played) -> None:
        """The row of the aggregate counts its events."""
        change = "UPDATE appointments SET event_seq = event_seq + $1 WHERE id = $2"
        ((key,),) = await day.by_sql("appointments", "SELECT id FROM appointments LIMIT 1")
        await day.by_sql("appointments", change, 1, key)
        named = await day.named()
        await day.by_sql("appointments", change, -1, key)
        assert named == [("owner_differs", "appointments", f"appointment/{key}", None, None)]

    async def test_an_outbox_row_that_is_gone_is_named_everywhere(self, day: Played) -> None:
        (row,) = await day.by_sql(
            "appointments",
            "DELETE FROM outbox WHERE event_id = (SELECT event_id FROM outbox WHERE topic = $1"
            " AND subject_seq = 1 ORDER BY id LIMIT 1) RETURNING row_to_json(outbox)::text,"
            " subject, event_id::text",
            TOPIC,
        )
        kinds = {(kind, seq) for kind, _, subject, seq, _ in await day.named()
                 if subject == row["subject"]}  # fmt: skip
        back = "INSERT INTO outbox SELECT * FROM json_populate_record(NULL::outbox, $1)"
        await day.by_sql("appointments", back, row[0])
        assert ("hole", 1) in kinds
        assert ("another_event", 1) in kinds
        assert await day.named() == []

    async def test_a_doubled_effect_is_named(self, day: Played) -> None:
        twice = (
            "INSERT INTO known_visits SELECT (json_populate_record(v, json_build_object("
            "'appointment_id', gen_random_uuid()))).* FROM known_visits v LIMIT 1"
            " RETURNING appointment_id"
        )
        (row,) = await day.by_sql("documents", twice)
        found = await day.audit()
        forget = "DELETE FROM known_visits WHERE appointment_id = $1"
        await day.by_sql("documents", forget, row["appointment_id"])
        (problem,) = found.problems.found
        assert (problem.kind, problem.service) == ("effect", "documents")
        assert "visits booked and known" in problem.text

    async def test_a_key_that_is_parked_is_named(self, day: Played) -> None:
        ((subject,),) = await day.by_sql(
            "payments",
            "INSERT INTO parked_key (network_id, topic, subject, kind, problem)"
            " SELECT network_id, topic, subject, 'poison', 'planted' FROM applied LIMIT 1"
            " RETURNING subject",
        )
        with python("-m", "ops.cli", "audit-bus", "--data", str(day.data)) as process:
            said, _ = process.communicate(timeout=60)
        await day.by_sql("payments", "DELETE FROM parked_key WHERE problem = 'planted'")
        assert process.returncode == 1
        assert f"EXCEPTION parked: payments: {subject}: poison, planted: 0 of " in said

    async def test_an_event_that_is_sent_again_is_told_and_no_exception(self, day: Played) -> None:
        (row,) = await day.by_sql(
            "appointments",
            "SELECT headers, key, partition, value FROM outbox WHERE topic = $1 LIMIT 1",
            TOPIC,
        )
        flat = row["headers"]
        again = Message(
            TOPIC,
            row["key"],
            row["partition"],
            tuple(zip(flat[::2], flat[1::2], strict=True)),
            row["value"],
        )
        bus = bus_of(variables_of(day.data))
        await bus.append(Producer("stranger", 3), [again])
        await bus.close()
        found = await day.audit("appointments")
        assert found.problems.found == []
        assert found.total("doubled") == 1
        assert "1 records are on a topic again" in "\n".join(lines_of(found, as_dict(found, 1.0)))

    async def test_a_database_that_is_away_ends_with_2(
        self, day: Played, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CLINICBUS_POSTGRES_URL", "postgresql://x@127.0.0.1:1/postgres")
        with python("-m", "ops.cli", "audit-bus", "--data", str(day.data)) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 2
        assert said.startswith("It cannot be read (ConnectionRefusedError)")

    async def test_the_event_monitor_of_this_system_shows_its_day(self, day: Played) -> None:
        """The command itself, on what is there."""
        ((network, subject, partition),) = await day.by_sql(
            "appointments",
            "SELECT network_id, subject, partition FROM outbox WHERE topic = $1"
            " ORDER BY id LIMIT 1",
            TOPIC,
        )
        port = str(Ports.free().of["kafka"])
        words = ("-m", "ops.cli", "monitor", "--data", str(day.data), "--port", port)
        with python(*words) as process:
            read_until(process, "It asks for a token")
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(timeout=30) as http:
                await _until_served(http, url)
                headers = {
                    role: {"Authorization": f"Bearer {day.system.token(role, network)}"}
                    for role in ("ops", "auditor")
                }
                state = await http.get(f"{url}/state", headers=headers["ops"])
                line = await http.get(f"{url}/subjects/{subject}", headers=headers["ops"])
                place = f"{url}/events/{TOPIC}/{partition}/0"
                hidden = await http.get(place, headers=headers["ops"])
                shown = await http.get(place, headers=headers["auditor"])
            last = await take(3, url, headers["ops"], last=3)
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 30) in (0, 130, -signal.SIGINT)
        services = {one["service"]: one for one in state.json()["services"]}
        assert list(services) == list(SERVICES)
        for one in services.values():
            assert (one["ready"], one["database"], one["relay"]["led"]) == (True, "ok", True)
            assert one["relay"]["unsent"] == 0
            assert sum(topic["events"] for topic in one["lag"]) == 0
        told = [e["what"] for e in line.json()["entries"] if e["kind"] == "event"]
        assert told[0] == "clinicbus.appointments.appointment.booked.v1"
        assert line.json()["away"] == []
        assert (hidden.status_code, shown.status_code) == (403, 200)
        assert UUID(shown.json()["value"]["appointment_id"])
        looks = "SELECT resource FROM audit WHERE action = 'read_event_value'"
        assert [r["resource"] for r in await day.by_sql("appointments", looks)] == [
            f"event/{shown.json()['id']}"
        ]
        assert {sent.data["network"] for sent in last} == {str(network)}


async def _until_served(http: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await http.get(url)
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return


async def _until_parked(day: Played, service: str, subject: str) -> None:
    async with asyncio.timeout(60):
        while not await day.by_sql(service, "SELECT 1 FROM parked_key WHERE subject = $1", subject):
            await asyncio.sleep(0.1)


NET, NAME = "n", "thing/1"


def ids(*numbers: int) -> list[str]:
    return [f"00000000-0000-7000-8000-{number:012d}" for number in numbers]


def ledger_of(
    *said: int, waits: int | None = None, applied: int = 0, offset: int = 0, parked: bool = False
) -> TopicLedger:
    """A ledger in which one subject has said these numbers."""
    heard = Heard("ear", {NAME: applied}, {NAME: "poison"} if parked else {}, {0: offset})
    ledger = TopicLedger("mouth", "t", [heard], {0: 100}, Problems())
    for seq in said:
        tail = 0x8000 << 48 | int(str(seq), 16)
        ledger.say(NET, NAME, seq, tail, waits=waits is not None and seq >= waits)
    return ledger


def see(ledger: TopicLedger, *numbers: int) -> list[tuple[str, int | None]]:
    """The topic has these, from offset 0; what is wrong in the end."""
    for offset, seq in enumerate(numbers):
        ledger.see(Seen(0, offset, ids(seq)[0], NET, NAME, seq))
    ledger.end()
    return [(p.kind, p.seq) for p in ledger.problems.found]


@pytest.mark.parametrize(
    ("ledger", "topic", "wrong"),
    [
        pytest.param(lambda: ledger_of(1, 2, applied=2), (1, 2), [], id="all-well"),
        pytest.param(lambda: ledger_of(1, 2, applied=2), (1, 2, 1), [], id="sent-again"),
        pytest.param(lambda: ledger_of(1, 2, waits=2, applied=1), (1,), [], id="waits-for-relay"),
        pytest.param(lambda: ledger_of(1, 2, applied=1, offset=1), (1, 2), [], id="on-its-way"),
        pytest.param(
            lambda: ledger_of(1, 2, applied=1, offset=2, parked=True), (1, 2), [], id="parked"
        ),
        pytest.param(
            lambda: ledger_of(1, 2, applied=1, offset=2), (1, 2), [("not_applied", 2)], id="lost"
        ),
        pytest.param(lambda: ledger_of(1, 2, applied=2), (1,), [("missing", 2)], id="never-sent"),
        pytest.param(
            lambda: ledger_of(1, 2, 3, applied=3), (1, 3), [("missing", 2)], id="left-out"
        ),
        pytest.param(
            lambda: ledger_of(1, 2, 3, applied=3), (1, 3, 2), [("out_of_order", 2)], id="late"
        ),
        pytest.param(lambda: ledger_of(1, 3, applied=3), (1, 3), [("hole", 2)], id="hole"),
        pytest.param(
            lambda: ledger_of(1, 1, applied=1), (1,), [("said_twice", 1)], id="said-twice"
        ),
        pytest.param(lambda: ledger_of(1, applied=1), (1, 2), [("foreign", 2)], id="stranger"),
        pytest.param(
            lambda: ledger_of(1, applied=2), (1,), [("applied_unsaid", 2)], id="heard-unsaid"
        ),
    ],
)
def test_the_rules(
    ledger: Callable[[], TopicLedger], topic: tuple[int, ...], wrong: list[tuple[str, int | None]]
) -> None:
    assert see(ledger(), *topic) == wrong


@pytest.mark.parametrize("service", SERVICES)
def test_every_aggregate_has_its_table(service: str) -> None:
    tables = importlib.import_module(f"services.{service}.tables").metadata.tables
    found = {table_of(event.aggregate) for event in PRODUCERS[service] if not event.expected}
    assert found
    assert found <= {name for name, table in tables.items() if "event_seq" in table.columns}


def test_what_is_older_than_the_outbox_is_counted_and_not_compared() -> None:
    heard = Heard("ear", {NAME: 3, "thing/gone": 7}, {}, {0: 10})
    ledger = TopicLedger("mouth", "t", [heard], {0: 100}, Problems(), archived=True)
    ledger.say(NET, NAME, 3, tail_of(ids(3)[0]), waits=False)
    ledger.own(NAME, 3)
    ledger.own("thing/gone", 7)
    ledger.see(Seen(0, 0, ids(9)[0], NET, "thing/gone", 7))
    assert see(ledger, 1, 2, 3) == []
    assert ledger.counts["archived"] == 3
    assert ledger.counts["on_topic"] == 1


async def test_a_database_knows_that_days_of_its_outbox_were_dropped(
    environment: dict[str, str], postgres_superuser_url: str
) -> None:
    async with opened(postgres_superuser_url, "patients") as connection:
        assert await connection.fetchval(_DROPPED) is False
        async with _undone(connection):
            for day in await connection.fetch(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent ="
                " 'outbox'::regclass ORDER BY 1 LIMIT 2"
            ):
                await connection.execute(f"DROP TABLE {day[0]}")
            assert await connection.fetchval(_DROPPED) is True


@asynccontextmanager
async def _undone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def test_a_number_with_another_event_is_no_repeat() -> None:
    ledger = ledger_of(1, applied=1)
    ledger.see(Seen(0, 0, ids(7)[0], NET, NAME, 1))
    (problem,) = ledger.problems.found
    assert (problem.kind, problem.event_id) == ("another_event", ids(7)[0])


def test_a_subject_of_another_network_is_a_stranger() -> None:
    ledger = ledger_of(1, applied=1)
    ledger.see(Seen(0, 0, ids(1)[0], "other", NAME, 1))
    assert [p.kind for p in ledger.problems.found] == ["foreign"]


def test_what_was_said_after_it_began_is_not_judged() -> None:
    ledger = ledger_of(1, applied=1)
    ledger.see(Seen(0, 100, ids(2)[0], NET, NAME, 2))
    assert ledger.problems.found == []
    assert ledger.counts["new"] == 1


def test_exceptions_without_end_are_counted_and_not_kept() -> None:
    problems = Problems()
    for number in range(PROBLEMS_MAX + 5):
        problems.add(Problem("foreign", "s", f"thing/{number}"))
    assert (len(problems.found), problems.count) == (PROBLEMS_MAX, PROBLEMS_MAX + 5)


def test_a_record_whose_key_is_not_its_subject_names_none() -> None:
    assert seen_of(Record(TOPIC, 0, 5, None, (("ce_id", "x"),), b"")) == Seen(0, 5)
