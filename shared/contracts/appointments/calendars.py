"""What opens and closes a provider's time."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from shared.contracts.appointments.samples import CLINIC, PROVIDER, SCHEDULE
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
