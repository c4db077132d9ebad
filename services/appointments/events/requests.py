"""What becomes of a time that somebody asks for, as events."""

from typing import Any, cast
from uuid import UUID

from services.appointments.tables import AppointmentRequest
from shared.contracts.appointments import (
    AppointmentRequestAccepted,
    AppointmentRequestDeclined,
    AppointmentRequestExpired,
    AppointmentRequestMade,
    AppointmentRequestWithdrawn,
)


def request_made(row: AppointmentRequest) -> AppointmentRequestMade:
    """Somebody asks for a time."""
    return AppointmentRequestMade(
        **_request(row), provider_id=row.provider_id, wished=list(row.wished)
    )


def request_accepted(row: AppointmentRequest, appointment_id: UUID) -> AppointmentRequestAccepted:
    """It is a visit now."""
    return AppointmentRequestAccepted(**_request(row), appointment_id=appointment_id)


def request_declined(row: AppointmentRequest) -> AppointmentRequestDeclined:
    """The desk says no."""
    return AppointmentRequestDeclined(**_request(row), reason=cast("Any", row.reason))


def request_withdrawn(row: AppointmentRequest) -> AppointmentRequestWithdrawn:
    """They take it back."""
    return AppointmentRequestWithdrawn(**_request(row))


def request_expired(row: AppointmentRequest) -> AppointmentRequestExpired:
    """Its last time has passed."""
    return AppointmentRequestExpired(**_request(row))


def _request(row: AppointmentRequest) -> dict[str, Any]:
    return {
        "request_id": row.id,
        "patient_id": row.patient_id,
        "clinic_id": row.clinic_id,
        "appointment_type_id": row.appointment_type_id,
    }
