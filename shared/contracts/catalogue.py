"""Every event there is, by wire type, and every topic."""

from collections.abc import Mapping

from shared.contracts import appointments, documents, eligibility, patients, payments
from shared.contracts.envelope import Event

PRODUCERS: Mapping[str, tuple[type[Event], ...]] = {
    "appointments": appointments.EVENTS,
    "patients": patients.EVENTS,
    "eligibility": eligibility.EVENTS,
    "payments": payments.EVENTS,
    "documents": documents.EVENTS,
}

EVENTS: Mapping[str, type[Event]] = {
    event.wire_type(): event for events in PRODUCERS.values() for event in events
}


def topics_said_by(producer: str) -> tuple[str, ...]:
    """The topics that a service owns, sorted."""
    return tuple(sorted({event.topic() for event in PRODUCERS[producer]}))


def all_topics() -> tuple[str, ...]:
    """Every topic, sorted."""
    return tuple(sorted({event.topic() for event in EVENTS.values()}))
