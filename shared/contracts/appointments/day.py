"""The day of a visit: who came, where they are, what was taken back, and who waits too long."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict

from shared.contracts.appointments.samples import ROOM, VISIT
from shared.contracts.appointments.visits import VisitEvent


class PatientArrived(VisitEvent):
    """The patient is in the building.

    `after_no_show`: they came later on the day on which they had been given up; the visit, which
    others took for one that will not be, is to be held after all.
    """

    name: ClassVar[str] = "patient.arrived"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**VISIT, "after_no_show": False, "arrived_at": "2026-11-30T15:45:00Z"}]
        }
    )

    after_no_show: bool
    arrived_at: AwareDatetime


class VisitStepUndone(VisitEvent):
    """What was noted was not so: the patient had not arrived, or was not checked in."""

    name: ClassVar[str] = "visit.step_undone"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**VISIT, "step": "checked_in", "undone_at": "2026-11-30T15:52:00Z"}]
        }
    )

    step: Literal["arrived", "checked_in"]
    undone_at: AwareDatetime


class VisitStageReached(VisitEvent):
    """Where a patient is between check-in and check-out; `room_id` where they are in a room."""

    name: ClassVar[str] = "visit.stage_reached"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **VISIT,
                    "stage": "roomed",
                    "room_id": ROOM,
                    "reached_at": "2026-11-30T15:58:00Z",
                }
            ]
        }
    )

    stage: Literal["roomed", "with_nurse", "with_provider", "ready_for_checkout"]
    room_id: UUID | None = None
    reached_at: AwareDatetime


class AppointmentEnteredInError(VisitEvent):
    """There never was such a visit: what was said of it before no longer counts."""

    name: ClassVar[str] = "appointment.entered_in_error"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**VISIT, "marked_at": "2026-11-30T17:00:00Z"}]}
    )

    marked_at: AwareDatetime


class WaitingTooLong(VisitEvent):
    """Somebody waits longer since their turn than the clinic lets anybody; said once a wait."""

    name: ClassVar[str] = "queue.entry_waiting_too_long"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **VISIT,
                    "queue_entry_id": "0190a1b2-0000-7000-8000-000000000015",
                    "turn_at": "2026-11-30T16:00:00Z",
                    "minutes": 15,
                    "noticed_at": "2026-11-30T16:15:00Z",
                }
            ]
        }
    )

    queue_entry_id: UUID
    turn_at: AwareDatetime
    minutes: int
    noticed_at: AwareDatetime
