"""What is said of records that turn out to be of one person."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from shared.contracts.patients.people import PatientEvent

_PATIENT = "0190a1b2-0000-7000-8000-000000000001"


class PatientMerged(PatientEvent):
    """A record was found to be of a person who has another one: `survivor_id` stands for both.

    Said of the record that is given up; nothing is addressed to it any more.
    """

    name: ClassVar[str] = "patient.merged"
    expected: ClassVar[bool] = True
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "survivor_id": "0190a1b2-0000-7000-8000-000000000002",
                    "merged_at": "2026-11-23T15:00:00Z",
                }
            ]
        }
    )

    survivor_id: UUID
    merged_at: AwareDatetime
