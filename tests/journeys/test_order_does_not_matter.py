"""Across subjects no order is promised: whatever order a service hears a played day in, and however
often, it ends in the same state. Only the order of each subject is kept, as the bus keeps it."""

import importlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
import pytest_asyncio

from ops.day.databases import opened
from ops.payer_simulator.app import PayerSimulator
from services.eligibility.clients import HttpPayer
from services.eligibility.errands import errands
from services.eligibility.timers import TIMERS
from shared.bus.consumer_actions import Apply
from shared.bus.delivery import batch_of
from shared.bus.port import Record
from shared.db.errands import claim, run_one
from shared.db.provision import SERVICES
from shared.db.timers import fire_due
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from tests.journeys.clinic import Clinic, denver
from tests.journeys.conftest import Ground
from tests.journeys.house import PAYER, House, house_of
from tests.journeys.played import played
from tests.journeys.replay import Listener, listener, recorded, shuffled, told_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEDS = range(200 if os.environ.get("FULL") == "1" else 15)

# What each service keeps of others. Left out is what tells how it got there and not where it is:
# versions, and the ids of the events that a row was made or last changed by.
HEARD = {
    "appointments": {
        "known_patients": "patient_id, registered, identity_verified_at, balance_cents",
        "known_consents": "consent_id, patient_id, kind, text_version, granted_at, revoked_at",
        "visit_covers": "appointment_id, verdict, reason, decided_at",
        "visit_packets": "appointment_id, document_id, revision, ready_at",
    },
    "patients": {
        "known_visits": "appointment_id, patient_id, clinic_id, starts_at, status, checked_out_at",
        "known_clinics": "clinic_id, time_zone",
    },
    "eligibility": {
        "known_visits": "appointment_id, patient_id, clinic_id, appointment_type_id, starts_at,"
        " new_patient, state, placed_at",
        "known_patients": "patient_id, registered_at",
        "known_clinics": "clinic_id, time_zone",
        "known_types": "appointment_type_id, service_code_new, service_code_known",
        "known_fees": "fee_id, clinic_id, service_code, amount_cents, effective_from",
    },
    "payments": {
        "known_visits": "appointment_id, patient_id, clinic_id, starts_at, state, checked_out_at",
        "known_patients": "patient_id, registered_at",
        "known_clinics": "clinic_id, time_zone, currency",
        "estimates": "appointment_id, estimate_id, patient_cents, copay_cents, created_at",
    },
    "documents": {
        "known_visits": "appointment_id, patient_id, clinic_id, provider_id, starts_at, ends_at,"
        " state, new_patient, walk_in, moves, heard_at, heard_actor",
        "known_patients": "patient_id, registered, identity_verified_at, balance_cents, heard_at",
        "known_consents": "consent_id, patient_id, kind, granted_at, expires_on, revoked_at",
        "visit_covers": "appointment_id, verdict, reason, decided_at",
        "visit_estimates": "appointment_id, estimate_id, fee_cents, patient_cents, copay_cents",
    },
}
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
    """Somebody is seen, somebody moved, one calls off, one does not come, a price changes."""
    clinic = await Clinic(house).open()
    seen = await played(clinic)
    moved, off, gone = [await clinic.register(name) for name in ("Hoang", "Ibrahim", "Rossi")]
    await house.settled(clinic.network_id)
    await clinic.cover(moved, "INA100200")
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
    visit = await clinic.book(off, denver(6, 11))
    await house.later(clinic.network_id)
    path = f"/v1/appointments/{visit['id']}"
    await clinic.does("dana", "appointments", f"{path}/confirm")
    version = (await clinic.visit(visit["id"]))["version"]
    reason = {"reason": "patient_ill"}
    await clinic.does("dana", "appointments", f"{path}/cancel", reason, version=version)
    await clinic.book(gone, denver(5, 11))
    price = {"code": "V-NEW", "amount_cents": 26_000, "effective_from": "2026-11-06"}
    await clinic.does("bo", "payments", "/v1/fees", {"clinic_id": clinic.clinic_id, **price})
    await house.settled(clinic.network_id)
    house.clock.at = denver(5, 11, 30)
    await house.settled(clinic.network_id)
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
    """What a service hears of what was said."""
    found = [r for r in day.records if r.topic in one.steps.subscriptions.topics]
    assert len(found) > 8
    return found


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"eligibility"}))
async def test_what_was_heard_is_the_same_in_every_order(
    listeners: dict[str, Listener], day: Day, name: str
) -> None:
    one = listeners[name]
    records, heard = heard_by(one, day), HEARD[name]
    tables = {**heard, **MADE.get(name, {})}
    straight = await one.hear(records, Random(0))
    last = await one.applied(straight)
    expected = await one.state(straight, tables, {})
    # It is what the service itself came to know while the day was played.
    assert {table: expected[table] for table in heard} == await one.state(day.network_id, heard, {})
    assert all(expected.values())
    for seed in SEEDS:
        draw = Random(seed)
        told = shuffled(records, draw)
        assert [r.offset for r in told] != sorted(r.offset for r in records)
        network_id = await one.hear(told, draw)
        assert await one.state(network_id, tables, {}) == expected, f"seed {seed}"
        assert await one.applied(network_id) == last


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
    assert len(held) == 2
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
