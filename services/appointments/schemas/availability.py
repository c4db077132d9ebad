"""Models of availability."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.appointments.domain.empty import Empty
from services.appointments.domain.slots import Slot
from shared.web.fields import QueryTime

REASONS = f"One of {', '.join(Empty)}."
"""Which reasons there are."""


class FindSlots(BaseModel):
    """What is looked for: a slot that starts in a window of at most 93 days.

    Without `since` it begins now, without `until` it is two weeks long. Clinics, providers and
    rooms are named by repeating the parameter; no provider is every one of the clinics. `cursor`
    goes on where a page ended, with the same question.
    """

    model_config = ConfigDict(extra="forbid")

    appointment_type_id: UUID
    clinic_id: Annotated[list[UUID], Field(min_length=1, max_length=20)]
    provider_id: Annotated[list[UUID], Field(max_length=50)] = []
    room_id: Annotated[list[UUID], Field(max_length=50)] = []
    modality: Literal["in_person", "video", "phone"] = "in_person"
    since: QueryTime | None = None
    until: QueryTime | None = None
    patient_id: UUID | None = None
    known_patient: bool | None = None
    grid_minutes: Literal["5", "10", "15", "20", "30", "60"] = "15"
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=512)] = None


class SlotView(BaseModel):
    """A time that can be booked."""

    starts_at: datetime
    ends_at: datetime
    local_start: str
    time_zone: str
    provider_id: UUID
    clinic_id: UUID
    room_id: UUID | None
    further_provider_ids: list[UUID]

    @classmethod
    def of(cls, slot: Slot, time_zone: str) -> Self:
        """The view of a slot."""
        return cls(
            starts_at=slot.interval.start,
            ends_at=slot.interval.end,
            local_start=slot.interval.start.astimezone(ZoneInfo(time_zone)).isoformat(),
            time_zone=time_zone,
            provider_id=slot.provider_id,
            clinic_id=slot.clinic_id,
            room_id=slot.room_id,
            further_provider_ids=list(slot.further_provider_ids),
        )


class EmptyView(BaseModel):
    """Why a provider has no slot at a clinic."""

    provider_id: UUID
    clinic_id: UUID
    reason: Annotated[str, Field(description=REASONS)]


class AvailabilityView(BaseModel):
    """Slots in time order; `more` and `next` when the limit cut some off.

    empty: a reason for whoever has no slot from the beginning of this page until
    `searched_until`; where rules of a patient are the reason, one was named. self_booking: whether
    a patient may book this kind of visit by themselves (`self_book`), ask the desk for a time
    (`request`) or see the times (`view_only`): the strictest of the clinics asked. time_zone: of
    the first clinic; each slot has its own.
    """

    slots: list[SlotView]
    more: bool
    next: str | None
    empty: list[EmptyView]
    searched_until: datetime
    self_booking: Literal["view_only", "request", "self_book"]
    time_zone: str
