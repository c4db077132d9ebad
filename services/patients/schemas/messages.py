"""Models of what messages may come by."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.patients import tables as t
from services.patients.domain.messages import MessageChannel
from services.patients.schemas.people import PATIENT_ID
from shared.web.fields import STRICT

_Channel = Annotated[MessageChannel, Field(strict=False)]


class PreferMessages(BaseModel):
    """The channels that messages may come by, the first first; an empty list allows none.

    `time_zone` is that of the patient's clocks, where it is not the clinic's.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"channels": ["email", "sms"], "time_zone": "America/Denver"}]
        },
    )

    channels: Annotated[list[_Channel], Field(max_length=3)]
    time_zone: Annotated[str, Field(max_length=64)] | None = None


class PreferenceView(BaseModel):
    """What a patient chose; `channels` is null where they chose nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": PATIENT_ID,
                    "channels": ["email", "sms"],
                    "time_zone": "America/Denver",
                    "preferred_at": "2026-11-23T15:00:00Z",
                }
            ]
        }
    )

    patient_id: UUID
    channels: list[str] | None
    time_zone: str | None
    preferred_at: datetime | None

    @classmethod
    def of(cls, patient_id: UUID, row: t.MessagePreference | None) -> Self:
        """The view of a row, or of none."""
        if row is None:
            return cls(patient_id=patient_id, channels=None, time_zone=None, preferred_at=None)
        return cls(
            patient_id=patient_id,
            channels=row.channels,
            time_zone=row.time_zone,
            preferred_at=row.preferred_at,
        )


class AskContactPoint(BaseModel):
    """Whom a message is for, and what it goes by."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"patient_id": PATIENT_ID, "channel": "email"}]},
    )

    patient_id: UUID
    channel: _Channel


class ContactPointView(BaseModel):
    """Where the message goes; `address` is null where the patient cannot be reached by it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"channel": "email", "address": "lupe@example.org"}]}
    )

    channel: str
    address: str | None
