"""Models of equipment."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from shared.web.fields import STRICT, CodeText, Line

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"


class AddEquipment(BaseModel):
    """An item to enter: `capacity` visits use it at once."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"clinic_id": _CLINIC, "kind": "ultrasound", "name": "Ultrasound 1"}]
        },
    )

    clinic_id: UUID
    kind: CodeText
    name: Line
    capacity: Annotated[int, Field(ge=1, le=100)] = 1
    position: Annotated[int, Field(ge=0, le=1000)] = 0


class EquipmentView(BaseModel):
    """An item of a clinic, and the local days on which it is out of service."""

    id: UUID
    clinic_id: UUID
    kind: str
    name: str
    capacity: int
    position: int
    out_from: date | None
    out_until: date | None

    @classmethod
    def of(cls, row: t.Equipment) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class EquipmentList(BaseModel):
    """The items of a clinic, in the order in which they fill up."""

    items: list[EquipmentView]


class ListEquipment(BaseModel):
    """Of a clinic."""

    model_config = ConfigDict(extra="forbid")

    clinic_id: UUID


class OutOfService(BaseModel):
    """Local days, both included. No `since` puts it back; no `until`: nobody knows yet."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"since": "2026-12-01", "until": "2026-12-03"}]}
    )

    since: date | None
    until: date | None = None


class OutOfServiceView(BaseModel):
    """The item, and the visits that have it on those days."""

    equipment: EquipmentView
    visits_hit: list[UUID]
