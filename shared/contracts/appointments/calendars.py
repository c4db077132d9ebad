"""What opens and closes a provider's time."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from shared.contracts.appointments.samples import BLOCK, BLOCKED_ROOM, CLINIC, PROVIDER, SCHEDULE
from shared.contracts.envelope import Event


class ScheduleTemplateChanged(Event):
    """Hours of a provider at a clinic were entered, end, or were called off before they began.

    A template that becomes another ends, and the other is entered.
    """

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "schedule"
    subject_field: ClassVar[str] = "schedule_id"
    name: ClassVar[str] = "schedule.template_changed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "schedule_id": SCHEDULE,
                    "provider_id": PROVIDER,
                    "clinic_id": CLINIC,
                    "change": "ended",
                    "effective_from": "2026-01-05",
                    "effective_until": "2026-12-31",
                    "changed_at": "2026-11-23T15:00:00Z",
                }
            ]
        }
    )

    schedule_id: UUID
    provider_id: UUID
    clinic_id: UUID
    change: Literal["entered", "ended", "called_off"]
    effective_from: date | None
    effective_until: date | None
    changed_at: AwareDatetime


class BlockEvent(Event):
    """Where every event of one block stands."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "block"
    subject_field: ClassVar[str] = "block_id"

    block_id: UUID
    clinic_id: UUID
    provider_ids: list[UUID] = Field(max_length=50)
    room_ids: list[UUID] = Field(max_length=50)
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class ProviderBlockCreated(BlockEvent):
    """Time of providers and rooms is not for visits, or for those of one type alone.

    visits_hit: how many visits were in its way; each is moved by an event of its own.
    """

    name: ClassVar[str] = "provider.block_created"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "block_id": BLOCK,
                    "clinic_id": CLINIC,
                    "kind": "time_off",
                    "provider_ids": [PROVIDER],
                    "room_ids": [],
                    "appointment_type_id": None,
                    "starts_at": "2026-11-30T15:00:00Z",
                    "ends_at": "2026-12-01T00:00:00Z",
                    "visits_hit": 14,
                }
            ]
        }
    )

    kind: Literal["meeting", "time_off", "administration", "travel", "hold", "freeze"]
    appointment_type_id: UUID | None
    visits_hit: int


class BlockLifted(BlockEvent):
    """What is left of a block's time is free again, from `starts_at` on."""

    name: ClassVar[str] = "block.lifted"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "block_id": BLOCK,
                    "clinic_id": CLINIC,
                    "provider_ids": [PROVIDER],
                    "room_ids": [BLOCKED_ROOM],
                    "starts_at": "2026-11-30T18:00:00Z",
                    "ends_at": "2026-12-01T00:00:00Z",
                    "lifted_at": "2026-11-30T18:00:00Z",
                }
            ]
        }
    )

    lifted_at: AwareDatetime
