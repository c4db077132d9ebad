"""Reminders of a visit. Thin: no address, no words of a message, no reason of the visit."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from shared.contracts.appointments.samples import VISIT
from shared.contracts.appointments.visits import VisitEvent
from shared.contracts.envelope import Code
from shared.contracts.patients import MessageChannel

_REMINDER: dict[str, Any] = {
    **VISIT,
    "reminder_id": "0190a1b2-0000-7000-8000-000000000014",
    "channel": "email",
    "lead_minutes": 1440,
}


class ReminderEvent(VisitEvent):
    """Which reminder of a visit: there is one at most of each channel and lead."""

    reminder_id: UUID
    channel: MessageChannel
    lead_minutes: int = Field(ge=0)


class ReminderDue(ReminderEvent):
    """Its time has come, and it is to be sent."""

    name: ClassVar[str] = "reminder.due"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_REMINDER, "due_at": "2026-11-29T16:00:00Z"}]}
    )

    due_at: AwareDatetime


class ReminderSent(ReminderEvent):
    """A messenger took it over. Whether somebody read it is not known."""

    name: ClassVar[str] = "reminder.sent"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_REMINDER, "sent_at": "2026-11-29T16:00:02Z"}]}
    )

    sent_at: AwareDatetime


class ReminderFailed(ReminderEvent):
    """It did not leave; or with the reason `unknown_outcome`, nobody knows, and it is not sent
    again."""

    name: ClassVar[str] = "reminder.failed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_REMINDER, "reason": "no_address", "failed_at": "2026-11-29T16:00:02Z"}]
        }
    )

    reason: Code
    failed_at: AwareDatetime


class ReminderSuppressed(ReminderEvent):
    """It was due, and was not sent because it no longer held."""

    name: ClassVar[str] = "reminder.suppressed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_REMINDER, "reason": "visit_cancelled", "suppressed_at": "2026-11-29T16:00:02Z"}
            ]
        }
    )

    reason: Code
    suppressed_at: AwareDatetime


class MessagesStopped(VisitEvent):
    """A patient answered a reminder with a word that stops messages by its channel."""

    name: ClassVar[str] = "messages.stopped"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**VISIT, "channel": "email", "stopped_at": "2026-11-29T17:00:00Z"}]
        }
    )

    channel: MessageChannel
    stopped_at: AwareDatetime
