"""Models of on-call shifts."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.on_call import Gap, Rank
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT, CodeText, QueryTime

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_PROVIDER = "0190a1b2-0000-7000-8000-000000000011"


class AddShift(BaseModel):
    """Somebody is on call for a role, at a clinic or (without one) for the network.

    Times without an offset are wall time of the clinic's zone, or of `time_zone`.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "role": "pediatrics",
                    "rank": "primary",
                    "provider_id": _PROVIDER,
                    "clinic_id": _CLINIC,
                    "starts_at": "2026-12-01T18:00:00-07:00",
                    "ends_at": "2026-12-02T08:00:00-07:00",
                }
            ]
        },
    )

    role: CodeText
    rank: Annotated[Rank, Field(strict=False)] = Rank.PRIMARY
    provider_id: UUID
    clinic_id: UUID | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    starts_at: Wanted
    ends_at: Wanted


class ShiftView(BaseModel):
    """A shift; `local_start` and `local_end` as the clocks of its zone show them."""

    id: UUID
    role: str
    rank: str
    provider_id: UUID
    clinic_id: UUID | None
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    local_start: str
    local_end: str
    withdrawn: bool

    @classmethod
    def of(cls, row: t.OnCallShift) -> Self:
        """The view of a row."""
        own = {"local_start", "local_end", "withdrawn"}
        in_zone = ZoneInfo(row.time_zone)
        return cls(
            **{name: getattr(row, name) for name in cls.model_fields if name not in own},
            local_start=row.starts_at.astimezone(in_zone).isoformat(),
            local_end=row.ends_at.astimezone(in_zone).isoformat(),
            withdrawn=row.withdrawn_at is not None,
        )


class OnCallQuery(BaseModel):
    """At an instant (now where none is given), for a role, at a clinic and for the network."""

    model_config = ConfigDict(extra="forbid")

    at: QueryTime | None = None
    role: CodeText | None = None
    clinic_id: UUID | None = None


class OnCallList(BaseModel):
    """Who is on call: by role, primaries first."""

    items: list[ShiftView]


class ListShifts(BaseModel):
    """Shifts of a window."""

    model_config = ConfigDict(extra="forbid")

    since: QueryTime
    until: QueryTime
    role: CodeText | None = None
    clinic_id: UUID | None = None


class GapView(BaseModel):
    """Nobody is on call first for a role."""

    role: str
    clinic_id: UUID | None
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, gap: Gap) -> Self:
        """The view of a gap."""
        return cls(
            role=gap.role,
            clinic_id=gap.clinic_id,
            starts_at=gap.interval.start,
            ends_at=gap.interval.end,
        )


class ShiftList(BaseModel):
    """Shifts by start, and when nobody is on call first."""

    items: list[ShiftView]
    gaps: list[GapView]
