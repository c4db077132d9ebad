"""Across subjects no order is promised: whatever order a service hears a played day in, and however
often, it ends in the same state. Only the order of each subject is kept, as the bus keeps it."""

import importlib
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from math import factorial, prod
from random import Random
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
import pytest_asyncio

from ops.day.databases import opened
from ops.layout import CHECKOUT
from ops.payer_simulator.app import PayerSimulator
from services.appointments.schemas.reminders import CODE
from services.eligibility.clients import HttpPayer
from services.eligibility.errands import errands
from services.eligibility.timers import TIMERS
from shared.bus.consumer_actions import Apply
from shared.bus.delivery import batch_of
from shared.bus.port import Record
from shared.bus.projections import Projections
from shared.db.errands import claim, run_one
from shared.db.provision import SERVICES
from shared.db.timers import fire_due
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from tests.journeys.clinic import Clinic, denver
from tests.journeys.conftest import Ground
from tests.journeys.house import PAYER, House, house_of
from tests.journeys.played import played
from tests.journeys.replay import (
    LATEST,
    Listener,
    expected_of,
    interleavings,
    listener,
    recorded,
    shuffled,
    told_in,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEDS = range(200 if os.environ.get("FULL") == "1" else 15)

NOT_STATE = {"network_id", "heard_event"}
"""Besides what a projection leaves apart: each network is told the day under ids of its own."""


def heard_tables(name: str) -> dict[str, str]:
    """What a service keeps of others: the columns of its projections, by table."""
    tables = importlib.import_module(f"services.{name}.tables").metadata.tables
    found = {}
    for each in projections_of(name).values():
        apart = NOT_STATE | each.apart | each.counted.keys()
        for table in each.tables if each.refused is None else ():
            columns = [column.name for column in tables[table].columns]
            found[table] = ", ".join(column for column in columns if column not in apart)
    return found


def projections_of(name: str) -> Projections:
    """What a service declares."""
    found: Projections = importlib.import_module(f"services.{name}.handlers").PROJECTIONS
    return found


HEARD = {name: heard_tables(name) for name in SERVICES}
# What a service makes of it. When a packet is due depends on what was heard, not on its order; a
# verdict and an estimate too, but not how often they were worked out on the way.
MADE = {
    "documents": {
        "chart_packets": "appointment_id, state, revision",
        "timer": "kind, subject_id, due_at, ended_at IS NULL AS waits",
    },
    "eligibility": {
        "visit_covers": "appointment_id, verdict, reason, coverage_id",
        "(SELECT DISTINCT ON (network_id, appointment_id) * FROM estimate_revisions ORDER BY"
        " network_id, appointment_id, revision DESC) last": "appointment_id, service_code, fee_id,"
        " verdict, verdict_reason, fee_cents, patient_cents, copay_cents, low_cents, high_cents",
        "checks": "DISTINCT coverage_id, service_date, state, reason",
    },
}


@dataclass(slots=True)
class Day:
    """A day that was played, all that was said on it, and when it ended."""

    network_id: UUID
    records: list[Record]
    clock: FixedClock


async def busy_day(house: House) -> UUID:
    """Somebody is seen, somebody moved, one calls off, one does not come, a cover ends, of one the
    payer says nothing that can be read, a price changes, somebody may act for one and then not."""
    clinic = await Clinic(house).open()
    seen = await played(clinic)
    # Whoever stops messages chooses anew what they may come by.
    webhook = house.office.desk("appointments", clinic.network_id, "service", sub="webhook")
    stop = {"code": CODE, "text": "Stop"}
    assert (await webhook.post("/v1/reminders/replies", stop)).status_code == 200
    await house.later(clinic.network_id)
    wish = {"channels": ["email"], "time_zone": "America/Denver"}
    path = f"/v1/patients/{seen['patient_id']}/message-preference"
    assert (await clinic.person("dana", "patients").put(path, wish)).status_code == 200
    families = ("Hoang", "Ibrahim", "Rossi", "Tamm")
    moved, off, gone, unclear = [await clinic.register(family) for family in families]
    await house.settled(clinic.network_id)
    coverage = await clinic.cover(moved, "INA100200")
    visit = await clinic.book(moved, denver(6, 10))
    # Less than a day ahead: from now on every change makes its packet due anew.
    body = {"starts_at": denver(6, 9).isoformat(), "reason": "clinic_request"}
    path = f"/v1/appointments/{visit['id']}/reschedule"
    await house.later(clinic.network_id)
    await clinic.does("dana", "appointments", path, body, version=1)
    await clinic.consent(moved)
    await house.later(clinic.network_id)
    await clinic.verify(moved)
    path = f"/v1/patients/{moved}/consents"
    given = (await clinic.sees("dana", "patients", path))["items"]
    await clinic.does("dana", "patients", f"{path}/{given[0]['id']}/revoke")
    path = f"/v1/patients/{moved}/proxies"
    acts = {"proxy_subject": "a-son", "authority": "patient_permission", "scope": ["patient:read"]}
    proxy = await clinic.does("dana", "patients", path, acts)
    await clinic.does("dana", "patients", f"{path}/{proxy['id']}/end", {"reason": "other"})
    visit = await clinic.book(off, denver(6, 11))
    await house.later(clinic.network_id)
    path = f"/v1/appointments/{visit['id']}"
    await clinic.does("dana", "appointments", f"{path}/confirm")
    version = (await clinic.visit(visit["id"]))["version"]
    reason = {"reason": "patient_ill"}
    await clinic.does("dana", "appointments", f"{path}/cancel", reason, version=version)
    given_up = (await clinic.book(gone, denver(5, 11)))["id"]
    path, ends = f"/v1/coverages/{coverage}/terminate", {"effective_to": "2026-12-31"}
    await clinic.does("dana", "eligibility", path, ends, version=1)
    await clinic.cover(unclear, "TRU100200")
    await clinic.book(unclear, denver(6, 14))
    price = {"code": "V-NEW", "amount_cents": 26_000, "effective_from": "2026-11-06"}
    await clinic.does("bo", "payments", "/v1/fees", {"clinic_id": clinic.clinic_id, **price})
    await house.settled(clinic.network_id)
    house.clock.at = denver(5, 11, 30)
    await house.settled(clinic.network_id)
    # Who was given up comes late, waits too long, and was somebody else.
    house.clock.at = denver(5, 11, 35)
    path = f"/v1/appointments/{given_up}"
    await clinic.does("dana", "appointments", f"{path}/came-late")
    house.clock.at = denver(5, 11, 55)
    await house.settled(clinic.network_id)
    reason = {"reason": "It was their sister."}
    await clinic.does("dana", "appointments", f"{path}/undo-arrival", reason)
    never = (await clinic.book(gone, denver(6, 16)))["id"]
    await house.settled(clinic.network_id)
    path = f"/v1/appointments/{never}/enter-in-error"
    await clinic.does("ada", "appointments", path, reason)
    house.clock.at = denver(5, 18)
    await house.settled(clinic.network_id)
    assert (await clinic.visit(seen["appointment_id"]))["lifecycle"] == "fulfilled"
    return clinic.network_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day(ground: Ground) -> Day:
    """Played once; then the services stop: nobody but the listeners works on what follows."""
    async with house_of(ground.superuser_url, ground.environment, ground.folder) as house:
        network_id = await busy_day(house)
        records = await recorded(house, network_id)
        records += expected_of(network_id, records)
        assert len({record.topic for record in records}) > 9
        return Day(network_id, records, house.clock)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listeners(ground: Ground, day: Day) -> AsyncIterator[dict[str, Listener]]:
    """Each service's handlers on its own database."""
    async with AsyncExitStack() as stack:
        found = {}
        for name in SERVICES:
            eye = await stack.enter_async_context(opened(ground.superuser_url, name))
            handlers = importlib.import_module(f"services.{name}.handlers")
            made = listener(handlers, ground.environment, day.clock, eye)
            found[name] = await stack.enter_async_context(made)
        yield found


def heard_by(one: Listener, day: Day) -> list[Record]:
    """What a service hears of what was said: each kind of event that it handles is there."""
    subscriptions = one.steps.subscriptions
    found = [r for r in day.records if r.topic in subscriptions.topics]
    assert {dict(r.headers)["ce_type"] for r in found} >= subscriptions.known.keys()
    return found


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"eligibility"}))
async def test_what_was_heard_is_the_same_in_every_order(
    listeners: dict[str, Listener], day: Day, name: str
) -> None:
    one = listeners[name]
    records, heard = heard_by(one, day), HEARD[name]
    tables = {**heard, **MADE.get(name, {})}
    # What was said is what the service itself came to know while the day was played.
    said = await one.hear([r for r in records if r.offset < LATEST], Random(0))
    assert await one.state(said, heard, {}) == await one.state(day.network_id, heard, {})
    straight = await one.hear(records, Random(0))
    last = await one.applied(straight)
    expected = await one.state(straight, tables, {})
    assert all(expected.values())
    for seed in SEEDS:
        draw = Random(seed)
        told = shuffled(records, draw)
        assert [r.offset for r in told] != sorted(r.offset for r in records)
        network_id = await one.hear(told, draw)
        assert await one.state(network_id, tables, {}) == expected, f"seed {seed}"
        assert await one.applied(network_id) == last


