"""What the appointments service says; a module for each part of the work."""

from shared.contracts.appointments.calendars import (
    BlockLifted,
    ProviderBlockCreated,
    ScheduleTemplateChanged,
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
    ScheduleTemplateChanged,
    ProviderBlockCreated,
    BlockLifted,
    AppointmentBooked,
    AppointmentRescheduled,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentNoShow,
    PatientCheckedIn,
    VisitCheckedOut,
    SlotReleased,
)

__all__ = [
    "EVENTS",
    "AppointmentBooked",
    "AppointmentCancelled",
    "AppointmentConfirmed",
    "AppointmentNoShow",
    "AppointmentRescheduled",
    "AppointmentTypePublished",
    "BlockLifted",
    "ClinicOpened",
    "PatientCheckedIn",
    "ProviderBlockCreated",
    "ScheduleTemplateChanged",
    "SlotReleased",
    "VisitCheckedOut",
    "VisitEvent",
]
