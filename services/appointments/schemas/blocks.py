"""Models of blocks and of moving the visits in their way."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.blocks import (
    RESOURCES_MAX,
    VISITS_MAX,
    BlockKind,
    OnVisits,
    Resource,
)
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.slots import Slot
from services.appointments.schemas.availability import SlotView
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT, Line, QueryTime

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_PROVIDER = "0190a1b2-0000-7000-8000-000000000011"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"

Ids = Annotated[list[UUID], Field(max_length=RESOURCES_MAX)]


class PreviewBlock(BaseModel):
    """A block as it would be made."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "clinic_id": _CLINIC,
                    "kind": "meeting",
                    "starts_at": "2026-12-01T12:00:00-07:00",
                    "ends_at": "2026-12-01T13:00:00-07:00",
                    "provider_ids": [_PROVIDER],
                }
            ]
        },
    )

    clinic_id: UUID
    kind: Annotated[BlockKind, Field(strict=False)]
    starts_at: Wanted
    ends_at: Wanted
    provider_ids: Ids = []
    room_ids: Ids = []
    appointment_type_id: UUID | None = None
    note: Line | None = None


class CreateBlock(PreviewBlock):
    """A block of all that it names, or of nothing.

    `on_visits`: with visits in its way it is refused unless they are to be kept where they are, or
    proposals are wanted. Either way nobody is booked there any more.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "clinic_id": _CLINIC,
                    "kind": "time_off",
                    "starts_at": "2026-12-02T08:00:00-07:00",
                    "ends_at": "2026-12-02T17:00:00-07:00",
                    "provider_ids": [_PROVIDER],
                    "on_visits": "propose",
                }
            ]
        },
    )

    on_visits: Annotated[OnVisits, Field(strict=False)] = OnVisits.REFUSE


class HitView(BaseModel):
    """A visit in the way, with up to three times instead where they were asked for."""

    appointment_id: UUID
    patient_id: UUID
    provider_id: UUID
    room_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    lifecycle: str
    alternatives: list[SlotView]

    @classmethod
    def of(cls, row: t.Appointment, slots: tuple[Slot, ...], time_zone: str) -> Self:
        """The view of a visit."""
        own = {"appointment_id", "alternatives"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        views = [SlotView.of(slot, time_zone) for slot in slots]
        return cls(**members, appointment_id=row.id, alternatives=views)


class HitList(BaseModel):
    """The visits in a block's way; `elsewhere` counts what is at clinics of others.

    `session_ids` are the group sessions in its way: their seats are among the visits, and they are
    moved or called off as a whole.
    """

    items: list[HitView]
    elsewhere: int
    session_ids: list[UUID]


class BlockView(BaseModel):
    """Time that is not for visits, or for those of one type alone."""

    id: UUID
    clinic_id: UUID
    kind: str
    starts_at: datetime
    ends_at: datetime
    provider_ids: list[UUID]
    room_ids: list[UUID]
    appointment_type_id: UUID | None
    note: str | None
    created_at: datetime
    lifted_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: t.Block, resources: tuple[Resource, ...]) -> Self:
        """The view of a row and whose time it takes."""
        own = {"provider_ids", "room_ids"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        return cls(
            **members,
            provider_ids=[key for kind, key in resources if kind is ResourceKind.PROVIDER],
            room_ids=[key for kind, key in resources if kind is ResourceKind.ROOM],
        )


class BlockMade(BaseModel):
    """A block, and what is in its way."""

    block: BlockView
    visits: HitList


class ListBlocks(BaseModel):
    """A clinic's blocks that touch a window."""

    model_config = ConfigDict(extra="forbid")

    clinic_id: UUID
    since: QueryTime
    until: QueryTime


class BlockList(BaseModel):
    """Blocks by start."""

    items: list[BlockView]


class MoveItem(BaseModel):
    """Where one visit goes; to other providers where some are named."""

    model_config = ConfigDict(**STRICT)

    appointment_id: UUID
    starts_at: Wanted
    provider_id: UUID | None = None
    further_provider_ids: Annotated[list[UUID], Field(max_length=3)] | None = None


class RebookVisits(BaseModel):
    """Visits to move out of a block."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "moves": [
                        {"appointment_id": _APPOINTMENT, "starts_at": "2026-12-03T09:00:00-07:00"}
                    ]
                }
            ]
        },
    )

    moves: Annotated[list[MoveItem], Field(min_length=1, max_length=VISITS_MAX)]


class MovedView(BaseModel):
    """How it went with one visit; `code` says why it stays."""

    appointment_id: UUID
    moved: bool
    code: str | None


class RebookReport(BaseModel):
    """How it went with each visit, in the order in which they were named."""

    items: list[MovedView]
    stay: int
