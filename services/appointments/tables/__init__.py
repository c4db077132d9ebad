"""The tables of appointments, on a registry of their own; a module for each part of the work."""

from services.appointments.tables.heard import (
    EmergencyAccess,
    KnownConsent,
    KnownPatient,
    KnownPreference,
    VisitCover,
    VisitPacket,
)
from services.appointments.tables.registered import Base, metadata
from services.appointments.tables.reminders import (
    CallTask,
    ChannelStop,
    Reminder,
    ReminderSettings,
)
from services.appointments.tables.setup import (
    AppointmentType,
    Clinic,
    Provider,
    ProviderClinic,
    Room,
    WeeklySchedule,
)
from services.appointments.tables.visits import Appointment, AppointmentMove, Occupancy

__all__ = [
    "Appointment",
    "AppointmentMove",
    "AppointmentType",
    "Base",
    "CallTask",
    "ChannelStop",
    "Clinic",
    "EmergencyAccess",
    "KnownConsent",
    "KnownPatient",
    "KnownPreference",
    "Occupancy",
    "Provider",
    "ProviderClinic",
    "Reminder",
    "ReminderSettings",
    "Room",
    "VisitCover",
    "VisitPacket",
    "WeeklySchedule",
    "metadata",
]
