"""What the appointments service says; a module for each part of the work."""

from shared.contracts.appointments.holds import (
    AppointmentHeld,
    HoldEvent,
    HoldExpired,
    HoldReleased,
)
from shared.contracts.appointments.series import SeriesChanged
from shared.contracts.appointments.sessions import (
    SessionCancelled,
    SessionEvent,
    SessionMoved,
    SessionOpened,
)
from shared.contracts.appointments.setup import AppointmentTypePublished, ClinicOpened
from shared.contracts.appointments.visits import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentDeclined,
    AppointmentNoShow,
    AppointmentRescheduled,
    PatientCheckedIn,
    SlotReleased,
    VisitCheckedOut,
    VisitEvent,
)
from shared.contracts.appointments.waitlist import (
    WaitlistEntered,
    WaitlistEvent,
    WaitlistOfferAccepted,
    WaitlistOfferDeclined,
    WaitlistOfferEvent,
    WaitlistOfferExpired,
    WaitlistOfferMade,
)
from shared.contracts.envelope import Event

EVENTS: tuple[type[Event], ...] = (
    ClinicOpened,
    AppointmentTypePublished,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentDeclined,
    AppointmentNoShow,
    PatientCheckedIn,
    VisitCheckedOut,
    SlotReleased,
    AppointmentHeld,
    HoldReleased,
    HoldExpired,
    SessionOpened,
    SessionMoved,
    SessionCancelled,
    SeriesChanged,
    WaitlistEntered,
    WaitlistOfferMade,
    WaitlistOfferAccepted,
    WaitlistOfferDeclined,
    WaitlistOfferExpired,
)

__all__ = [
    "EVENTS",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentConfirmed",
    "AppointmentDeclined",
    "AppointmentHeld",
    "AppointmentNoShow",
    "AppointmentRescheduled",
    "AppointmentTypePublished",
    "ClinicOpened",
    "HoldEvent",
    "HoldExpired",
    "HoldReleased",
    "PatientCheckedIn",
    "SeriesChanged",
    "SessionCancelled",
    "SessionEvent",
    "SessionMoved",
    "SessionOpened",
    "SlotReleased",
    "VisitCheckedOut",
    "VisitEvent",
    "WaitlistEntered",
    "WaitlistEvent",
    "WaitlistOfferAccepted",
    "WaitlistOfferDeclined",
    "WaitlistOfferEvent",
    "WaitlistOfferExpired",
    "WaitlistOfferMade",
]
