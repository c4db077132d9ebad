"""Visits that repeat. Each is a visit of its own, which says its own events."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict

from shared.contracts.appointments.samples import CLINIC, PATIENT, PROVIDER, TYPE
from shared.contracts.envelope import Event


class SeriesChanged(Event):
    """Visits of a series were booked, moved or called off, in one transaction.

    changed: how many visits. unchanged: how many were meant as well and could not be.
    """

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "series"
    subject_field: ClassVar[str] = "series_id"
    name: ClassVar[str] = "series.changed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "series_id": "0190a1b2-0000-7000-8000-000000000016",
                    "patient_id": PATIENT,
                    "clinic_id": CLINIC,
                    "provider_id": PROVIDER,
                    "appointment_type_id": TYPE,
                    "change": "booked",
                    "scope": "all",
                    "changed": 11,
                    "unchanged": 1,
                }
            ]
        }
    )

    series_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    change: Literal["booked", "rescheduled", "cancelled"]
    scope: Literal["this", "following", "all"]
    changed: int
    unchanged: int
