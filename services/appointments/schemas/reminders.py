"""Models of reminders, the answers to them, and the staff's call list."""

from datetime import datetime, time
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from services.appointments import tables as t
from services.appointments.domain.calls import CallOutcome
from services.appointments.domain.messages import CODE_LENGTH
from services.appointments.domain.reminders import Channel, ReminderPolicy
from shared.web.fields import STRICT, Line, WallTime
from shared.web.pages import PageQuery

CODE = "K7QF2M9XT4BD"
"""Of the example."""
_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_VISIT = "0190a1b2-0000-7000-8000-000000000013"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"
_SETTINGS: dict[str, JsonValue] = {
    "lead_minutes": [4320, 1440],
    "channels": ["email"],
    "quiet_from": "20:00:00",
    "quiet_until": "09:00:00",
}
_CALL: dict[str, JsonValue] = {
    "id": "0190a1b2-0000-7000-8000-000000000015",
    "appointment_id": _VISIT,
    "patient_id": _PATIENT,
    "clinic_id": _CLINIC,
    "reasons": ["no_consent"],
    "state": "open",
    "due_by": "2026-11-30T16:00:00Z",
    "opened_at": "2026-11-27T16:00:00Z",
    "taken_by": None,
    "taken_at": None,
    "outcome": None,
    "ended_at": None,
}


class SetReminders(BaseModel):
    """When and by what a clinic reminds. `quiet_from` to `quiet_until` is the patient's wall time.

    `channels` is the order where the patient chose none; a channel nobody carries leads to a call.
    """

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_SETTINGS]})

    lead_minutes: Annotated[
        list[Annotated[int, Field(ge=30, le=60 * 24 * 60)]], Field(max_length=5)
    ]
    channels: Annotated[list[Annotated[Channel, Field(strict=False)]], Field(max_length=3)]
    quiet_from: Annotated[time, Field(strict=False)]
    quiet_until: Annotated[time, Field(strict=False)]


class RemindersView(BaseModel):
    """When and by what a clinic reminds."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"clinic_id": _CLINIC, **_SETTINGS}]})

    clinic_id: UUID
    lead_minutes: list[int]
    channels: list[str]
    quiet_from: WallTime
    quiet_until: WallTime

    @classmethod
    def of(cls, clinic_id: UUID, policy: ReminderPolicy) -> Self:
        """The view of a policy."""
        return cls(
            clinic_id=clinic_id,
            lead_minutes=[int(lead.total_seconds()) // 60 for lead in policy.leads],
            channels=[channel.value for channel in policy.channels],
            quiet_from=policy.quiet_from,
            quiet_until=policy.quiet_until,
        )


class ReminderView(BaseModel):
    """One reminder and what came of it: `sent` says that a mail server took it over."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channel": "email",
                    "lead_minutes": 1440,
                    "due_at": "2026-11-29T16:00:00Z",
                    "state": "sent",
                    "reason": None,
                    "settled_at": "2026-11-29T16:00:02Z",
                    "answer": "yes",
                    "answered_at": "2026-11-29T17:00:00Z",
                }
            ]
        }
    )

    channel: str
    lead_minutes: int
    due_at: datetime
    state: str
    reason: str | None
    settled_at: datetime | None
    answer: str | None
    answered_at: datetime | None

    @classmethod
    def of(cls, row: t.Reminder) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ReminderList(BaseModel):
    """The reminders of a visit, the earliest lead first."""

    items: list[ReminderView]


class AnswerReminder(BaseModel):
    """An answer, by the code that the message named. The words are read and not kept."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"code": CODE, "text": "YES"}]}
    )

    code: Annotated[str, StringConstraints(pattern=rf"^[0-9A-Za-z]{{{CODE_LENGTH}}}$")]
    text: Line


class AnswerView(BaseModel):
    """What an answer came to: `confirmed`, `declined`, `stopped`, `to_be_called`, `too_late`,
    `repeated`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "confirmed"}]})

    outcome: str


class ListCalls(PageQuery):
    """Which calls: those of a clinic."""

    clinic_id: UUID


class FinishCall(BaseModel):
    """What came of a call."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"outcome": "reached"}]})

    outcome: Annotated[CallOutcome, Field(strict=False)]


class CallView(BaseModel):
    """A call to make: whom, about which visit, why, by when, and who has taken it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CALL]})

    id: UUID
    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    reasons: list[str]
    state: str
    due_by: datetime
    opened_at: datetime
    taken_by: str | None
    taken_at: datetime | None
    outcome: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: t.CallTask) -> Self:
        """The view of a row."""
        members: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields}
        return cls(**members)


class CallPage(BaseModel):
    """Calls to make, the most urgent first."""

    items: list[CallView]
    next: str | None = None
