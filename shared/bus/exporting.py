"""Where spans go: to a collector over OTLP. Needs the packages of the extra `otel`.

Imported only where a collector is named: without one a process loads none of it.
"""

from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from shared.bus import tracing
from shared.bus.consumer_actions import BATCH_RECORDS


class _Ids(RandomIdGenerator):
    """A flow that begins here names its trace and, by its lower half, its first span."""

    def generate_trace_id(self) -> int:
        return tracing.beginning.get() or super().generate_trace_id()

    def generate_span_id(self) -> int:
        flow = tracing.beginning.get()
        return tracing.first_span_of(flow) if flow else super().generate_span_id()

    def is_trace_id_random(self) -> bool:
        return False


def start(service: str, exporter: SpanExporter | None = None) -> Callable[[], None]:
    """Make spans and send them on; what is returned sends the rest and ends it.

    The collector is what OpenTelemetry's own settings say (`OTEL_EXPORTER_OTLP_ENDPOINT`, headers,
    sampler), unless an exporter is given.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"clinicbus-{service}"}),
        id_generator=_Ids(),
        span_limits=SpanLimits(max_links=BATCH_RECORDS),
        shutdown_on_exit=False,
    )
    if exporter is None:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("clinicbus"))

    def stop() -> None:
        tracing.use(None)
        provider.shutdown()

    return stop
