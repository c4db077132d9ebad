"""What happens to a group session, as events; its seats say their own."""

from typing import Any

from services.appointments.tables import Session
from shared.contracts.appointments import SessionCancelled, SessionMoved, SessionOpened


def session_opened(row: Session) -> SessionOpened:
    """Seats can be taken."""
    return SessionOpened(**_place(row), seats=row.seats)


def session_moved(row: Session, reason: str) -> SessionMoved:
    """It is at another time, with all its seats."""
    return SessionMoved(**_place(row), moves=row.moves, reason=reason)


def session_cancelled(row: Session) -> SessionCancelled:
    """It was called off, with all its seats."""
    return SessionCancelled(**_place(row), reason=row.cancel_reason or "")


def _place(row: Session) -> dict[str, Any]:
    return {
        "session_id": row.id,
        "clinic_id": row.clinic_id,
        "provider_id": row.provider_id,
        "appointment_type_id": row.appointment_type_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }
