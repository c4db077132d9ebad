"""What the appointments service says; a module for each part of the work."""

from shared.contracts.appointments.reminders import (
    MessagesStopped,
    ReminderDue,
    ReminderFailed,
    ReminderSent,
    ReminderSuppressed,
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
    ReminderDue,
    ReminderSent,
    ReminderFailed,
    ReminderSuppressed,
    MessagesStopped,
)

__all__ = [
    "EVENTS",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentConfirmed",
    "AppointmentDeclined",
    "AppointmentNoShow",
    "AppointmentRescheduled",
    "AppointmentTypePublished",
    "ClinicOpened",
    "MessagesStopped",
    "PatientCheckedIn",
    "ReminderDue",
    "ReminderFailed",
    "ReminderSent",
    "ReminderSuppressed",
    "SlotReleased",
    "VisitCheckedOut",
    "VisitEvent",
]
