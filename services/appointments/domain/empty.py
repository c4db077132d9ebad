"""Why a time is no slot."""

from collections.abc import Mapping
from enum import StrEnum

from services.appointments.domain.occupancy import ResourceKind


class Empty(StrEnum):
    """Why a time is no slot, in the order in which a person would ask."""

    NO_TEMPLATE = "no_template"
    """Not in during the window, or never for long enough."""
    CLINIC_CLOSED = "clinic_closed"
    """In by the template, outside of the clinic's hours or on a holiday."""
    NO_CREDENTIAL = "no_credential"
    """Without what the clinic asks who works there to hold."""
    PAST = "past"
    TOO_FAR = "too_far"
    """Further ahead than the network books."""
    LEAD_TIME = "lead_time"
    OUTSIDE_HORIZON = "outside_horizon"
    AGE_LIMIT = "age_limit"
    GENDER_LIMIT = "gender_limit"
    COVER_LIMIT = "cover_limit"
    PAYER_LIMIT = "payer_limit"
    REFERRAL_REQUIRED = "referral_required"
    AUTHORIZATION_REQUIRED = "authorization_required"
    OFF_THE_HOUR = "off_the_hour"
    """Visits come in waves, at the full hour."""
    DAILY_CAP = "daily_cap"
    PROVIDER_DAILY_CAP = "provider_daily_cap"
    PATIENT_DAILY_CAP = "patient_daily_cap"
    BLOCKED = "blocked"
    FULLY_BOOKED = "fully_booked"
    PATIENT_BUSY = "patient_busy"
    ROOM_TAKEN = "room_taken"
    EQUIPMENT_TAKEN = "equipment_taken"
    COLLEAGUE_BUSY = "colleague_busy"
    """The type asks for more than one provider, and no other is in and free."""


MISSING: Mapping[ResourceKind, Empty] = {
    ResourceKind.ROOM: Empty.ROOM_TAKEN,
    ResourceKind.EQUIPMENT: Empty.EQUIPMENT_TAKEN,
    ResourceKind.PROVIDER: Empty.COLLEAGUE_BUSY,
}
"""What a time is where a visit would lack a resource of a kind."""
RANK: Mapping[Empty, int] = {reason: rank for rank, reason in enumerate(Empty)}
"""How far a time got: the later the reason, the nearer it was to a slot."""
