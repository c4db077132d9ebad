"""The tables of appointments, on a registry of their own; a module for each part of the work."""

from services.appointments.tables.day import (
    QueueEntry,
    RequirementCheck,
    RoomState,
    RoomStay,
    Visitor,
    VisitPolicy,
    VisitStep,
)
from services.appointments.tables.heard import (
    EmergencyAccess,
    KnownAuthorization,
    KnownConsent,
    KnownForm,
    KnownPatient,
    KnownVerification,
    ProxyEntry,
    VisitCopay,
    VisitCover,
    VisitPacket,
    VisitPayment,
)
from services.appointments.tables.holds import Hold
from services.appointments.tables.registered import Base, metadata
from services.appointments.tables.rules import BookingRule
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

__all__ = [
    "Appointment",
    "AppointmentMove",
    "AppointmentType",
    "Base",
    "BookingRule",
    "Clinic",
    "EmergencyAccess",
    "Equipment",
    "Hold",
    "KnownAuthorization",
    "KnownConsent",
    "KnownForm",
    "KnownPatient",
    "KnownVerification",
    "Occupancy",
    "Provider",
    "ProviderClinic",
    "ProxyEntry",
    "QueueEntry",
    "RequirementCheck",
    "Room",
    "RoomState",
    "RoomStay",
    "Series",
    "Session",
    "VisitCopay",
    "VisitCover",
    "VisitPacket",
    "VisitPayment",
    "VisitPolicy",
    "VisitStep",
    "Visitor",
    "WeeklySchedule",
    "metadata",
]
