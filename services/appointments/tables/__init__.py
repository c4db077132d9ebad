"""The tables of appointments, on a registry of their own; a module for each part of the work."""

from services.appointments.tables.calendars import (
    Block,
    BlockResource,
    CalendarFeed,
    OnCallShift,
    ProviderCredential,
    ScheduleException,
)
from services.appointments.tables.heard import (
    EmergencyAccess,
    KnownConsent,
    KnownPatient,
    VisitCover,
    VisitPacket,
)
from services.appointments.tables.registered import Base, metadata
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
    "Block",
    "BlockResource",
    "CalendarFeed",
    "Clinic",
    "EmergencyAccess",
    "KnownConsent",
    "KnownPatient",
    "Occupancy",
    "OnCallShift",
    "Provider",
    "ProviderClinic",
    "ProviderCredential",
    "Room",
    "ScheduleException",
    "VisitCover",
    "VisitPacket",
    "WeeklySchedule",
    "metadata",
]
