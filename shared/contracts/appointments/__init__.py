"""What the appointments service says; a module for each part of the work."""

from shared.contracts.appointments.day import (
    AppointmentEnteredInError,
    PatientArrived,
    VisitStageReached,
    VisitStepUndone,
    WaitingTooLong,
)
from shared.contracts.appointments.setup import AppointmentTypePublished, ClinicOpened
from shared.contracts.appointments.visits import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentNoShow,
    AppointmentRescheduled,
    PatientCheckedIn,
    SlotReleased,
    VisitCheckedOut,
    VisitEvent,
)
from shared.contracts.envelope import Event

EVENTS: tuple[type[Event], ...] = (
    ClinicOpened,
    AppointmentTypePublished,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentNoShow,
    PatientCheckedIn,
    VisitCheckedOut,
    SlotReleased,
    PatientArrived,
    VisitStepUndone,
    VisitStageReached,
    AppointmentEnteredInError,
    WaitingTooLong,
)

__all__ = [
    "EVENTS",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentConfirmed",
    "AppointmentEnteredInError",
    "AppointmentNoShow",
    "AppointmentRescheduled",
    "AppointmentTypePublished",
    "ClinicOpened",
    "PatientArrived",
    "PatientCheckedIn",
    "SlotReleased",
    "VisitCheckedOut",
    "VisitEvent",
    "VisitStageReached",
    "VisitStepUndone",
    "WaitingTooLong",
]
