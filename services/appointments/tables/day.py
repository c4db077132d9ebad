"""The day of the visit: steps, checks, policies, rooms, the waiting room, visitors."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.appointments.tables.registered import Base


class VisitStep(Base, table=True):
    """One move of a visit on its day: what, when, by whom, and why where something is undone."""

    __tablename__ = "visit_steps"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    appointment_id: UUID
    patient_id: UUID
    move: str
    from_flow: str
    to_flow: str
    room_id: UUID | None = None
    reason: str | None = None
    at: datetime
    done_by: str


class RequirementCheck(Base, table=True):
    """A requirement that somebody verified, waived, or took their word back of."""

    __tablename__ = "requirement_checks"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    appointment_id: UUID
    patient_id: UUID
    code: str
    outcome: str
    reason: str | None = None
    visit_moves: int
    checked_at: datetime
    checked_by: str


class VisitPolicy(Base, table=True):
    """What a network, a clinic or a kind of visit asks for. `members` as `domain.policies`."""

    __tablename__ = "visit_policies"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None
    members: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = 1


class RoomState(Base, table=True):
    """How a room stands; a room without a row is free."""

    __tablename__ = "room_states"

    network_id: UUID = Field(primary_key=True)
    room_id: UUID = Field(primary_key=True)
    clinic_id: UUID
    state: str
    since: datetime
    changed_by: str


class RoomStay(Base, table=True):
    """A visit in a room, at one of its places."""

    __tablename__ = "room_stays"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    room_id: UUID
    clinic_id: UUID
    appointment_id: UUID
    place: int
    entered_at: datetime
    entered_by: str
    left_at: datetime | None = None


class QueueEntry(Base, table=True):
    """A wait, with what was promised at its beginning."""

    __tablename__ = "queue_entries"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_id: UUID
    patient_id: UUID
    priority: str = "routine"
    priority_reason: str | None = None
    entered_at: datetime
    turn_at: datetime
    promised_minutes: int | None = None
    promised_minutes_p90: int | None = None
    promised_from: str = "too_few"
    alarmed_at: datetime | None = None
    ended_at: datetime | None = None
    ended_as: str | None = None
    waited_seconds: int | None = None
    version: int = 1


class Visitor(Base, table=True):
    """Somebody in the building who is no patient."""

    __tablename__ = "visitors"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    name: str
    company: str | None = None
    purpose: str
    visits: str
    badge: str
    came_at: datetime
    let_in_by: str
    left_at: datetime | None = None
    let_out_by: str | None = None
    version: int = 1