SEEN, MOVED, OFF = "visit.checked_out", "appointment.rescheduled", "appointment.cancelled"
SMALL = {
    "appointments": [("patient", SEEN, 2), ("account", SEEN, 2), ("visit_cover", SEEN, 1),
                     ("chart_packet", SEEN, 1)],
    "patients": [("clinic", OFF, 1), ("appointment", MOVED, 2), ("appointment", OFF, 3)],
    "eligibility": [("patient", MOVED, 1), ("clinic", MOVED, 1), ("appointment_type", MOVED, 1),
                    ("fee", MOVED, 1), ("appointment", MOVED, 1)],
    "payments": [("patient", SEEN, 1), ("clinic", SEEN, 1), ("appointment", SEEN, 3),
                 ("estimate", SEEN, 1)],
    "documents": [("patient", MOVED, 4), ("appointment", MOVED, 3)],
}  # fmt: skip
"""What each service is told in every order there is: the first events of subjects around a visit to
which something happened. Each touches what another of them touches, or waits for it."""


def told_of(records: list[Record]) -> dict[str, list[Record]]:
    """Records by subject."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(dict(record.headers)["ce_subject"], []).append(record)
    return found


def small_story(name: str, day: Day) -> list[list[Record]]:
    """The first events of some subjects, one list a subject."""
    subjects = told_of(day.records)
    found = []
    for kind, happened, count in SMALL[name]:
        visit = next(r for r in day.records if f".{happened}." in dict(r.headers)["ce_type"]).key
        booked = json.loads(subjects[f"appointment/{visit}"][0].value)
        ids = {**booked, "visit_cover_id": visit, "chart_packet_id": visit, "estimate_id": visit}
        ids |= {"account_id": booked["patient_id"], "fee_id": fee_of(day, booked)}
        found.append(subjects[f"{kind}/{ids[kind + '_id']}"][:count])
        assert len(found[-1]) == count
    return found


def fee_of(day: Day, booked: dict[str, Any]) -> str:
    """The first fee that a visit is priced by."""
    published = json.loads(
        told_of(day.records)[f"appointment_type/{booked['appointment_type_id']}"][0].value
    )
    code = published["service_code_new" if booked["new_patient"] else "service_code_known"]
    for record in day.records:
        if record.topic.endswith(".fee.v1"):
            fee: dict[str, str] = json.loads(record.value)
            if (fee["clinic_id"], fee["service_code"]) == (booked["clinic_id"], code):
                return fee["fee_id"]
    raise LookupError(code)


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_of_a_few_events_every_order_there_is_ends_the_same(
    listeners: dict[str, Listener], day: Day, name: str
) -> None:
    one, queues = listeners[name], small_story(name, day)
    tables = {**HEARD[name], **MADE.get(name, {})}
    orders = list(interleavings(queues))
    lengths = [len(queue) for queue in queues]
    assert len(orders) == factorial(sum(lengths)) // prod(map(factorial, lengths)) >= 35
    ends: dict[str, tuple[Record, ...]] = {}
    for number, order in enumerate(orders):
        # Once more what came first, and what came last.
        network_id = await one.hear([*order, order[0], order[-1]], Random(number))
        if name == "eligibility":
            await ask_payers(one, day.clock, network_id)
        state = await one.state(network_id, tables, {})
        ends.setdefault(repr(state), order)
    assert len(ends) == 1, [[dict(r.headers)["ce_type"] for r in order] for order in ends.values()]
    told = [table for table, rows in state.items() if rows]
    assert len(told) > 1, "nothing came of it"


async def cards_of(one: Listener, day: Day, network_id: UUID) -> dict[str, str]:
    """Give a network the payers and cards of the played one; what their ids stand for."""
    ids = {}
    for table in ("payers", "coverages"):
        text = f"SELECT * FROM {table} WHERE network_id = $1"
        for row in await one.eye.fetch(text, day.network_id):
            values: dict[str, Any] = {**row, "network_id": network_id}
            for name in ("id", "payer_id"):
                if isinstance(values.get(name), UUID):
                    values[name] = uuid5(network_id, str(row[name]))
                    ids[str(values[name])] = str(row[name])
            places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
            text = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"
            await one.eye.execute(text, *values.values())
    return ids


async def ask_payers(one: Listener, clock: FixedClock, network_id: UUID) -> None:
    """Fire what waits for a lock, and ask the payer what is to be asked, until nothing is left."""
    transport = httpx.ASGITransport(app=PayerSimulator().app())
    payer = HttpPayer(f"{PAYER}/x12", deadline_seconds=5, transport=transport)
    try:
        while True:
            await fire_due(one.database, TIMERS, clock)
            intents = await claim(one.database, 200)
            if not intents:
                return
            for intent in intents:
                assert intent.network_id == network_id
                await run_one(one.database, errands(payer, 1), clock, intent)
    finally:
        await payer.close()


async def open_visits(one: Listener, network_id: UUID, ids: dict[str, str]) -> dict[str, list[str]]:
    """What eligibility says of the visits that take place.

    One that is off keeps what was last said of it, and that is a matter of order.
    """
    text = "SELECT appointment_id FROM known_visits WHERE network_id = $1 AND state = 'booked'"
    held = {str(row[0]) for row in await one.eye.fetch(text, network_id)}
    assert len(held) == 3 + 5  # and those of the series
    state = await one.state(network_id, MADE["eligibility"], ids)
    return {
        table: [row for row in rows if table == "checks" or any(key in row for key in held)]
        for table, rows in state.items()
    }


async def test_verdicts_and_estimates_are_the_same_in_every_order(
    listeners: dict[str, Listener], day: Day
) -> None:
    one = listeners["eligibility"]
    records = heard_by(one, day)
    heard = await one.state(day.network_id, HEARD["eligibility"], {})
    made = await open_visits(one, day.network_id, {})
    assert all(heard.values())
    assert all(made.values())
    for seed in (None, *SEEDS):
        draw = Random(seed or 0)
        network_id = new_id()
        ids = await cards_of(one, day, network_id)
        told = records if seed is None else shuffled(records, draw)
        await one.hear_in(network_id, told, draw)
        await ask_payers(one, day.clock, network_id)
        found = await one.state(network_id, HEARD["eligibility"], ids)
        assert found == heard, f"seed {seed}"
        assert await open_visits(one, network_id, ids) == made, f"seed {seed}"


async def test_a_repeat_of_any_age_and_what_is_told_a_week_later_change_nothing(
    listeners: dict[str, Listener], day: Day
) -> None:
    one = listeners["payments"]
    records, heard = heard_by(one, day), HEARD["payments"]
    network_id = await one.hear(records, Random(1))
    before = await one.state(network_id, heard, {})
    day.clock.move(timedelta(days=7))
    await one.hear_in(network_id, records, Random(2))
    day.clock.move(timedelta(days=-7))
    assert await one.state(network_id, heard, {}) == before


async def test_an_event_of_one_network_leaves_no_row_in_another(
    listeners: dict[str, Listener], day: Day
) -> None:
    one = listeners["documents"]
    records, heard = heard_by(one, day), HEARD["documents"]
    first, second = new_id(), new_id()
    mixed = [told_in(network, r) for r in records for network in (first, second)]
    subscriptions = one.steps.subscriptions
    groups = batch_of(mixed, subscriptions.known, subscriptions.locks).groups
    assert {group.network_id for group in groups} == {first, second}
    for group in groups:
        if group.network_id == first:
            await one.steps.apply(Apply(group))
    assert all((await one.state(first, heard, {})).values())
    assert not any((await one.state(second, heard, {})).values())


IMPURE = re.compile(
    r"(?<!work\.)\bnew_id\(|\buuid[147]\(|\b(now|utcnow|today|time\.time|monotonic|perf_counter)\("
    r"|\b(random|secrets|clock_timestamp|gen_random_uuid|current_date|current_timestamp)\b",
    re.IGNORECASE,
)
DRAWN = (
    "new_id()",
    "uuid4()",
    "datetime.now(UTC)",
    "date.today()",
    "SELECT now()",
    "random.choice",
)


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_nothing_that_a_handler_calls_draws_an_id_or_reads_a_clock(name: str) -> None:
    """Ids come from the event's, and times are the event's."""
    folder = CHECKOUT / "services" / name
    layers = ("handlers", "commands", "queries", "events", "domain", "tables")
    paths = [p for layer in layers for p in (folder / f"{layer}.py", *folder.glob(f"{layer}/*.py"))]
    sources = {path: path.read_text() for path in paths if path.exists()}
    assert len(sources) > 6
    assert all(IMPURE.search(text) for text in DRAWN)
    found = {
        f"{path.relative_to(folder)}: {match[0]}"
        for path, text in sources.items()
        for match in IMPURE.finditer(text)
    }
    assert found == set()


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_no_column_of_a_projection_fills_itself(
    listeners: dict[str, Listener], name: str
) -> None:
    """Nor does the database."""
    text = (
        "SELECT table_name || '.' || column_name, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = ANY($1)"
    )
    tables = [t for each in projections_of(name).values() for t in each.tables]
    rows = await listeners[name].eye.fetch(text, tables)
    assert len(rows) >= 3 * len(tables)
    assert [tuple(row) for row in rows if row[1] is not None] == []
