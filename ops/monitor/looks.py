"""A look at an event's value is on record before it is shown: an audit row of the service."""

from typing import Any
from uuid import UUID

from ops.audit.rows import write_rows
from ops.monitor.gate import Refused
from shared.contracts.envelope import Envelope
from shared.db.context import Context
from shared.db.mechanism_writes import audit_row
from shared.db.pool import AWAY
from shared.web.clocks import SystemClock
from shared.web.tokens import Principal

ACTION = "read_event_value"


async def record_look(url: str | None, principal: Principal, event: Envelope, value: Any) -> None:
    """Write that somebody saw an event's value. `url`: the app role's, of the service to tell.

    Raises Refused: then nothing may be shown.
    """
    now = SystemClock().now()
    context = Context(principal.network_id, principal.actor, now, event.correlation_id, event.id)
    detail = {"subject": event.subject, "sequence": event.subject_seq}
    row = audit_row(context, ACTION, f"event/{event.id}", _patients(event, value), "ok", detail)
    if url is None:
        raise Refused(503, "audit.away", "The look cannot be recorded, so nothing is shown.")
    try:
        await write_rows(url, [(principal.network_id, row)])
    except AWAY:
        raise Refused(
            503, "audit.away", "The look cannot be recorded, so nothing is shown."
        ) from None


def _patients(event: Envelope, value: Any) -> list[UUID]:
    """Whose the event is, so that the patient's own accounting of looks has it."""
    kind, _, key = event.subject.partition("/")
    named = [key] if kind == "patient" else []
    if isinstance(value, dict) and isinstance(value.get("patient_id"), str):
        named.append(value["patient_id"])
    found = []
    for name in named:
        try:
            found.append(UUID(name))
        except ValueError:
            continue
    return sorted(set(found))
