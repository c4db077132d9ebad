"""Times that became free, who waits for one, and what is offered to whom."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, Column, Integer, Uuid
from sqlmodel import Field

from services.appointments.tables.registered import Base


class ReleasedSlot(Base, table=True):
    """A time that became free before it began. Whether it still is, `occupancies` say.

    session_id: where it is a seat of a group session, which is then when the session is.
    """

    __tablename__ = "released_slots"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    clinic_id: UUID
    provider_id: UUID
    starts_at: datetime
    ends_at: datetime
    session_id: UUID | None = None
    released_at: datetime
    version: int = 1


class WaitlistEntry(Base, table=True):
    """Somebody who waits for a visit of a type. clinic_id: whose desk keeps the entry.

    What is None in the lists stands for any; the hours are the wall time of the slot's clinic.
    """

    __tablename__ = "waitlist_entries"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    clinic_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    provider_ids: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    weekdays: list[int] | None = Field(default=None, sa_column=Column(ARRAY(Integer)))
    opens: time
    closes: time
    earliest: date | None = None
    latest: date | None = None
    notice_minutes: int = 0
    priority: str = "normal"
    priority_reason: str | None = None
    replaces_appointment_id: UUID | None = None
    state: str = "waiting"
    entered_at: datetime
    ended_at: datetime | None = None
    offers: int = 0
    passed_over: bool = False
    appointment_id: UUID | None = None
    version: int = 1
    event_seq: int = 0


class WaitlistOffer(Base, table=True):
    """A time that is held for somebody who waits, until they answer or `expires_at`."""

    __tablename__ = "waitlist_offers"

    id: UUID = Field(primary_key=True)
    network_id: UUID
    entry_id: UUID
    slot_id: UUID
    hold_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    ends_at: datetime
    session_id: UUID | None = None
    state: str = "made"
    made_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    appointment_id: UUID | None = None
    version: int = 1
