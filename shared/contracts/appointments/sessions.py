"""A group session. Each of its seats is a visit, which says its own events."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, JsonValue

from shared.contracts.appointments.samples import CLINIC, PROVIDER, TYPE
from shared.contracts.envelope import Code, Event

_SESSION: dict[str, JsonValue] = {
    "session_id": "0190a1b2-0000-7000-8000-000000000015",
    "clinic_id": CLINIC,
    "provider_id": PROVIDER,
    "appointment_type_id": TYPE,
    "starts_at": "2026-11-30T16:00:00Z",
    "ends_at": "2026-11-30T17:30:00Z",
}


class SessionEvent(Event):
    """Where every event of one session stands: the time that it takes now."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "session"
    subject_field: ClassVar[str] = "session_id"

    session_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class SessionOpened(SessionEvent):
    """A session has its place and time, and seats that can be taken."""

    name: ClassVar[str] = "session.opened"
    model_config = ConfigDict(json_schema_extra={"examples": [{**_SESSION, "seats": 12}]})

    seats: int


class SessionMoved(SessionEvent):
    """A session moved with all its seats; `moves` counts how often it has."""

    name: ClassVar[str] = "session.moved"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_SESSION, "moves": 1, "reason": "clinic_request"}]}
    )

    moves: int
    reason: Code


class SessionCancelled(SessionEvent):
    """A session was called off with all its seats."""

    name: ClassVar[str] = "session.cancelled"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_SESSION, "reason": "provider_unavailable"}]}
    )

    reason: Code
