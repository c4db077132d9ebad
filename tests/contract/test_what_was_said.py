"""What the services really said on a played day, against every release, reader and header schema.

The rows are of their outboxes, as they go onto the wire.
"""

import importlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from ops.contracts.reader import Reader, reader_of, reads
from ops.contracts.released import FOLDER, releases
from ops.day.databases import opened
from ops.generate import services
from services.appointments.schemas.reminders import CODE
from shared.bus.delivery import Delivery, delivery_of
from shared.bus.port import Record
from shared.bus.subscriptions import Handler, Subscriptions
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import Envelope, Event
from shared.db.locks import LockKey
from shared.db.provision import SERVICES
from shared.db.work import Work
from shared.values.clock import FixedClock
from tests.journeys.book import (
    ask_for_times,
    change_their_mind,
    hold_a_group,
    hold_times,
    repeat_weekly,
    wait_for_a_time,
)
from tests.journeys.clinic import Clinic, denver, told
from tests.journeys.conftest import Ground
from tests.journeys.house import House, house_of
from tests.journeys.played import PICTURE, was_told_the_code
from tests.journeys.replay import Listener, listener, recorded
from tests.journeys.test_order_does_not_matter import busy_day

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNSAID: set[str] = {wire for wire, event in EVENTS.items() if event.expected}
"""Events that nobody says on the played days: those that are agreed on and said by nobody yet."""

DOCS = FOLDER.parents[2] / "docs" / "asyncapi.json"


@dataclass(slots=True)
class Said:
    """The records of the day, and when it ended."""

    records: list[Record]
    clock: FixedClock


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def said(ground: Ground) -> Said:
    """Two days played by all services, each of a network of its own."""
    async with house_of(ground.superuser_url, ground.environment, ground.folder) as house:
        records = await recorded(house, await busy_day(house))
        records += await recorded(house, await bad_day(house))
        return Said(records, house.clock)


async def bad_day(house: House) -> UUID:
    """The payer is silent, a card is declined, a scan is a mistake, cover and a proxy end; the day
    closes."""
    house.clock.at = denver(9, 8)
    clinic = await Clinic(house).open()
    patient = await clinic.register("Winterbourne")
    await house.settled(clinic.network_id)
    coverage = await clinic.cover(patient, "SIL100")
    await clinic.book(patient, denver(10, 10))
    await hold_times(clinic, patient, denver(11, 9))
    await change_their_mind(clinic, patient, denver(12, 9))
    await hold_a_group(clinic, [patient], denver(12, 11))
    await repeat_weekly(clinic, patient, denver(12, 15))
    block = {
        "clinic_id": clinic.clinic_id,
        "kind": "meeting",
        "starts_at": denver(13, 9).isoformat(),
        "ends_at": denver(13, 10).isoformat(),
        "provider_ids": [clinic.provider_id],
    }
    made = await clinic.does("dana", "appointments", "/v1/blocks", block)
    await clinic.does("dana", "appointments", f"/v1/blocks/{made['block']['id']}/lift")
    waiting = [await clinic.register(f"Waiting{n}") for n in range(3)]
    await house.settled(clinic.network_id)
    await wait_for_a_time(clinic, [patient, *waiting], denver(13, 9))
    await ask_for_times(clinic, [patient, *waiting], denver(10, 12), denver(13, 14))
    await house.settled(clinic.network_id)
    path = f"/v1/patients/{patient}/proxies"
    acts = {"proxy_subject": "a-son", "authority": "patient_permission", "scope": ["patient:read"]}
    proxy = await clinic.does("dana", "patients", path, acts)
    await clinic.does("dana", "patients", f"{path}/{proxy['id']}/end", {"reason": "other"})
    ends = {"effective_to": "2026-12-31"}
    path = f"/v1/coverages/{coverage}/terminate"
    await clinic.does("dana", "eligibility", path, ends, version=1)
    paid = await clinic.pay(patient, 2_500, "card", card_token="sim_declined")
    assert paid["status"] == "declined"
    scan = {"source": "scan", "document_class": "insurance_card", "patient_id": patient}
    files = {"file": ("card.png", PICTURE, "image/png")}
    desk = clinic.person("dana", "documents")
    kept = told(await desk.post("/v1/documents", data=scan, files=files), 201)
    path = f"/v1/documents/{kept['id']}/enter-in-error"
    await clinic.does("dana", "documents", path, {"reason": "Scanned twice"}, version=1)
    drawer = await clinic.open_drawer()
    house.clock.at = denver(9, 17, 30)
    await house.settled(clinic.network_id)
    counted = {"counted_cents": 20_000}
    await clinic.does("dana", "payments", f"/v1/drawers/{drawer}/close", counted)
    told(await clinic.close_day(9))
    await house.settled(clinic.network_id)
    await messages_that_fail(clinic)
    return clinic.network_id


