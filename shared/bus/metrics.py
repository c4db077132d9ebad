"""What relay and consumer count. Labels are services, types and codes, never ids.

What is read from the database and the bus is in `shared.bus.watch`.
"""

from prometheus_client import Counter, Histogram

RELAY_EVENTS = Counter("clinicbus_relay_events_total", "Events put on the bus", ["service"])
RELAY_TAKEOVERS = Counter(
    "clinicbus_relay_takeovers_total", "Times this process took the relay's lease", ["service"]
)
CONSUMER_EVENTS = Counter(
    "clinicbus_consumer_events_total",
    "Events taken from the bus: applied, repeat, unheard, parked or unreadable",
    ["service", "outcome"],
)
CONSUMER_FENCED = Counter(
    "clinicbus_consumer_fenced_total", "Batches given up: the offsets had moved", ["service"]
)
HANDLER_SECONDS = Histogram(
    "clinicbus_handler_seconds",
    "Time of one event in its handler",
    ["service", "type"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
