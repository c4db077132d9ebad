"""Where the time of a flow went: one trace from a request to what others made of its event."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ops.day.databases import opened
from shared.bus.exporting import start
from shared.bus.tracing import ATTRIBUTES
from tests.journeys.clinic import Clinic, denver
from tests.journeys.conftest import Ground
from tests.journeys.house import House, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOOKED = "clinicbus.appointments.appointment.booked.v1"
VERIFIED = "clinicbus.eligibility.eligibility.verified.v1"
TYPE, SERVICE = "clinicbus.event.type", "clinicbus.service"
CALLERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def taken() -> Iterator[InMemorySpanExporter]:
    """Every span of the five services."""
    exporter = InMemorySpanExporter()
    stop = start("house", exporter)
    yield exporter
    stop()


def named(spans: list[ReadableSpan], name: str, **attributes: str) -> ReadableSpan:
    """The span of this name with these attributes (`type`, `service`); the last try, if several."""
    full = {"type": TYPE, "service": SERVICE}
    found = [
        span
        for span in spans
        if span.name == name
        and all((span.attributes or {})[full[key]] == text for key, text in attributes.items())
    ]
    assert found, (name, attributes)
    return found[-1]


def ids(span: ReadableSpan) -> tuple[int, int]:
    """A span's trace and its own id."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def parent(span: ReadableSpan) -> tuple[int, int]:
    """The trace and the id of a span's parent."""
    assert span.parent is not None
    return span.parent.trace_id, span.parent.span_id