async def messages_that_fail(clinic: Clinic) -> None:
    """One patient has no address; another says no, and then wants no more messages."""
    house, silent = clinic.house, await clinic.register("Ashdown")
    reached = await clinic.register("Vane", emails=["vane@example.org"])
    await house.settled(clinic.network_id)
    for hour, patient in ((10, silent), (11, reached)):
        path = f"/v1/patients/{patient}"
        agreed = {"kind": "messages", "text_version": "2026-01"}
        await clinic.does("dana", "patients", f"{path}/consents", agreed)
        visit = (await clinic.book(patient, denver(13, hour)))["id"]
    desk = clinic.person("dana", "patients")
    wish = {"channels": ["email", "sms"]}
    told(await desk.put(f"/v1/patients/{reached}/message-preference", wish))
    await house.settled(clinic.network_id)
    house.clock.at = denver(12, 10)
    await house.settled(clinic.network_id)
    house.clock.at = denver(12, 11)
    await house.settled(clinic.network_id)
    await was_told_the_code(clinic, visit)
    webhook = house.office.desk("appointments", clinic.network_id, "service", sub="webhook")
    for word, outcome in (("No", "declined"), ("Stop", "stopped")):
        answer = await webhook.post("/v1/reminders/replies", {"code": CODE, "text": word})
        assert told(answer)["outcome"] == outcome
    await house.settled(clinic.network_id)


def type_of(record: Record) -> str:
    return dict(record.headers)["ce_type"]


async def test_the_day_says_all_but_what_is_named(said: Said) -> None:
    assert {type_of(record) for record in said.records} == EVENTS.keys() - UNSAID
    assert EVENTS.keys() >= UNSAID
    assert len(said.records) > 60


async def test_every_value_is_read_by_every_release_and_every_subscriber(said: Said) -> None:
    """By the readers that were committed, not by the models of today alone."""
    readers = readers_by_type()
    asked = 0
    for record in said.records:
        wire, value = type_of(record), json.loads(record.value)
        assert EVENTS[wire].model_validate_json(record.value, strict=True).subject_id
        for name, reader in readers[wire].items():
            assert reads(reader, value), f"{name} does not read {wire}: {sorted(value)}"
            asked += 1
    assert asked > 2 * len(said.records)


def readers_by_type() -> dict[str, dict[str, Reader]]:
    """By wire type, every release of it and every subscriber's part."""
    found: dict[str, dict[str, Reader]] = {
        wire: {f"release {n}": reader_of(c["schema"]) for n, c in enumerate(contracts, 1)}
        for wire, contracts in releases().items()
    }
    for service in SERVICES:
        for wire, part in committed(service).items():
            found[wire][service] = reader_of(part)
    return found


def committed(service: str) -> dict[str, Any]:
    """What a service reads, by wire type."""
    path = FOLDER.parent / "readers" / f"{service}.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


async def test_every_record_is_heard_or_read_past_by_every_service(said: Said) -> None:
    """On the way that it takes in production, and lifted where it is of an older version."""
    for name, service in services().items():
        known = service.subscriptions.known
        for record in said.records:
            found = delivery_of(record, known, service.subscriptions.locks)
            assert isinstance(found, Delivery)
            assert found.problem is None, f"{name}: {type_of(record)}"
            assert (found.event is None) == (type_of(record) not in known)


