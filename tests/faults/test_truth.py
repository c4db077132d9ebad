"""The checker itself: each of its checks is seen to fail on a violation that is planted for it.

What is planted is planted in databases; the reading of both buses is shown by every scenario.
"""

import base64
from dataclasses import replace
from typing import Any

import pytest

from ops.day.databases import opened
from shared.contracts.envelope import PARTITIONS
from shared.values.ids import new_id
from tests.faults import truth
from tests.faults.bus.lengths import within
from tests.faults.buses import ON_POSTGRES
from tests.faults.town import Town, at_once, utc
from tests.faults.truth import Told

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    within(240),
    pytest.mark.first,
]

TWICE = "nothing is booked twice"
LEDGER = "the ledger sums to zero"
APPLIED = "every event is applied once by every subscriber"
EFFECTS = "every effect is there once"
KEPT = "what was acknowledged is kept"
TOPIC = "outbox and topics are one"
SAID = "what was applied was said"
FOLD = "projections are the fold of the log"
NETWORKS = "nothing is across networks"
AUDIT = "the audit is complete"
LAG = "lag is zero"
OUTSIDE = "no identifier is outside the stores"
BOUNDED = "memory and connections are bounded"
ALL = {
    *(TWICE, LEDGER, APPLIED, EFFECTS, KEPT, TOPIC, SAID, FOLD, NETWORKS, AUDIT, LAG),
    *(OUTSIDE, BOUNDED),
}


async def only_broken(town: Town, expected: set[str]) -> None:
    """These checks do not hold now, and all others do."""
    found = await truth.look(town.system, town.witness)
    problems = {check.name: check.problems[:3] for check in found if check.problems}
    assert problems.keys() == expected, problems


