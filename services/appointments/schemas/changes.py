"""Models of what changes a visit."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments.domain.reasons import Reason
from services.appointments.schemas.visits import Wanted
from shared.web.fields import STRICT, Line


class RescheduleAppointment(BaseModel):
    """Where a visit is to go; what is left out stays as it is."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"starts_at": "2026-12-01T09:00:00-07:00", "reason": "patient_request"}]
        },
    )

    starts_at: Wanted
    ends_at: Wanted | None = None
    clinic_id: UUID | None = None
    provider_id: UUID | None = None
    room_id: UUID | None = None
    further_provider_ids: Annotated[list[UUID], Field(max_length=3)] | None = None
    overbook: bool = False
    overlap_reason: Line | None = None
    reason: Annotated[Reason, Field(strict=False)]


class CancelAppointment(BaseModel):
    """Why a visit is called off.

    frees_slot: whether somebody else can have the time; left out, the reason decides.
    """

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"reason": "patient_request"}]}
    )

    reason: Annotated[Reason, Field(strict=False)]
    frees_slot: bool | None = None
