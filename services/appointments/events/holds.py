"""What happens to a hold, as events."""

from typing import Any, Literal

from services.appointments.tables import Hold
from shared.contracts.appointments import AppointmentHeld, HoldExpired, HoldReleased


def held(row: Hold) -> AppointmentHeld:
    """Time is held, or held for longer."""
    return AppointmentHeld(**_place(row), expires_at=row.expires_at, extended=row.extended)


def hold_released(row: Hold, cause: Literal["given_back", "booked"]) -> HoldReleased:
    """A hold has ended before its time; `appointment_id` names the visit that it became."""
    return HoldReleased(**_place(row), cause=cause, appointment_id=row.appointment_id)


def hold_expired(row: Hold) -> HoldExpired:
    """A hold has run out."""
    return HoldExpired(**_place(row), expired_at=row.expires_at)


def _place(row: Hold) -> dict[str, Any]:
    return {
        "hold_id": row.id,
        "patient_id": row.patient_id,
        "clinic_id": row.clinic_id,
        "provider_id": row.provider_id,
        "appointment_type_id": row.appointment_type_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "purpose": row.purpose,
    }
