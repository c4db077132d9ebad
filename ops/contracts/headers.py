"""What the headers of an event's records look like, as a JSON Schema."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.envelope import PREFIX, Event

_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID = {"format": "uuid"}

OPTIONAL = {"ce_clinic", "ce_causationid", "ce_traceparent", "ce_recordedtime"}


def header_schema(event: type[Event]) -> dict[str, Any]:
    """The headers of the records whose type is this event's."""
    told = _told(event)
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text, **rule}
            for name, (text, rule) in told.items()
        },
        "required": sorted(told.keys() - OPTIONAL),
    }


def _told(event: type[Event]) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    wire = event.wire_type()
    return {
        "ce_specversion": ("always 1.0", {"const": "1.0"}),
        "ce_id": ("UUIDv7, or UUIDv5 where a handler said it", _UUID),
        "ce_type": ("what happened, with its version", {"const": wire}),
        "ce_source": ("the service that says it", {"const": f"/{PREFIX}/{event.producer}"}),
        "ce_subject": ("the aggregate: kind/id", {"pattern": f"^{event.aggregate}/{_ID}$"}),
        "ce_time": ("when it happened, RFC 3339 in UTC", {"format": "date-time"}),
        "ce_dataschema": (
            "the name of the schema of the value",
            {"const": f"urn:{wire.replace('.', ':')}"},
        ),
        "ce_partitionkey": ("the id of the aggregate; also the key of the record", _UUID),
        "ce_subjectseq": (
            "1..n without a hole, one for each event of the subject",
            {"pattern": "^[1-9][0-9]{0,17}$"},
        ),
        "ce_tenant": ("the network", _UUID),
        "ce_clinic": ("the clinic, where there is one", _UUID),
        "ce_actor": ("who did it: kind/id", {"pattern": "^[a-z_]+/[^ /]+$"}),
        "ce_correlationid": ("the flow it belongs to: the trace id", _UUID),
        "ce_causationid": ("the event that caused it", _UUID),
        "ce_dataclassification": (
            "restricted: every event is about somebody's care",
            {"const": "restricted"},
        ),
        "ce_traceparent": (
            "W3C trace context of what said it: a request, or a handler",
            {"pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        ),
        "ce_recordedtime": ("when it was written down, by real time", {"format": "date-time"}),
        "content-type": ("of the value", {"const": "application/json"}),
    }
