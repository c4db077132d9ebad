"""What happened to a thing, as one service has it: every service answers `GET /v1/traces/{id}`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.contracts.permissions import Permission
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.routes import Routes

LIMIT = 1000

# Looks at every event of the network: this is for a person who looks for one visit, not for a
# screen that is open all day.
_EVENTS = """
SELECT occurred_at, type, subject, subject_seq, event_id, correlation_id, headers FROM outbox
WHERE network_id = $1 AND (key = $2 OR position(convert_to($2, 'UTF8') IN value) > 0)
  AND ($4::uuid[] IS NULL OR clinic_id = ANY ($4))
ORDER BY occurred_at, id LIMIT $3
"""
_AUDIT = """
SELECT at, action, actor, outcome, resource, correlation_id FROM audit
WHERE network_id = $1 AND position($2 IN resource) > 0 ORDER BY at, id LIMIT $3
"""
_HEARD = """
SELECT topic, seq FROM applied WHERE network_id = $1 AND position($2 IN subject) > 0
ORDER BY topic
"""


class TraceEntry(BaseModel):
    """One thing that was said or done."""

    at: datetime
    kind: Literal["event", "audit"]
    what: str
    actor: str
    subject: str
    sequence: int | None
    event_id: UUID | None
    causation_id: UUID | None
    correlation_id: UUID
    outcome: str


class Heard(BaseModel):
    """How far this service has applied a subject that is about the thing."""

    topic: str
    sequence: int


class TraceView(BaseModel):
    """What one service said, did and heard about a thing, in the order of time."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"service": "appointments", "entries": [], "heard": []}]}
    )

    service: str
    entries: list[TraceEntry]
    heard: list[Heard]


ROUTES = Routes("trace")


@ROUTES.get("/v1/traces/{subject_id}", may=Permission.TRACE_READ, reply=TraceView)
async def read_trace(work: Work, call: Call[None]) -> Reply:
    """What this service said, did and heard about an id.

    Who looked at it and what was denied is for those who may read the audit. Who is bound to
    clinics is told the events of these, and nothing else: it says of no clinic whose it is.
    """
    wanted = str(call.id("subject_id"))
    clinics = work.actor.clinic_ids
    mine = None if clinics is None else list(clinics)
    events = await work.raw.fetch(_EVENTS, work.network_id, wanted, LIMIT, mine)
    audits, heard = [], []
    if clinics is None:
        if Permission.AUDIT_READ in call.principal.permissions:
            audits = await work.raw.fetch(_AUDIT, work.network_id, wanted, LIMIT)
        heard = await work.raw.fetch(_HEARD, work.network_id, wanted)
    entries = [_event(row) for row in events]
    entries += [
        TraceEntry(
            at=row["at"],
            kind="audit",
            what=row["action"],
            actor=row["actor"],
            subject=row["resource"],
            sequence=None,
            event_id=None,
            causation_id=None,
            correlation_id=row["correlation_id"],
            outcome=row["outcome"],
        )
        for row in audits
    ]
    entries.sort(key=lambda entry: entry.at)
    known = [Heard(topic=row["topic"], sequence=row["seq"]) for row in heard]
    return Reply(TraceView(service=work.producer, entries=entries, heard=known))


def _event(row: Mapping[str, Any]) -> TraceEntry:
    headers = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
    return TraceEntry.model_validate(
        {
            "at": row["occurred_at"],
            "kind": "event",
            "what": row["type"],
            "actor": headers["ce_actor"],
            "subject": row["subject"],
            "sequence": row["subject_seq"],
            "event_id": row["event_id"],
            "causation_id": headers.get("ce_causationid"),
            "correlation_id": row["correlation_id"],
            "outcome": "said",
        }
    )
