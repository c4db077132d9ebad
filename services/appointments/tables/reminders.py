"""Reminders, what a network asks of them, and whom somebody has to call."""

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, Column, Integer, Text
from sqlmodel import Field

from services.appointments.tables.registered import Base


class ReminderSettings(Base, table=True):
    """When and by what a clinic reminds, where it is not as usual."""

    __tablename__ = "reminder_settings"

    network_id: UUID = Field(primary_key=True)
    clinic_id: UUID = Field(primary_key=True)
    lead_minutes: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    channels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    quiet_from: time
    quiet_until: time
    version: int = 1


class Reminder(Base, table=True):
    """One reminder of a visit: there is one at most of each channel and lead.

    move: which time of the visit it tells. code_digest: of the code that an answer names.
    """

    __tablename__ = "reminders"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    channel: str
    lead_minutes: int
    due_at: datetime
    state: str = "planned"
    reason: str | None = None
    tries: int = 0
    move: int = 0
    code_digest: str | None = None
    sending_at: datetime | None = None
    settled_at: datetime | None = None
    answer: str | None = None
    answered_at: datetime | None = None
    version: int = 1


class ChannelStop(Base, table=True):
    """A patient answered with a word that stops messages by a channel."""

    __tablename__ = "channel_stops"

    network_id: UUID = Field(primary_key=True)
    patient_id: UUID = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    stopped_at: datetime


class CallTask(Base, table=True):
    """Somebody has to call a patient about a visit: one task a visit, with all its reasons."""

    __tablename__ = "call_tasks"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    reasons: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    state: str = "open"
    due_by: datetime
    opened_at: datetime
    taken_by: str | None = None
    taken_at: datetime | None = None
    outcome: str | None = None
    ended_at: datetime | None = None
    version: int = 1