async def by_sql(town: Town, service: str, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    """Run a statement as nobody may: past every trigger and foreign key."""
    async with opened(town.system.superuser_url, service) as connection:
        await connection.execute("SET session_replication_role = replica")
        return [dict(row) for row in await connection.fetch(statement, *arguments)]


async def visits(town: Town) -> None:
    """A few visits, a payment and a read, so that every check has something to look at."""
    await at_once(4, [town.book(body) for body in await town.bookings(utc(28, 17), 4)])
    patients = await town.people()
    wanted = {
        "patient_id": patients[0],
        "clinic_id": town.facts["clinics"][0],
        "method": "check",
        "amount_cents": 1_000,
        "check_number": "1001",
    }
    for _ in range(2):  # so that one subject has two events
        paid = await town.insist("front_desk", "payments", "/v1/payments", wanted)
        assert paid.status_code == 201, paid.text
        await town.get("front_desk", "payments", f"/v1/payments/{paid.json()['id']}")


@ON_POSTGRES
async def test_all_holds_and_every_check_saw_something(town: Town) -> None:
    await visits(town)
    found = await town.whole()
    assert {check.name for check in found} == ALL
    assert [check.name for check in found if not check.counted] == []


_CHANGES: dict[str, tuple[str, str, str, set[str]]] = {
    "a provider taken twice": (
        "appointments",
        "INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane, starts_at,"
        " ends_at, appointment_id, active) SELECT gen_random_uuid(), network_id, resource_kind,"
        " resource_id, lane + 1, starts_at, ends_at, appointment_id, true FROM occupancies"
        " WHERE active AND resource_kind = 'provider' LIMIT 1 RETURNING id",
        "DELETE FROM occupancies WHERE id = $1",
        {TWICE},
    ),
    "a leg of the ledger that grew": (
        "payments",
        "UPDATE ledger_lines SET cents = cents + 1 WHERE (entry_id, line) = (SELECT entry_id, line"
        " FROM ledger_lines LIMIT 1) RETURNING entry_id, line",
        "UPDATE ledger_lines SET cents = cents - 1 WHERE entry_id = $1 AND line = $2",
        {LEDGER},
    ),
    "a subject heard too little": (
        "payments",
        "UPDATE applied SET seq = seq - 1 WHERE (topic, subject) = (SELECT topic, subject"
        " FROM applied LIMIT 1) RETURNING topic, subject",
        "UPDATE applied SET seq = seq + 1 WHERE topic = $1 AND subject = $2",
        {APPLIED, SAID},
    ),
    "another event heard than was said": (
        "documents",
        "UPDATE applied SET event_id = gen_random_uuid() WHERE (topic, subject) = (SELECT topic,"
        " subject FROM applied WHERE event_id IS NOT NULL LIMIT 1) RETURNING topic, subject",
        "UPDATE applied SET event_id = NULL WHERE topic = $1 AND subject = $2",
        {SAID},
    ),
    "a key that is parked": (
        "patients",
        "INSERT INTO parked_key (network_id, topic, subject, kind, problem) SELECT network_id,"
        " topic, subject, 'poison', 'planted' FROM applied LIMIT 1 RETURNING topic, subject",
        "DELETE FROM parked_key WHERE topic = $1 AND subject = $2",
        {APPLIED},
    ),
    "a balance that no event gave": (
        "documents",
        "UPDATE known_patients SET balance_cents = balance_cents + 1 WHERE patient_id = (SELECT"
        " patient_id FROM known_patients LIMIT 1) RETURNING patient_id",
        "UPDATE known_patients SET balance_cents = balance_cents - 1 WHERE patient_id = $1",
        {FOLD},
    ),
    "a visit at another time than was said": (
        "eligibility",
        "UPDATE known_visits SET starts_at = starts_at + interval '1 s' WHERE appointment_id ="
        " (SELECT appointment_id FROM known_visits LIMIT 1) RETURNING appointment_id",
        "UPDATE known_visits SET starts_at = starts_at - interval '1 s' WHERE appointment_id = $1",
        {FOLD},
    ),
    "a patient known without an event": (
        "eligibility",
        "INSERT INTO known_patients SELECT network_id, gen_random_uuid(), registered_at"
        " FROM known_patients LIMIT 1 RETURNING patient_id",
        "DELETE FROM known_patients WHERE patient_id = $1",
        {EFFECTS, FOLD},
    ),
    "a row of another network": (
        "patients",
        "INSERT INTO known_clinics VALUES (gen_random_uuid(), gen_random_uuid(), 'UTC')"
        " RETURNING clinic_id",
        "DELETE FROM known_clinics WHERE clinic_id = $1",
        {NETWORKS},
    ),
    "a subscriber short of the end": (
        "payments",
        "UPDATE bus_offset SET next_offset = -next_offset WHERE (topic, partition) = (SELECT topic,"
        " partition FROM bus_offset WHERE topic LIKE '%patients%' AND next_offset > 0 LIMIT 1)"
        " RETURNING topic, partition",
        "UPDATE bus_offset SET next_offset = -next_offset WHERE topic = $1 AND partition = $2",
        {LAG},
    ),
    "a value on a topic that was said otherwise": (
        "bus",
        "UPDATE log_record SET value = value || ' ' WHERE (topic_id, partition, \"offset\") ="
        ' (SELECT topic_id, partition, "offset" FROM log_record LIMIT 1)'
        ' RETURNING topic_id, partition, "offset"',
        "UPDATE log_record SET value = substr(value, 1, length(value) - 1)"
        ' WHERE topic_id = $1 AND partition = $2 AND "offset" = $3',
        {TOPIC},
    ),
    "an event that was never sent": (
        "payments",
        "UPDATE relay_lease SET cursor_id = cursor_id - 1 RETURNING 1 AS one",
        "UPDATE relay_lease SET cursor_id = cursor_id + $1",
        {LAG},
    ),
}
"""Where, what is planted, how it is taken back by what the planting returned, what must see it."""


@ON_POSTGRES
@pytest.mark.parametrize("what", list(_CHANGES))
async def test_what_is_planted_in_a_database_is_found_by_the_right_check(
    town: Town, what: str
) -> None:
    service, change, back, expected = _CHANGES[what]
    (row,) = await by_sql(town, service, change)
    try:
        await only_broken(town, expected)
    finally:
        await by_sql(town, service, back, *row.values())


@ON_POSTGRES
async def test_an_event_that_left_its_topic_is_missed(town: Town) -> None:
    # One that no earlier fault sent twice. Of more than there are partitions, one is not the last.
    await town.register(PARTITIONS + 1, "Missed")
    await town.settled()
    gone = (
        'DELETE FROM log_record WHERE (topic_id, partition, "offset") ='
        ' (SELECT topic_id, partition, l."offset" FROM log_record l JOIN log_partition p'
        " USING (topic_id, partition) WHERE headers LIKE '%registered.v1%'"
        ' AND l."offset" < p.next_offset - 1'
        " AND NOT EXISTS (SELECT 1 FROM log_record k WHERE k.topic_id = l.topic_id"
        ' AND k.partition = l.partition AND k.key = l.key AND k."offset" <> l."offset"'
        " AND k.headers = l.headers) LIMIT 1)"
        " RETURNING row_to_json(log_record)::text AS row"
    )
    (lost,) = await by_sql(town, "bus", gone)
    # What a service keeps of it is now more than the log says.
    await only_broken(town, {TOPIC, FOLD})
    back = "INSERT INTO log_record SELECT * FROM json_populate_record(NULL::log_record, $1)"
    await by_sql(town, "bus", back, lost["row"])


@ON_POSTGRES
async def test_events_out_of_order_are_seen_and_those_sent_twice_are_fine(
    town: Town,
) -> None:
    bus = truth.bus_of(town.system)
    try:
        ground = await truth.ground_of(town.system.superuser_url, bus)
    finally:
        await bus.close()
    assert truth.outbox_is_topic(ground).problems == []
    twice = replace(ground, records=[*ground.records, *ground.records])
    assert truth.outbox_is_topic(twice).problems == []
    backwards = replace(ground, records=ground.records[::-1])
    assert any("was sent after" in text for text in truth.outbox_is_topic(backwards).problems)
    said = ground.records[0]
    forged = tuple((k, str(new_id()) if k == "ce_id" else v) for k, v in said.headers)
    more = replace(ground, records=[*ground.records, replace(said, headers=forged)])
    (problem,) = truth.outbox_is_topic(more).problems
    assert problem.endswith("which nobody said")


@ON_POSTGRES
async def test_an_answer_that_the_stores_do_not_bear_out_is_seen(town: Town) -> None:
    told = next(t for t in town.witness.told if t.path == "/v1/appointments")
    answers = town.witness.answers
    try:
        town.witness.answers = answers | {("made", "up"): replace(told, key="never-kept")}
        # Its audit row is there: it is the true one's.
        await only_broken(town, {KEPT})
        town.witness.answers = answers | {("made", "up"): replace(told, body=told.body + b" ")}
        await only_broken(town, {KEPT})
        town.witness.answers = answers | {("made", "up"): replace(told, id=str(new_id()))}
        await only_broken(town, {KEPT})
        town.witness.answers = answers | {("made", "up"): replace(told, flow=new_id())}
        await only_broken(town, {AUDIT})
        town.witness.answers = answers | {("a", "read"): Told("patients", "/v1/clinics", new_id())}
        await only_broken(town, {AUDIT})
    finally:
        town.witness.answers = answers


@ON_POSTGRES
async def test_an_audit_row_that_is_there_twice_is_seen(town: Town) -> None:
    told = town.witness.told[0]
    again = (
        "INSERT INTO audit SELECT (json_populate_record(a, json_build_object('id',"
        " gen_random_uuid()))).* FROM audit a WHERE correlation_id = $1 RETURNING id"
    )
    (row,) = await by_sql(town, told.service, again, told.flow)
    await only_broken(town, {AUDIT})
    await by_sql(town, told.service, "DELETE FROM audit WHERE id = $1", row["id"])


@ON_POSTGRES
async def test_an_identifier_in_a_log_is_seen_in_whatever_dress(town: Town) -> None:
    name = next(text for text in sorted(town.witness.identifiers) if text.startswith("Town-"))
    for dressed in (
        name,
        name.replace(" ", "%20"),
        base64.b64encode(f"{name} and more".encode()).decode(),
        name.encode().hex(),
    ):
        (problem,) = truth.no_identifier_outside(town.witness, {"x": f"x{dressed}x"}).problems
        assert problem.startswith("x has an identifier")
    log = town.system.layout.log / "planted.log"
    log.write_text(f"x{name}x")
    try:
        await only_broken(town, {OUTSIDE})
    finally:
        log.unlink()


@ON_POSTGRES
async def test_an_identifier_in_a_held_event_or_on_a_topic_is_seen(town: Town) -> None:
    name = next(text for text in sorted(town.witness.identifiers) if text.startswith("Town-"))
    kept = (
        "INSERT INTO unreadable VALUES ('none', 'none', 0, 0, NULL, '{}', $1, 'planted')"
        " RETURNING 'planted' AS reason"
    )
    await by_sql(town, "payments", kept, name.encode())
    await only_broken(town, {OUTSIDE, APPLIED})
    await by_sql(town, "payments", "DELETE FROM unreadable WHERE reason = 'planted'")
    key = (
        'UPDATE log_record SET key = $1 WHERE (topic_id, partition, "offset") = (SELECT topic_id,'
        ' partition, "offset" FROM log_record LIMIT 1)'
        ' RETURNING (SELECT o.key FROM log_record o WHERE (o.topic_id, o.partition, o."offset") ='
        ' (log_record.topic_id, log_record.partition, log_record."offset")) AS was'
    )
    (row,) = await by_sql(town, "bus", key, name)
    await only_broken(town, {OUTSIDE, TOPIC})
    await by_sql(town, "bus", "UPDATE log_record SET key = $2 WHERE key = $1", name, row["was"])


@ON_POSTGRES
@pytest.mark.parametrize(
    "left", ["BEGIN; SELECT 1", "SELECT pg_advisory_lock(4711)"], ids=["silent", "holding"]
)
async def test_a_session_that_was_forgotten_is_seen(
    town: Town, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth, "SILENT_SECONDS", 0.0)
    async with opened(town.system.superuser_url, "payments") as connection:
        await connection.execute(left)
        await only_broken(town, {BOUNDED})


@ON_POSTGRES
@pytest.mark.parametrize("bound", ["RSS_BYTES_MAX", "FILES_MAX", "CONNECTIONS_MAX"])
async def test_what_takes_too_much_is_seen(
    town: Town, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(truth, bound, 1)
        await only_broken(town, {BOUNDED})
    await only_broken(town, set())
