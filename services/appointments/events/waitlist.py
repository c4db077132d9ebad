"""What happens on the waitlist, as events."""

from typing import Any
from uuid import UUID

from services.appointments.tables import WaitlistEntry, WaitlistOffer
from shared.contracts.appointments import (
    WaitlistEntered,
    WaitlistOfferAccepted,
    WaitlistOfferDeclined,
    WaitlistOfferExpired,
    WaitlistOfferMade,
)


def waitlist_entered(row: WaitlistEntry) -> WaitlistEntered:
    """Somebody waits."""
    return WaitlistEntered(
        entry_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        appointment_type_id=row.appointment_type_id,
    )


def offer_made(row: WaitlistOffer) -> WaitlistOfferMade:
    """A time is held for them."""
    return WaitlistOfferMade(**_offer(row), expires_at=row.expires_at)


def offer_accepted(row: WaitlistOffer, appointment_id: UUID) -> WaitlistOfferAccepted:
    """The time is a visit now."""
    return WaitlistOfferAccepted(**_offer(row), appointment_id=appointment_id)


def offer_declined(row: WaitlistOffer) -> WaitlistOfferDeclined:
    """They do not want it."""
    return WaitlistOfferDeclined(**_offer(row))


def offer_expired(row: WaitlistOffer) -> WaitlistOfferExpired:
    """They did not answer."""
    return WaitlistOfferExpired(**_offer(row))


def _offer(row: WaitlistOffer) -> dict[str, Any]:
    return {
        "entry_id": row.entry_id,
        "offer_id": row.id,
        "patient_id": row.patient_id,
        "clinic_id": row.clinic_id,
        "provider_id": row.provider_id,
        "appointment_type_id": row.appointment_type_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }
