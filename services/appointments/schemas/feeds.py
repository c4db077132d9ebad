"""Models of calendar feeds."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.appointments import tables as t
from shared.web.fields import STRICT

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"


class CreateFeed(BaseModel):
    """A feed of one provider or of one clinic."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"clinic_id": _CLINIC}]})

    provider_id: UUID | None = None
    clinic_id: UUID | None = None


class FeedView(BaseModel):
    """A feed; its secret is not kept, so it is not here."""

    id: UUID
    provider_id: UUID | None
    clinic_id: UUID | None
    created_at: datetime
    rotated_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: t.CalendarFeed) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class FeedAddress(BaseModel):
    """Where a calendar can subscribe, shown this once. Whoever has it can read the feed."""

    feed_id: UUID
    path: str