async def test_a_member_that_is_missed_in_what_was_said_is_found(said: Said) -> None:
    """The check above can fail: each required member that is left out is missed by its readers."""
    readers = readers_by_type()
    samples = {wire: json.loads(EVENTS[wire].example().model_dump_json()) for wire in UNSAID}
    samples |= {type_of(record): json.loads(record.value) for record in said.records}
    missed = 0
    for service in SERVICES:
        for wire, part in committed(service).items():
            for member in part["required"]:
                value = {n: v for n, v in samples[wire].items() if n != member}
                assert not reads(readers[wire][service], value)
                missed += 1
    assert missed > 150


async def test_every_header_is_as_the_document_says(said: Said) -> None:
    messages = json.loads(DOCS.read_text())["components"]["messages"]
    readers = {wire: reader_of(message["headers"]) for wire, message in messages.items()}
    for record in said.records:
        wire, headers = type_of(record), dict(record.headers)
        assert len(headers) == len(record.headers)
        assert headers.keys() <= messages[wire]["headers"]["properties"].keys()
        assert reads(readers[wire], headers), headers
        assert headers["ce_partitionkey"] == record.key == headers["ce_subject"].split("/")[1]
        assert headers["ce_dataschema"] == messages[wire]["payload"]["$id"]
        for name in messages[wire]["headers"]["required"]:
            assert not reads(readers[wire], {n: v for n, v in headers.items() if n != name})


# ── what handlers read when they run ─────────────────────────────────────────────────────────────


def watched(event: type[Event], seen: set[str]) -> type[Event]:
    """The event, noting which members are read."""

    def read(self: Any, name: str) -> Any:
        if name in event.model_fields:
            seen.add(name)
        return event.__getattribute__(self, name)

    return type(event.__name__, (event,), {"__getattribute__": read})


def watching(subscriptions: Subscriptions, seen: dict[str, set[str]]) -> Subscriptions:
    """The same handlers, of events that note what is read of them."""
    kinds = {
        event: watched(event, seen.setdefault(event.wire_type(), set()))
        for event in subscriptions.handlers
    }

    def over(handler: Handler) -> Handler:
        async def handle(work: Work, envelope: Envelope, event: Event) -> None:
            await handler(work, envelope, as_watched(event))

        return handle

    def as_watched(event: Event) -> Event:
        object.__setattr__(event, "__class__", kinds[type(event)])
        return event

    def locks(event: Event) -> Sequence[LockKey]:
        return subscriptions.locks(as_watched(event.model_copy()))

    handlers = {event: over(handler) for event, handler in subscriptions.handlers.items()}
    return Subscriptions(handlers, locks)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listeners(ground: Ground, said: Said) -> AsyncIterator[dict[str, Listener]]:
    """Each service's handlers on its own database."""
    async with AsyncExitStack() as stack:
        found = {}
        for name in SERVICES:
            eye = await stack.enter_async_context(opened(ground.superuser_url, name))
            handlers = importlib.import_module(f"services.{name}.handlers")
            made = listener(handlers, ground.environment, said.clock, eye)
            found[name] = await stack.enter_async_context(made)
        yield found


@pytest.mark.parametrize("name", SERVICES)
async def test_no_handler_reads_more_than_its_service_says(
    listeners: dict[str, Listener], said: Said, name: str
) -> None:
    """What is told from the code of the handlers, against the handlers as they run."""
    one, seen = listeners[name], dict[str, set[str]]()
    steps = one.steps
    spied = watching(steps.subscriptions, seen)
    heard = replace(one, steps=replace(steps, subscriptions=spied))
    records = [record for record in said.records if record.topic in steps.subscriptions.topics]
    await heard.hear(records, Random(1))
    declared = {wire: set(part["properties"]) for wire, part in committed(name).items()}
    more = {wire: read - declared[wire] for wire, read in seen.items()}
    assert [wire for wire in more if more[wire]] == []
    silent = {wire for wire, read in seen.items() if not read}
    assert silent <= UNSAID