def at(nanoseconds: int | None) -> datetime:
    """A span's start or end, as the databases would have it."""
    assert nanoseconds is not None
    return datetime.fromtimestamp(nanoseconds // 1000 / 1_000_000, UTC)


async def booked(house: House, taken: InMemorySpanExporter, **headers: str) -> list[ReadableSpan]:
    """Book a visit of somebody without cover, which eligibility answers by events of its own."""
    clinic = await Clinic(house).open()
    patient = await clinic.register("Nowak")
    await house.settled(clinic.network_id)
    taken.clear()
    desk = clinic.person("dana", "appointments")
    body = clinic.booking(patient, denver(5, 9))
    answer = await desk.post("/v1/appointments", body, headers=headers)
    assert answer.status_code == 201
    await house.settled(clinic.network_id)
    flow = UUID(answer.headers["x-request-id"]).int
    spans = list(taken.get_finished_spans())
    request = named(spans, "POST /v1/appointments")
    assert ids(request)[0] == flow
    trace_id, span_id = ids(request)
    assert answer.headers["traceparent"] == f"00-{trace_id:032x}-{span_id:016x}-01"
    return spans


async def row_of(house: House, spans: list[ReadableSpan], service: str, kind: str) -> Any:
    """The outbox row of the event whose dwell was seen."""
    dwell = named(spans, "outbox dwell", type=kind)
    event_id = UUID(str((dwell.attributes or {})["clinicbus.event.id"]))
    (row,) = await house.rows(service, "SELECT * FROM outbox WHERE event_id = $1", event_id)
    return row


async def appended(ground: Ground, row: Any) -> datetime:
    """When the bus took an outbox row."""
    async with opened(ground.superuser_url, "bus") as connection:
        found: datetime = await connection.fetchval(
            "SELECT l.appended_at FROM log_record l JOIN topic t ON t.id = l.topic_id"
            " WHERE t.name = $1 AND l.partition = $2 AND l.key = $3 AND l.value = $4",
            *(row["topic"], row["partition"], row["key"], row["value"]),
        )
    return found


async def test_one_trace_goes_from_the_request_to_the_effect_of_an_effect(
    house: House, ground: Ground, taken: InMemorySpanExporter
) -> None:
    spans = await booked(house, taken)
    request = named(spans, "POST /v1/appointments")
    assert request.parent is None
    said = named(spans, "outbox dwell", type=BOOKED)
    waited = named(spans, "bus dwell", type=BOOKED, service="eligibility")
    handled = named(spans, f"handle {BOOKED}", service="eligibility")
    assert {parent(span) for span in (said, waited, handled)} == {ids(request)}
    # The handler's own event: another service's handler hears it, in the same trace.
    answer = named(spans, "outbox dwell", type=VERIFIED)
    heard = named(spans, f"handle {VERIFIED}", service="appointments")
    assert parent(answer) == parent(heard) == ids(handled)
    row = await row_of(house, spans, "eligibility", VERIFIED)
    headers = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
    trace_id, span_id = ids(handled)
    assert headers["ce_traceparent"] == f"00-{trace_id:032x}-{span_id:016x}-01"
    assert UUID(headers["ce_correlationid"]).int == trace_id


async def test_the_dwells_are_from_the_outbox_to_the_bus_and_from_the_bus_to_the_handler(
    house: House, ground: Ground, taken: InMemorySpanExporter
) -> None:
    spans = await booked(house, taken)
    row = await row_of(house, spans, "appointments", BOOKED)
    headers = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
    on_bus = await appended(ground, row)
    outbox = named(spans, "outbox dwell", type=BOOKED)
    assert at(outbox.start_time) == datetime.fromisoformat(headers["ce_recordedtime"])
    # The relay hears of the append when it is committed.
    assert 0 <= (at(outbox.end_time) - on_bus).total_seconds() < 1
    for service in ("eligibility", "patients", "payments", "documents"):
        bus = named(spans, "bus dwell", type=BOOKED, service=service)
        handled = named(spans, f"handle {BOOKED}", service=service)
        assert at(bus.start_time) == on_bus
        assert bus.end_time == handled.start_time
        assert handled.attributes is not None
        assert handled.attributes["clinicbus.outcome"] == "applied"
        assert handled.attributes["clinicbus.partition"] == row["partition"]


async def test_a_batch_is_in_nobodys_trace_and_links_to_each_of_its_events(
    house: House, taken: InMemorySpanExporter
) -> None:
    spans = await booked(house, taken)
    request = named(spans, "POST /v1/appointments")

    async def batches() -> list[ReadableSpan]:
        # A batch ends a moment after its effects can be seen.
        return [
            span
            for span in taken.get_finished_spans()
            if span.name == "apply batch"
            and ids(request) in [(n.context.trace_id, n.context.span_id) for n in span.links]
        ]

    heard = {"eligibility", "patients", "payments", "documents"}
    found = await until(
        batches, lambda seen: {(s.attributes or {})[SERVICE] for s in seen} == heard, "batches"
    )
    for span in found:
        assert span.parent is None
        assert ids(span)[0] != ids(request)[0]


async def test_a_callers_trace_is_gone_on_with(house: House, taken: InMemorySpanExporter) -> None:
    spans = await booked(house, taken, traceparent=CALLERS)
    request = named(spans, "POST /v1/appointments")
    assert parent(request) == (int(CALLERS[3:35], 16), int(CALLERS[36:52], 16))
    heard = named(spans, f"handle {VERIFIED}", service="appointments")
    assert ids(heard)[0] == int(CALLERS[3:35], 16)


async def test_a_caller_who_does_not_sample_is_not_sampled(
    house: House, taken: InMemorySpanExporter
) -> None:
    clinic = await Clinic(house).open()
    await house.settled(clinic.network_id)
    taken.clear()
    desk = clinic.person("dana", "appointments")
    unsampled = CALLERS[:-2] + "00"
    desk.headers["traceparent"] = unsampled
    answer = await desk.get(f"/v1/clinics/{clinic.clinic_id}")
    assert answer.status_code == 200
    assert answer.headers["traceparent"].startswith(unsampled[:36])
    assert answer.headers["traceparent"].endswith("-00")
    assert taken.get_finished_spans() == ()


async def test_what_an_errand_says_is_below_the_request_that_began_its_flow(
    house: House, taken: InMemorySpanExporter
) -> None:
    clinic = await Clinic(house).open()
    patient = await clinic.register("Nowak")
    await clinic.cover(patient, "MEM123456789")
    await house.settled(clinic.network_id)
    taken.clear()
    await clinic.book(patient, denver(5, 9))
    await house.settled(clinic.network_id)
    spans = list(taken.get_finished_spans())
    request = named(spans, "POST /v1/appointments")
    assert parent(named(spans, "outbox dwell", type=VERIFIED)) == ids(request)


async def test_a_span_tells_nothing_that_is_not_listed_and_no_patient(
    house: House, taken: InMemorySpanExporter
) -> None:
    clinic = await Clinic(house).open()
    patient = await clinic.register("Nowak", "Zofia")
    visit = await clinic.book(patient, denver(5, 9))
    await clinic.visit(visit["id"])
    await house.settled(clinic.network_id)
    spans = taken.get_finished_spans()
    assert len(spans) > 30
    told = "\n".join(span.to_json() for span in spans)
    for secret in (patient, visit["id"], "Nowak", "Zofia", str(clinic.network_id), "dana"):
        assert secret not in told
    assert {key for span in spans for key in span.attributes or {}} <= ATTRIBUTES
    assert all(not span.events for span in spans)
