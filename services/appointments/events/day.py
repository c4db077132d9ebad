"""What happens on the day of a visit, as events."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.appointments.domain.status import Flow
from services.appointments.tables import Appointment, QueueEntry
from shared.contracts.appointments import (
    AppointmentEnteredInError,
    PatientArrived,
    VisitStageReached,
    VisitStepUndone,
    WaitingTooLong,
)

Stage = Literal["roomed", "with_nurse", "with_provider", "ready_for_checkout"]
_STAGES: dict[Flow, Stage] = {
    Flow.ROOMED: "roomed",
    Flow.WITH_NURSE: "with_nurse",
    Flow.WITH_PROVIDER: "with_provider",
    Flow.READY_FOR_CHECKOUT: "ready_for_checkout",
}


def arrived(row: Appointment, at: datetime, *, after_no_show: bool = False) -> PatientArrived:
    """The patient is in the building."""
    return PatientArrived(**_visit(row), after_no_show=after_no_show, arrived_at=at)


def step_undone(
    row: Appointment, step: Literal["arrived", "checked_in"], at: datetime
) -> VisitStepUndone:
    """What was noted was not so."""
    return VisitStepUndone(**_visit(row), step=step, undone_at=at)


def stage_reached(row: Appointment, room_id: UUID | None, at: datetime) -> VisitStageReached:
    """Where the patient is. `row` has its new flow already."""
    stage = _STAGES[Flow(row.flow)]
    return VisitStageReached(**_visit(row), stage=stage, room_id=room_id, reached_at=at)


def entered_in_error(row: Appointment, at: datetime) -> AppointmentEnteredInError:
    """There never was such a visit."""
    return AppointmentEnteredInError(**_visit(row), marked_at=at)


def waiting_too_long(row: Appointment, entry: QueueEntry, at: datetime) -> WaitingTooLong:
    """Somebody has waited too long since their turn."""
    return WaitingTooLong(
        **_visit(row),
        queue_entry_id=entry.id,
        turn_at=entry.turn_at,
        minutes=int((at - entry.turn_at).total_seconds() // 60),
        noticed_at=at,
    )


def _visit(row: Appointment) -> dict[str, Any]:
    return {
        "appointment_id": row.id,
        "patient_id": row.patient_id,
        "clinic_id": row.clinic_id,
    }
