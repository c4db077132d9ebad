"""Spans: where the time of a flow went, from the request to the last handler. OpenTelemetry's API.

Nothing is made unless a tracer is in use: `shared.bus.exporting` brings one. The trace of a flow is
its correlation id. Spans of an event are children of what said it (its `ce_traceparent`): the
outbox dwell from when it was recorded until it was on the bus, in each subscriber the bus dwell
from then until it is taken, and the handler, whose own events carry the trace on. A batch is a span
of its own that links to its events. Attributes are those of ATTRIBUTES: no patient, no subject.
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from prometheus_client import Histogram

from shared.bus.delivery import Delivery
from shared.bus.metrics import HANDLER_SECONDS
from shared.bus.port import Message
from shared.contracts.envelope import recorded_at
from shared.db.work import Work

ATTRIBUTES = frozenset(
    {
        "clinicbus.service",
        "clinicbus.event.type",
        "clinicbus.event.id",
        "clinicbus.topic",
        "clinicbus.partition",
        "clinicbus.offset",
        "clinicbus.outcome",
        "http.request.method",
        "http.route",
        "http.response.status_code",
    }
)
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

beginning: ContextVar[int | None] = ContextVar("beginning", default=None)
"""The flow whose first span is just being made."""

_tracer: trace.Tracer | None = None


def use(tracer: trace.Tracer | None) -> None:
    """Make spans with this tracer from now on; none with None."""
    global _tracer  # noqa: PLW0603 - one for the process, as its exporter is
    _tracer = tracer


def first_span_of(flow: int) -> int:
    """The id of a flow's first span: what timers and errands say goes below it, as they know no
    more than the flow."""
    return flow & (2**64 - 1)


class Served:
    """One request. `traceparent` is what its events and its reply hand on."""

    def __init__(self, traceparent: str, span: trace.Span | None = None) -> None:
        self.traceparent, self._span = traceparent, span

    def answered(self, status: int) -> None:
        """Tell the status of the reply."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)


@contextmanager
def served(
    service: str, method: str, route: str, flow: UUID, traceparent: str, *, joined: bool
) -> Iterator[Served]:
    """A request's span. `joined`: the trace is the caller's; else it begins here, named `flow`."""
    if _tracer is None:
        yield Served(traceparent)
        return
    named = beginning.set(None if joined else flow.int)
    try:
        span = _tracer.start_span(
            f"{method} {route}",
            _parent(traceparent, flow) if joined else Context(),
            trace.SpanKind.SERVER,
            {
                "clinicbus.service": service,
                "http.request.method": method,
                "http.route": route,
            },
        )
    finally:
        beginning.reset(named)
    try:
        yield Served(_traceparent(span), span)
    finally:
        span.end()


def sent(service: str, messages: Iterable[Message]) -> None:
    """These events of the outbox are on the bus now."""
    if _tracer is None:
        return
    now = time.time_ns()
    for message in messages:
        headers = dict(message.headers)
        recorded = recorded_at(headers)
        if recorded is None:
            continue
        attributes: dict[str, str | int] = {
            "clinicbus.service": service,
            "clinicbus.event.type": headers["ce_type"],
            "clinicbus.event.id": headers["ce_id"],
            "clinicbus.topic": message.topic,
            "clinicbus.partition": message.partition,
        }
        parent = _parent(headers.get("ce_traceparent"), UUID(headers["ce_correlationid"]))
        kind = trace.SpanKind.PRODUCER
        start = min(_nanoseconds(recorded), now)
        _tracer.start_span("outbox dwell", parent, kind, attributes, start_time=start).end(now)


@contextmanager
def batch(service: str, deliveries: Sequence[Delivery]) -> Iterator[None]:
    """The transaction of several events, which belongs to no one's trace and links to each."""
    if _tracer is None:
        yield
        return
    links = [trace.Link(trace.get_current_span(_origin(d)).get_span_context()) for d in deliveries]
    attributes = {"clinicbus.service": service}
    span = _tracer.start_span("apply batch", Context(), trace.SpanKind.CONSUMER, attributes, links)
    with _ended(span, "committed"):
        yield


@contextmanager
def handled(work: Work, delivery: Delivery) -> Iterator[None]:
    """One event in its handler; what `work` says from here on carries its trace on."""
    with _timing(work.producer, delivery.envelope.type).time():
        if _tracer is None:
            yield
            return
        record, parent, now = delivery.record, _origin(delivery), time.time_ns()
        attributes: dict[str, str | int] = {
            "clinicbus.service": work.producer,
            "clinicbus.event.type": delivery.envelope.type,
            "clinicbus.event.id": str(delivery.envelope.id),
            "clinicbus.topic": record.topic,
            "clinicbus.partition": record.partition,
            "clinicbus.offset": record.offset,
        }
        kind = trace.SpanKind.CONSUMER
        if record.appended_at is not None:
            start = min(_nanoseconds(record.appended_at), now)
            _tracer.start_span("bus dwell", parent, kind, attributes, start_time=start).end(now)
        name = f"handle {delivery.envelope.type}"
        span = _tracer.start_span(name, parent, kind, attributes, start_time=now)
        work.context = replace(work.context, traceparent=_traceparent(span))
        with _ended(span, "applied"):
            yield


@lru_cache(maxsize=256)
def _timing(service: str, kind: str) -> Histogram:
    # Only types that are heard come here: they are few.
    return HANDLER_SECONDS.labels(service, kind)


@contextmanager
def _ended(span: trace.Span, outcome: str) -> Iterator[None]:
    # Not as the library does it: an exception's message may quote a value.
    try:
        yield
    except BaseException:
        outcome = "failed"
        span.set_status(trace.Status(trace.StatusCode.ERROR))
        raise
    finally:
        span.set_attribute("clinicbus.outcome", outcome)
        span.end()


def _origin(delivery: Delivery) -> Context:
    return _parent(delivery.envelope.traceparent, delivery.envelope.correlation_id)


def _parent(traceparent: str | None, flow: UUID) -> Context:
    """The context of what said an event, or of what began its flow."""
    found = TRACEPARENT.fullmatch(traceparent or "")
    trace_id, span_id, flags = flow.int, first_span_of(flow.int), 1
    if found is not None:
        trace_id, span_id, flags = (int(text, 16) for text in found.groups())
    said = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    return trace.set_span_in_context(trace.NonRecordingSpan(said), Context())


def _traceparent(span: trace.Span) -> str:
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000
