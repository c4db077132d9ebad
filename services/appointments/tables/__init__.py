"""The tables of appointments, on a registry of their own; a module for each part of the work."""

from services.appointments.tables.heard import (
    EmergencyAccess,
    KnownConsent,
    KnownPatient,
    VisitCover,
    VisitPacket,
)
from services.appointments.tables.holds import Hold
from services.appointments.tables.registered import Base, metadata
from services.appointments.tables.series import Series
from services.appointments.tables.sessions import Session
from services.appointments.tables.setup import (
    AppointmentType,
    Clinic,
    Equipment,
    Provider,
    ProviderClinic,
    Room,
    WeeklySchedule,
)
from services.appointments.tables.visits import Appointment, AppointmentMove, Occupancy
from services.appointments.tables.waitlist import ReleasedSlot, WaitlistEntry, WaitlistOffer

__all__ = [
    "Appointment",
    "AppointmentMove",
    "AppointmentType",
    "Base",
    "Clinic",
    "EmergencyAccess",
    "Equipment",
    "Hold",
    "KnownConsent",
    "KnownPatient",
    "Occupancy",
    "Provider",
    "ProviderClinic",
    "ReleasedSlot",
    "Room",
    "Series",
    "Session",
    "VisitCover",
    "VisitPacket",
    "WaitlistEntry",
    "WaitlistOffer",
    "WeeklySchedule",
    "metadata",
]
