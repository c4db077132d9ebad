"""The writes of the mechanism: events, audit, timers and intents, as members of one statement."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.contracts.envelope import VALUE_BYTES_MAX, Envelope, Event, headers_of
from shared.contracts.partition import partition_of
from shared.contracts.versions import value_of
from shared.db.context import Context
from shared.db.staged import Write
from shared.values.errors import TooLarge
from shared.values.ids import new_id

_OUTBOX = (
    "INSERT INTO outbox (network_id, event_id, type, subject, subject_seq, clinic_id,"
    " correlation_id, occurred_at, topic, partition, key, headers, value)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::text[], $13) RETURNING 1"
)
_AUDIT = (
    "INSERT INTO audit (network_id, id, at, actor, roles, on_behalf_of, action, resource,"
    " patient_ids, outcome, correlation_id, detail)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING 1"
)
# One text for any number: a statement that grows with its rows is planned anew for each number.
_TIMERS = (
    "INSERT INTO timer (network_id, kind, subject_id, due_at)"
    " SELECT $1, t.* FROM unnest($2::text[], $3::uuid[], $4::timestamptz[]) AS t"
    " ON CONFLICT (network_id, kind, subject_id) DO UPDATE"
    " SET due_at = excluded.due_at, ended_at = NULL, attempts = 0 RETURNING 1"
)
_TIMERS_OFF = (
    "UPDATE timer SET ended_at = $4 FROM unnest($2::text[], $3::uuid[]) AS t (kind, subject_id)"
    " WHERE timer.network_id = $1 AND timer.kind = t.kind AND timer.subject_id = t.subject_id"
    " AND ended_at IS NULL RETURNING 1"
)
_INTENT = (
    "INSERT INTO intent (network_id, id, kind, subject_id, body, actor, correlation_id,"
    " causation_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING 1"
)

_INTENT_WITHOUT = (
    "UPDATE intent SET body = body - $4"
    " WHERE network_id = $1 AND kind = $2 AND subject_id = $3 AND body ? $4 RETURNING 1"
)


def event_row(envelope: Envelope, event: Event) -> Write:
    """An outbox row, ready for the wire. Raises TooLarge for an event over the size limit."""
    value = value_of(event)
    if len(value) > VALUE_BYTES_MAX:
        raise TooLarge(
            "event.too_large", "What this change says to others is over the limit on size."
        )
    key = str(event.subject_id)
    recorded = datetime.now(UTC)  # noqa: TID251 - ages and traces are of real time
    flat = [text for pair in headers_of(envelope, event, recorded) for text in pair]
    arguments = (
        envelope.network_id,
        envelope.id,
        envelope.type,
        envelope.subject,
        envelope.subject_seq,
        envelope.clinic_id,
        envelope.correlation_id,
        envelope.time,
        event.topic(),
        partition_of(key),
        key,
        array_text(flat),
        value,
    )
    return Write(_OUTBOX, arguments, 1, "outbox")


def array_text(values: Sequence[str]) -> str:
    """A text[] as Postgres reads it (Arrays, section "Array Input and Output Syntax").

    The driver would look at each member for members of its own.
    """
    if not values:
        return "{}"
    plain = '","'.join(values)
    if "\\" in plain or plain.count('"') != 2 * (len(values) - 1):
        escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        plain = '","'.join(escaped)
    return f'{{"{plain}"}}'


def audit_row(
    context: Context,
    action: str,
    resource: str,
    patients: Sequence[UUID],
    outcome: str,
    detail: Mapping[str, Any],
) -> Write:
    """An audit row."""
    actor = context.actor
    arguments = (
        context.network_id,
        new_id(),
        context.now,
        str(actor),
        list(actor.roles),
        actor.on_behalf_of,
        action,
        resource,
        list(patients),
        outcome,
        context.correlation_id,
        json.dumps(dict(detail)),
    )
    return Write(_AUDIT, arguments, 1, "audit")


def timer_writes(
    context: Context, timers: Mapping[tuple[str, UUID], datetime | None]
) -> list[Write]:
    """The timers of kinds and subjects: when each is due now, or None where it is to end."""
    on = sorted((kind, subject, due) for (kind, subject), due in timers.items() if due is not None)
    off = sorted(key for key, due in timers.items() if due is None)
    writes = []
    if on:
        kinds, subjects, due_at = (list(column) for column in zip(*on, strict=True))
        given = (context.network_id, kinds, subjects, due_at)
        writes.append(Write(_TIMERS, given, len(on), "timer"))
    if off:
        kinds, subjects = (list(column) for column in zip(*off, strict=True))
        arguments = (context.network_id, kinds, subjects, context.now)
        writes.append(Write(_TIMERS_OFF, arguments, None, "timer"))
    return writes


def intent_row(
    context: Context, key: UUID, kind: str, subject_id: UUID, body: Mapping[str, Any]
) -> Write:
    """An intent, for an errand to take up."""
    arguments = (
        context.network_id,
        key,
        kind,
        subject_id,
        json.dumps(dict(body)),
        str(context.actor),
        context.correlation_id,
        context.causation_id,
    )
    return Write(_INTENT, arguments, 1, "intent")


def intent_without(context: Context, kind: str, subject_id: UUID, member: str) -> Write:
    """Take a member out of all intents of a kind about a subject, whatever became of them: what
    only the call had to know is not kept after it. None may still have to be called."""
    return Write(_INTENT_WITHOUT, (context.network_id, kind, subject_id, member), None, "intent")
